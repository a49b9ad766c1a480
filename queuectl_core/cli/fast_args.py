"""Fast arguments: the arguments of an ordinary call, parsed without argparse.

To import argparse and parse with it costs as much as the rest of an ordinary call. This module
accepts only options with their full name, values that are separate words, and positional words that
stand together. argparse handles every other call. It does not know any command.

A command or an action declares each argument in OPTIONS as an `Option`: its names, the name of its
value, and its help. An option without a value is a switch. A value with `…` may be repeated, and a
positional argument with `?` may be missing. ONCE names more options that, like filters, nobody may
repeat. `SHORT` has the short forms of options.

Invariant: this module never accepts a call that argparse refuses or understands in another way.
"""

from __future__ import annotations

import os
import sys

from ..errors import InvalidInput

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Option = tuple[str, str, str]


SHORT = {
    "--json": "-j",
    "--quiet": "-q",
    "--limit": "-n",
    "--count": "-n",
    "--tail": "-n",
    "--state": "-s",
    "--tag": "-t",
    "--follow": "-f",
    "--watch": "-w",
    "--output": "-o",
    "--yes": "-y",
    "--null": "-0",
}
"""The short form of each option that has one, so that a letter means the same in every command."""


def spellings(names: str) -> list[str]:
    """Return the short form of an option, if it has one, and its names."""
    return [SHORT[names], names] if names in SHORT else names.split()


class Arguments:
    """The parsed arguments of a command, as attributes."""

    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)

    def replaced(self, **values: object) -> Arguments:
        """Return the arguments with other values for some."""
        return Arguments(**{**self.__dict__, **values})

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return an argument; its type depends on the option."""


class Action:
    """One of the ACTIONS of a group like `worker`, defined as a command is. `more` are other attributes."""

    def __init__(self, help: str, example: str, *options: Option, **more: object) -> None:
        self.help = help
        self.SUMMARY = f"{help[0].upper()}{help[1:]}."
        self.EXAMPLES = [example]
        self.OPTIONS = options
        self.__dict__.update(more)


_COMMON = {
    **dict.fromkeys(spellings("--json"), ("json", "")),
    **dict.fromkeys(spellings("--quiet"), ("quiet", "")),
    "--home": ("home", "DIR"),
}


class Parser:
    """A parser of the ordinary calls of one command or action."""

    def __init__(self, definition: Any) -> None:
        self._values: dict[str, Any] = {}
        self._options: dict[str, tuple[str, str]] = dict(_COMMON)
        self._places: list[tuple[str, str]] = []
        options = (*getattr(definition, "OPTIONS", ()), *getattr(definition, "JOB_FLAGS", ()))
        for names, metavar, _ in options:
            if names.startswith("-"):
                destination = names.split()[0][2:].replace("-", "_")
                self._values[destination] = None if metavar else False
                self._options.update(dict.fromkeys(spellings(names), (destination, metavar)))
            else:
                self._places.append((names, metavar))

    def knows(self, flag: str) -> bool:
        """Return whether the command has an option."""
        return flag in self._options

    def shared(self, flags: Iterable[str]) -> int:
        """Return how many of the options the command has, without short forms."""
        return sum(flag in self._options for flag in flags if flag.startswith("--"))

    def take(self, words: list[str]) -> dict[str, Any] | None:
        """Return the values, or None if argparse must parse these words."""
        values, rest = dict(self._values), list(words)
        places: list[str] = []
        try:
            while rest:
                if rest[0].startswith("-"):
                    self._take_option(rest.pop(0), rest, values)
                elif places:
                    return None
                else:
                    while rest and not rest[0].startswith("-"):
                        places.append(rest.pop(0))
            return self._place(places, values)
        except (LookupError, ValueError):
            return None

    def _take_option(self, name: str, rest: list[str], values: dict[str, Any]) -> None:
        destination, metavar = self._options[name]
        if not metavar:
            values[destination] = True
            return
        word = rest.pop(0)
        earlier, is_repeatable = values.get(destination), metavar.endswith("…")
        if word.startswith("-") or (earlier is not None and not is_repeatable):
            raise ValueError(word)
        values[destination] = [*(earlier or []), word] if is_repeatable else word

    def _place(self, words: list[str], values: dict[str, Any]) -> dict[str, Any] | None:
        for name, metavar in self._places:
            if metavar.endswith("…"):
                values[name], words = words, []
            elif words:
                values[name], *words = words
            elif metavar.endswith("?"):
                values[name] = None
            else:
                return None
        return None if words else values


def parse(command: Any, words: list[str], options: dict[str, object]) -> Arguments | None:
    """Return the arguments of an ordinary call, or None for any other call.

    Raises: InvalidInput.
    """
    words, behind = split(words)
    if behind is not None and not getattr(command, "TAKES_WORDS", False):
        return None
    values = dict(options)
    definition = command
    if hasattr(command, "ACTIONS"):
        values["action"], *words = words or [""]
        definition = command.ACTIONS.get(values["action"])
    taken = None if definition is None else Parser(definition).take(words)
    if taken is None:
        return None
    values.update(taken)
    return Arguments(**{**values, "home": home_of(values["home"]), "words": behind})


def split(words: list[str]) -> tuple[list[str], list[str] | None]:
    """Return the words before `--`, and the words after it or None without a `--`."""
    if "--" not in words:
        return words, None
    at = words.index("--")
    return words[:at], words[at + 1 :]


def home_of(path: object) -> object:
    """Return the folder that --home names, or None without the option.

    Raises: InvalidInput, BadHome.
    """
    if path is None:
        return None
    if not path:
        raise InvalidInput(what="--home needs a folder")
    from ..home import expanded

    return path_of(expanded(str(path)))


def path_of(word: str) -> str:
    """Return a word of the command line, which is UTF-8, as a path in the current locale."""
    return word if sys.getfilesystemencoding() == "utf-8" else os.fsdecode(word.encode("utf-8", "surrogateescape"))
