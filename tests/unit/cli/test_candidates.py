"""Candidates: the words that may follow, from the declarations of the commands and the values of a home."""

from __future__ import annotations

from typing import Any

import pytest

from queuectl_core.cli import arguments
from queuectl_core.cli.main import COMMANDS, command_of, definitions
from queuectl_core.cli.shell.candidates import FILES, candidates


class Live:
    """The values of a home that needs no files."""

    def __init__(self) -> None:
        self.asked: Any = None

    def jobs(self, states: Any, text: str) -> dict[str, str]:
        self.asked = states
        return {id: "pending: true" for id in ("a:1", "a:2", "b") if id.startswith(text)}

    def queues(self) -> dict[str, str]:
        return {"default": "", "mail": ""}

    def schedules(self) -> dict[str, str]:
        return {"night": ""}

    def seen(self, field: str) -> dict[str, str]:
        return {f"some-{field}": ""}

    def tags(self) -> dict[str, str]:
        return {"user=ann": ""}


def words_after(text: str, live: Live | None = None) -> list[str]:
    return [*candidates(text.split(" "), lambda home: live or Live())]


@pytest.mark.parametrize(
    ("call", "offered"),
    [
        ("sched", ["schedule"]),
        ("-q sched", ["schedule"]),
        ("--home /tmp sched", ["schedule"]),
        ("worker st", ["start", "stop"]),
        ("show a", ["a:1", "a:2"]),
        ("show a:1 ", ["a:2", "b"]),
        ("info b", ["b"]),
        ("--json ls --sta", ["--state"]),
        ("list --state de", ["dead"]),
        ("list --state dead,f", ["dead,failed"]),
        ("list -s de", ["dead"]),
        ("list --queue m", ["mail"]),
        ("list --queue=m", ["--queue=mail"]),
        ("list --tag u", ["user=ann"]),
        ("list --batch s", ["some-batch"]),
        ("list --name s", ["some-name"]),
        ("list --sort exit", ["exit_code"]),
        ("list --columns id,exit", ["id,exit_code"]),
        ("enqueue --after a:1,b", ["a:1,b"]),
        ("enqueue --on-conflict s", ["skip"]),
        ("enqueue --id ", []),
        ("queue pause m", ["mail"]),
        ("schedule show ", ["night"]),
        ("config get max-r", ["max-retries"]),
        ("move b ", ["front", "back"]),
        ("help tim", ["times"]),
        ("worker start --log-format j", ["json"]),
        ("nonsense ", []),
        ("wait --timeout 5 b", ["b"]),
        ("--vers", ["--version"]),
    ],
)
def test_what_is_offered(call: str, offered: list[str]) -> None:
    assert words_after(call) == offered


@pytest.mark.parametrize("call", ["backup ", "--home ", "list --home ", "enqueue --file x", "enqueue -- ", "run --cwd=/t"])
def test_the_shell_completes_paths(call: str) -> None:
    assert words_after(call) == [*FILES]


@pytest.mark.parametrize(
    ("call", "states"), [("dlq retry ", ("dead",)), ("cancel ", ("pending", "failed", "processing")), ("logs ", None)]
)
def test_a_command_gets_the_jobs_that_it_takes(call: str, states: Any) -> None:
    live = Live()
    words_after(call, live)
    assert (states and set(states)) == (live.asked and set(live.asked))


def test_the_home_of_the_call_is_asked() -> None:
    homes: list[Any] = []
    for call in (["--home", "/a", "show", ""], ["show", "--home=/b", ""], ["show", ""]):
        candidates(call, lambda home: homes.append(home) or Live())
    assert homes == ["/a", "/b", None]


@pytest.mark.parametrize("words", [words for words, _ in definitions()])
def test_every_option_of_argparse_is_offered(words: str) -> None:
    name, _, action = words.partition(" ")
    parser = arguments.make_parser(name, command_of(name), {"home": None, "json": False})
    parser = parser.actions.get(action, parser)
    known = [one.option_strings[-1] for one in parser._actions if one.option_strings]
    also = {flag for one in parser._actions for flag in one.option_strings}
    offered = words_after(f"{words} --")
    assert set(offered) <= also and len(offered) == len(known)


def test_every_command_is_offered_with_its_line() -> None:
    assert candidates([""], lambda home: Live()) == {name: text for name, (_, text) in COMMANDS.items()}
