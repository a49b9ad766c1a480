"""Guidance: other names of commands, help topics, and guesses at what a mistaken call meant."""

from __future__ import annotations

import pytest

from queuectl_core.cli import fast_args
from queuectl_core.cli.arguments import make_parser, parse
from queuectl_core.cli.filters import FILTERS, STATE
from queuectl_core.cli.guidance.aliases import ALIASES, AMBIGUOUS, action_of, unknown_command
from queuectl_core.cli.guidance.guesses import behind_dashes, unexpected
from queuectl_core.cli.guidance.topics import TOPICS
from queuectl_core.cli.main import COMMANDS, command_of, definitions
from queuectl_core.cli.sweeps import INDEX_VARIABLE
from queuectl_core.errors import InvalidInput
from queuectl_core.model.job_environment import OWN
from queuectl_core.model.job_spec import HOOKS
from queuectl_core.worker.hook_environment import hook_variables

OPTIONS: dict[str, object] = {"home": None, "json": False, "quiet": False}


@pytest.mark.parametrize("name", [*ALIASES, *AMBIGUOUS])
def test_another_name_is_no_command(name: str) -> None:
    assert name not in COMMANDS


@pytest.mark.parametrize("name", ALIASES)
def test_another_name_stands_for_a_call_that_exists(name: str) -> None:
    called, *words = ALIASES[name].split()
    if called != "--version":
        args = parse(called, command_of(called), [*words, *_needed(called, words)], OPTIONS)
        assert args.home is None


def _needed(name: str, words: list[str]) -> list[str]:
    """Return words that a call needs beside its options."""
    if hasattr(command_of(name), "ACTIONS") and not words:
        return ["list"]
    return {"switch": ["a", "b"], "config": ["max-retries", "1"]}.get(name, []) if words != ["list"] else []


def test_an_ambiguous_name_gets_the_commands_that_it_may_mean() -> None:
    assert "did you mean worker stop, pause or cancel?" in unknown_command("stop", COMMANDS)
    assert "`queuectl --help` lists the commands" in unknown_command("xyzzy", COMMANDS)


def test_actions_have_other_names_where_the_group_has_them() -> None:
    assert [action_of("rm", command_of(name).ACTIONS) for name in ("schedule", "dlq", "config", "worker")] == [
        "remove",
        "purge",
        "unset",
        "rm",
    ]
    assert action_of("list", ["list"]) == "list"
    assert action_of("remove", command_of("queue").ACTIONS) == "rm"


@pytest.mark.parametrize("words", [["list", "-n", "3", "-w"], ["worker", "start", "-n", "2"], ["logs", "a", "-f"]])
def test_short_forms_mean_the_same_with_and_without_argparse(words: list[str]) -> None:
    name, *rest = words
    taken = fast_args.parse(command_of(name), rest, OPTIONS)
    assert taken is not None and vars(taken) == vars(parse(name, command_of(name), rest, OPTIONS))


def test_every_short_form_is_in_the_topic() -> None:
    for name, short in fast_args.SHORT.items():
        assert f"  {short}" in TOPICS["short"] and name in TOPICS["short"]


def test_every_filter_is_in_the_topic() -> None:
    assert [name for name, _, _ in (STATE, *FILTERS) if name not in TOPICS["filters"]] == []


def test_every_variable_of_a_job_is_in_the_topic() -> None:
    assert [name for name in (*OWN, INDEX_VARIABLE) if f"  {name} " not in TOPICS["environment"]] == []


def test_every_hook_and_its_variables_are_in_the_topic() -> None:
    names = {"job_id": "a", "state": "dead", "exit_code": 1, "reason": "", "attempt": 1, "log_file": None}
    counts = {"log_offset": 0, "output_bytes": 0, "batch": "b", "completed": 0, "dead": 1}
    variables = hook_variables({**names, **counts}, "")  # type: ignore[typeddict-item]  # it has all fields
    assert [name for name in variables if f"  {name.decode()} " not in TOPICS["hooks"]] == []
    assert [name for name in HOOKS if f"--{name} CMD" not in TOPICS["hooks"]] == []


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_fits_a_screen_and_is_no_command(name: str) -> None:
    assert name not in COMMANDS and name not in ALIASES
    assert all(len(line) <= 80 for line in TOPICS[name].splitlines()) and len(TOPICS[name].splitlines()) <= 40


def test_options_that_a_help_lists_are_accepted_everywhere() -> None:
    for words, definition in definitions():
        assert all(fast_args.Parser(definition).knows(flag) for flag in ("-j", "--json", "-q", "--quiet")), words


@pytest.mark.parametrize(
    ("words", "known", "said"),
    [
        (["--sate=x"], ["--state"], "unknown option --sate (did you mean --state?)"),
        (["--front"], ["--json", "--to"], "unknown option --front (did you mean --to front?)"),
        (["--at=2"], ["--json"], "unknown option --at; use CRON"),
        (["--queue"], ["--quiet"], "unknown option --queue; `list` has it"),
        (["--after"], ["--json"], "unknown option --after; `run` and others have it"),
        (["--force"], ["--yes", "--format"], "unknown option --force (did you mean --yes?)"),
        (["--follow"], ["--sort"], "unknown option --follow; `logs`, `events` have it"),
        (["--nonsense"], ["--sort"], "unknown option --nonsense"),
        (["failed"], ["--state"], "unexpected argument 'failed' (did you mean --state failed?)"),
        (["more"], ["--json"], "unexpected argument 'more'"),
    ],
)
def test_an_unexpected_word_gets_a_guess(words: list[str], known: list[str], said: str) -> None:
    having = {"--follow": ["logs", "events"], "--after": ["run", "edit", "enqueue", "schedule add"], "--queue": ["list"]}
    advice = "use CRON" if words == ["--at=2"] else ""
    assert unexpected(words, known, lambda flag, _: having.get(flag, []), advice) == said


def test_the_words_of_a_command_stay_as_typed() -> None:
    call = behind_dashes(["queuectl", "run"], ["sh", "-c", "a && b"])
    assert call == "put the command after --: `queuectl run -- sh -c 'a && b'`"


def test_a_missing_action_is_named_and_shown_in_one_line() -> None:
    for group in (name for name in COMMANDS if hasattr(command_of(name), "ACTIONS")):
        with pytest.raises(InvalidInput, match=f"name an action, like `queuectl {group} "):
            make_parser(group, command_of(group), OPTIONS).parse_args([])
