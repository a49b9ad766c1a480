"""Command words: the command lines that do the same as requests of the page.

Pure.

Invariant: no word has the value of a variable.
Invariant: no command line has a control character. Where somebody pastes it, that could end it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MAX_IDS = 100
"""The most IDs in a command line that is shown."""

_HIDDEN = "…"
_SECRET = ("env", "environ")
_NO_OPTION = ("input", "command")


_SHORT = {"\n": "\\n", "\t": "\\t", "\\": "\\\\", "'": "\\'"}


def quoted(words: Sequence[str]) -> str:
    """Return words as a command line, with signs that nobody sees as escapes in `$'…'`."""
    return " ".join(shlex.quote(word) if word.isprintable() else _escaped(word) for word in words)


def _escaped(word: str) -> str:
    return f"$'{''.join(map(_sign, word))}'"


def _sign(sign: str) -> str:
    return _SHORT.get(sign) or (sign if sign.isprintable() else _code(ord(sign)))


def _code(number: int) -> str:
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def option(name: str, value: object) -> list[str]:
    """Return an option with its value, or once for each pair.

    One word keeps a value that begins with a dash.
    """
    if isinstance(value, Mapping):
        return _pairs("tag" if name == "tags" else name, value)
    return _option(name, _HIDDEN if name in _SECRET or name == "input" else _text(value))


def _option(name: str, text: str) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    return [f"{flag}={text}"] if text.startswith("-") else [flag, text]


def for_jobs(verb: Sequence[str], ids: Sequence[str], options: Mapping[str, object]) -> list[str]:
    """Return the words of a change of some jobs."""
    return [*verb, *ids, *(word for name, value in options.items() for word in option(name, value))]


def enqueue(job: Mapping[str, Any]) -> list[str]:
    """Return the words that add a job."""
    words = ["enqueue"]
    for name, value in job.items():
        if name in _NO_OPTION or value is None:
            continue
        if value is True:
            words.append(f"--{name.replace('_', '-')}")
        elif value is not False:
            words += option(name, value)
    return [*words, *option("command", job.get("command", ""))]


def edit(id: str, changes: Mapping[str, Any]) -> list[str]:
    """Return the words that change fields of a job."""
    words = ["edit", id]
    for name, value in changes.items():
        if isinstance(value, Mapping):
            shown = _hidden(value) if name in _SECRET else value
            field = "tag" if name == "tags" else name
            words += [
                word
                for key, text in shown.items()
                for word in ("--set", f"{field}.{key}={_text(text)}")
            ]
        else:
            text = _HIDDEN if name in _SECRET or name == "input" else _text(value)
            words += ["--set", f"{name}={'' if value is None else text}"]
    return words


def queue(name: str, rules: Mapping[str, Any]) -> list[str]:
    """Return the words that change the rules of a queue."""
    if "paused" in rules:
        return ["queue", *_pause(rules)[:1], name, *_pause(rules)[1:]]
    words = ["queue", "set", name]
    for rule, value in rules.items():
        if rule == "defaults" and isinstance(value, Mapping):
            words += [word for field, default in value.items() for word in option(field, default)]
        elif rule == "rate" and isinstance(value, list) and len(value) == 2:
            words += option(rule, f"{_text(value[0])}/{_text(value[1])}s")
        else:
            words += option(rule, value)
    return words


def pause(rules: Mapping[str, Any]) -> list[str]:
    """Return the words that pause or resume all queues."""
    return _pause(rules)


def _pause(rules: Mapping[str, Any]) -> list[str]:
    if not rules.get("paused"):
        return ["resume"]
    words = ["pause"]
    if rules.get("pause_for") is not None:
        words += option("for", rules["pause_for"])
    if rules.get("pause_reason") is not None:
        words += option("reason", rules["pause_reason"])
    return words


def _pairs(name: str, values: Mapping[str, object]) -> list[str]:
    shown = _hidden(values) if name in _SECRET else values
    return [word for key, value in shown.items() for word in _option(name, f"{key}={_text(value)}")]


def _hidden(values: Mapping[str, object]) -> dict[str, object]:
    return dict.fromkeys(values, _HIDDEN)


def _text(value: object) -> str:
    if value is None:
        return "none"
    return ",".join(_each(value)) if isinstance(value, list) else str(value)


def _each(values: list[object]) -> Iterator[str]:
    return (str(value) for value in values)
