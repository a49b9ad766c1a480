"""Fast args: it parses words exactly as argparse does, and leaves everything else to argparse."""

from __future__ import annotations

import pytest

from queuectl_core.cli import fast_args
from queuectl_core.cli.arguments import parse
from queuectl_core.cli.main import command_of
from queuectl_core.errors import InvalidInput

OPTIONS: dict[str, object] = {"home": None, "json": False}


@pytest.mark.parametrize(
    "words",
    [
        ["enqueue", "{}"],
        ["enqueue", "--", "sleep", "5"],
        ["enqueue", "--", "--odd", "--"],
        ["enqueue", "a", "b"],
        ["enqueue", "--"],
        ["enqueue"],
        ["status"],
        ["list"],
        ["show", "job1"],
        ["logs", "job1"],
        ["enqueue", "--id", "a", "--command", "true"],
        ["enqueue", "{}", "--max-retries", "3"],
        ["enqueue", "--cwd", "/", "--", "true"],
        ["status", "--json"],
        ["status", "--home", "/tmp/x", "--json"],
        ["list", "--limit", "5"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("options", [OPTIONS, {"home": "~/x", "json": True}], ids=["bare", "with options before"])
def test_plain_words_have_the_result_of_argparse(words: list[str], options: dict[str, object]) -> None:
    name, *rest = words
    taken = fast_args.parse(command_of(name), rest, options)
    assert taken is not None
    assert vars(taken) == vars(parse(name, command_of(name), rest, options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "words",
    [
        ["enqueue", "-h"],
        ["enqueue", "--id"],
        ["enqueue", "--id=a"],
        ["enqueue", "--id", "--json"],
        ["enqueue", "--max-retries", "-1"],
        ["enqueue", "a", "--id", "a", "b"],
        ["enqueue", "--idd", "a"],
        ["status", "more"],
        ["dlq", "show"],
        ["dlq", "show", "a", "b"],
        ["list", "--limit"],
        ["list", "--limit", "1", "--limit", "2"],
        ["cancel", "--id", "a", "--id", "b"],
        ["status", "--", "true"],
    ],
    ids=" ".join,
)
def test_everything_else_is_left_to_argparse(words: list[str]) -> None:
    name, *rest = words
    assert fast_args.parse(command_of(name), rest, OPTIONS) is None


def test_empty_home_is_refused_as_by_the_parser() -> None:
    for way in (
        lambda options: fast_args.parse(command_of("status"), [], options),
        lambda options: parse("status", command_of("status"), [], options),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidInput, match="--home needs a folder"):
            way({"home": "", "json": False})


@pytest.mark.parametrize("words", [["enqueue", "--priority", "-1", "--", "true"], ["edit", "a", "--nice", "-5"], ["run", "--priority", "-1", "--", "true"]], ids=" ".join)
def test_a_negative_number_is_a_value(words: list[str]) -> None:
    """The option -0 of `enqueue` looks like a negative number, too."""
    name, *rest = words
    args = parse(name, command_of(name), rest, OPTIONS)  # type: ignore[arg-type]
    assert rest[rest.index("--nice" if name == "edit" else "--priority") + 1] in vars(args).values()


def test_null_has_a_short_form() -> None:
    assert parse("enqueue", command_of("enqueue"), ["-0", "--priority", "-1"], OPTIONS).null is True  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("list --id tick --id later", "--id is given twice; use a pattern or name the jobs"),
        ("cancel --id tick --id later", "--id is given twice; use a pattern or name the jobs"),
        ("rm --queue a --queue b", "--queue is given twice; give one value in each call"),
        ("export -s dead --state=completed", "--state is given twice; separate states with commas"),
        ("wait --exit-code 3 --exit-code 4", "--exit-code is given twice; separate the numbers with commas"),
        ("dlq retry --grep a --grep b", "--grep is given twice"),
        ("edit --set priority=1 --queue a --queue b", "--queue is given twice"),
        ("edit --batch a --batch b --priority 1", "--batch is given twice"),
        ("prune --state dead --state completed", "--state is given twice; separate states with commas"),
        ("graph --batch a --batch b", "--batch is given twice"),
    ],
)
def test_no_filter_may_be_repeated(words: str, advice: str) -> None:
    name, *rest = words.split()
    assert fast_args.parse(command_of(name), rest, OPTIONS) is None
    with pytest.raises(InvalidInput, match=f"^{advice}"):
        parse(name, command_of(name), rest, OPTIONS)  # type: ignore[arg-type]


def test_the_last_of_repeated_new_values_counts() -> None:
    for words in ("enqueue --id a --id b --queue x --queue y", "run --id a --id b --queue x --queue y"):
        name, *rest = words.split()
        args = parse(name, command_of(name), rest, OPTIONS)  # type: ignore[arg-type]
        assert (args.id, args.queue) == ("b", "y")
