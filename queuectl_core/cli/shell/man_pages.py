"""Manual pages: queuectl(1) and one page for each command, in man(7), made from the parsers of the commands."""

from __future__ import annotations

import argparse
import os
import textwrap
import time
from collections.abc import Iterator
from typing import Any

from ... import __version__
from .. import arguments
from ..fast_args import spellings
from ..guidance.topics import TOPICS
from ..main import COMMANDS, command_of
from .parser_texts import actions_of, argument, examples_of, is_group, is_positional, options_of, spelled, usage_of

_DESCRIPTION = """queuectl is a job queue on one machine.
It runs shell commands in the background, retries failed jobs, keeps the jobs that fail for good, and never loses one.
Without a command, it shows the status."""

_COMMON = {
    "--home DIR": "Folder that holds the jobs, the home. The default is $QUEUECTL_HOME, else $XDG_STATE_HOME/queuectl, "
    "else ~/.local/state/queuectl.",
    "-j, --json": "Print one JSON value, for programs.",
    "-q, --quiet": "Print only data, warnings and errors.",
    "-h, --help": "Print help.",
    "-V, --version": "Print the version.",
}

_ENVIRONMENT = {
    "QUEUECTL_HOME": "The home, if no --home names another.",
    "QUEUECTL_STORE": "The kind of dbm store of a new home.",
    "NO_COLOR": "No colors, if it is not empty.",
}

EXIT_STATUSES = {
    "0": "The command has done what it says; what it changed is on the disk.",
    "1": "It refuses, or does not find a job.",
    "2": "The arguments or the input are invalid.",
    "3": "It needs a supervisor, and none runs.",
    "70": "A defect of queuectl; the message says what to report.",
    "75": "It cannot work now, because the disk is full or the home is busy; try again later.",
    "124": "A wait has timed out.",
    "130": "Ctrl-C has interrupted it.",
    "141": "Nobody reads its output.",
}

_ROFF = str.maketrans({
    **{"\\": r"\e", "-": r"\-", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"},
    **{"'": r"\(aq", "\u2026": "...", "\u2013": r"\(en"},
})  # fmt: skip
"""What roff would otherwise change or act on, and how to write it."""


def pages(date: str) -> dict[str, str]:
    """Return each manual page by its file name. `date` is the date in their footers, like 2026-11-30."""
    made = {"queuectl.1": _page("queuectl", "a durable job queue for one machine", date, _main())}
    for name, (_, summary) in COMMANDS.items():
        title = f"queuectl-{name}"
        made[f"{title}.1"] = _page(title, summary, date, _command(name))
    return made


def write_pages(folder: str) -> list[str]:
    """Write the pages into a folder, which may be missing, and return their paths.

    Raises: OSError.
    """
    os.makedirs(folder, mode=0o755, exist_ok=True)
    at_s = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    paths = []
    for name, text in pages(time.strftime("%Y-%m-%d", time.gmtime(at_s))).items():
        paths.append(os.path.join(folder, name))
        with open(paths[-1], "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(paths[-1], 0o644)
    return paths


def _page(title: str, summary: str, date: str, body: Iterator[str]) -> str:
    head = [
        r'.\" Made from the parsers of queuectl; do not edit.',
        f'.TH {_escaped(title.upper())} 1 {date} "queuectl {__version__}" "User Commands"',
        *(".SH NAME", f"{_escaped(title)} \\- {_escaped(summary)}"),
    ]
    return "\n".join([*head, *body]) + "\n"


def _main() -> Iterator[str]:
    yield from (".SH SYNOPSIS", r".B queuectl", r"[\fB\-\-home\fR \fIDIR\fR] [\fB\-\-json\fR] [\fB\-\-quiet\fR]")
    yield from (r".I COMMAND", r"\&...", ".SH DESCRIPTION", *_text(_DESCRIPTION), ".SH COMMANDS")
    for name, (_, summary) in COMMANDS.items():
        yield from (".TP", rf".BR queuectl\-{_escaped(name)} (1)", _escaped(summary))
    yield from (".SH OPTIONS", "They stand before or after the command.", *_listed(_COMMON))
    yield from (".SH ENVIRONMENT", *_listed(_ENVIRONMENT))
    yield from (".SH FILES", *_listed({"~/.local/state/queuectl": "The usual home. Only its owner can read it."}))
    yield from (".SH EXIT STATUS", *_listed(EXIT_STATUSES))
    names = ", ".join(TOPICS)
    yield from (".SH SEE ALSO", *_text(f"`queuectl help TOPIC` has more about {names}."))


def _command(name: str) -> Iterator[str]:
    command = command_of(name)
    parser = arguments.make_parser(name, command, {"home": None, "json": False})
    actions = actions_of(parser)
    yield ".SH SYNOPSIS"
    for n, one in enumerate(actions.values() or [parser]):
        yield from (*([".br"] if n else []), _synopsis(one))
    yield from (".SH DESCRIPTION", *_text(command.SUMMARY))
    for word, one in actions.items():
        yield from (f".SS {_escaped(name)} {_escaped(word)}", *_text(one.description or ""))
        yield from _arguments(one, command.ACTIONS[word])
    if not actions and any(_described(parser)):
        yield from (".SH OPTIONS", *_arguments(parser, command))
    yield from (".SH EXAMPLES", ".nf", *map(_line, examples_of(parser)), ".fi")
    yield from (".SH SEE ALSO", ".BR queuectl (1)")


def _synopsis(parser: argparse.ArgumentParser) -> str:
    prog, rest = parser.prog, usage_of(parser)[len(parser.prog) :]
    return rf"\fB{_escaped(prog)}\fR{_escaped(rest)}"


def _described(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    positional = [action for action in parser._actions if is_positional(action) and not is_group(action)]
    return [*positional, *options_of(parser)]


def _arguments(parser: argparse.ArgumentParser, definition: Any) -> Iterator[str]:
    """Yield the arguments of a parser, those of its groups too, whose help stands in the declarations."""
    declared = (*getattr(definition, "OPTIONS", ()), *getattr(definition, "JOB_FLAGS", ()))
    texts = {spellings(names)[-1]: text for names, _, text in declared}
    described = {}
    for action in _described(parser):
        is_option = bool(action.option_strings)
        key = action.option_strings[-1] if is_option else action.dest
        help = texts.get(key, "") if action.help in (None, argparse.SUPPRESS) else str(action.help)
        described[spelled(action) if is_option else argument(action)] = help
    yield from _listed(described)


def _listed(meanings: dict[str, str]) -> Iterator[str]:
    for name, text in meanings.items():
        yield from (".TP", rf"\fB{_escaped(name)}\fR", *(_text(text) or [r"\&"]))


def _text(text: str) -> list[str]:
    """Return a text as lines, in which nothing is a request of roff."""
    return [_line(line) for line in textwrap.wrap(text, 70, break_on_hyphens=False, break_long_words=False)]


def _line(line: str) -> str:
    escaped = _escaped(line)
    return rf"\&{escaped}" if escaped.startswith(".") else escaped


def _escaped(text: str) -> str:
    return text.translate(_ROFF)
