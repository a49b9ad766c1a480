"""Filter words: what a user types after `/`, as the options of the command line.

It does not know what is done with the jobs.
"""

from __future__ import annotations

import shlex
from typing import Any

from ...errors import InvalidInput
from ..fast_args import Arguments, Parser
from ..filters import FILTERS, STATE, chosen_by

HINT = "--state dead  --queue NAME  --tag K=V  or a part of the command"


class _Filter:
    """The options of a filter, as those of a command."""

    OPTIONS = (STATE, *FILTERS)


def words_of(text: str) -> list[str]:
    """Return the words of a line. A line without options is a part of the command.

    Raises: InvalidInput.
    """
    if not text.strip():
        return []
    if not text.lstrip().startswith("-"):
        return ["--grep", text.strip()]
    try:
        words = shlex.split(text)
    except ValueError as fault:
        raise InvalidInput(what=f"cannot read the filter: {fault}") from None
    return [part for word in words for part in _parts(word)]


def _parts(word: str) -> list[str]:
    """Return an option and its value apart."""
    name, sign, value = word.partition("=")
    return [name, value] if sign and name.startswith("--") else [word]


def arguments_of(words: list[str], definition: Any = _Filter) -> Arguments:
    """Return the arguments of a command that these words give, without the options before it.

    Raises: InvalidInput.
    """
    taken = Parser(definition).take(words)
    if taken is None:
        unknown = [word for word in words if word.startswith("-") and not Parser(definition).knows(word)]
        what = f"unknown option {unknown[0][:40]}" if unknown else f"cannot read {shlex.join(words)[:60]}"
        raise InvalidInput(what=f"{what}; filters are {', '.join(flag for flag, _, _ in _Filter.OPTIONS)}")
    return Arguments(**taken)


def check(words: list[str]) -> None:
    """Check a filter as far as this side can.

    Raises: InvalidInput.
    """
    chosen_by(arguments_of(words))


def words_given(args: Arguments) -> list[str]:
    """Return the words of the filter that a call has."""
    words = []
    for flag, _, _ in _Filter.OPTIONS:
        value = getattr(args, flag[2:].replace("-", "_"))
        for text in _listed(value):
            words += [flag, text]
    return words


def _listed(value: object) -> list[str]:
    """Return the values of an option that can be given several times, once, or not at all."""
    if value is None:
        return []
    return value if isinstance(value, list) else [str(value)]
