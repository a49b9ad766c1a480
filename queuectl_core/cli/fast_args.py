"""Fast arguments: the arguments of an ordinary call, parsed without argparse.

To import argparse and parse with it costs as much as the rest of an ordinary call. A command
declares its arguments here as it does for argparse. This module accepts only options with their
full name, values that are separate words, and positional words that stand together. argparse
handles every other call. It does not know any command.
Invariant: this module never accepts a call that argparse refuses or understands in another way.
"""

from __future__ import annotations

import os
import sys

from ..errors import InvalidInput

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import Any


class Arguments:
    """The parsed arguments of a command, as attributes."""

    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return an argument; its type depends on the option."""


class Parser:
    """A parser of ordinary calls; `arguments.FullParser` accepts the same declarations."""

    usage: str

    def __init__(self, options: dict[str, object]) -> None:
        self._values: dict[str, Any] = {}
        self._options: dict[str, dict[str, Any]] = {}
        self._places: list[tuple[str, object]] = []
        self._can_take = True
        self.add_argument("--json", action="store_true", default=options["json"])
        self.add_argument("--home", default=options["home"])

    def add_argument(self, *names: str, **how: object) -> None:
        """Declare an option or a positional argument with the parameters of argparse."""
        if names[0].startswith("-"):
            destination = next(name for name in names if name.startswith("--"))[2:].replace("-", "_")
            is_switch = how.get("action") == "store_true"
            self._values[destination] = how.get("default", False if is_switch else None)
            self._options.update(dict.fromkeys(names, {**how, "dest": destination}))
            self._can_take &= how.get("action") in (None, "store_true", "append")
        else:
            self._places.append((names[0], how.get("nargs")))
        self._can_take &= not how.keys() & {"type", "choices"}

    def add_argument_group(self, title: str, text: str) -> Parser:
        return self

    def take(self, words: list[str]) -> dict[str, object] | None:
        """Return the values, or None if argparse must parse these words."""
        if not self._can_take:
            return None
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
        how = self._options[name]
        destination = str(how["dest"])
        if how.get("action") == "store_true":
            values[destination] = True
            return
        word = rest.pop(0)
        if word.startswith("-"):
            raise ValueError(word)
        if how.get("action") == "append":
            values[destination] = [*(values[destination] or []), word]
        else:
            values[destination] = word

    def _place(self, words: list[str], values: dict[str, object]) -> dict[str, object] | None:
        for name, nargs in self._places:
            if nargs == "*":
                values[name], words = words, []
            elif nargs is None and words:
                values[name], *words = words
            else:
                return None
        return None if words else values


def parse(command: Any, words: list[str], options: dict[str, object]) -> Arguments | None:
    """Return the arguments of an ordinary call, or None for any other call.

    Raises: InvalidInput.
    """
    words, behind = split(words)
    parser = Parser(options)
    command.add_arguments(parser)
    values = parser.take(words)
    if values is None or (behind is not None and not getattr(command, "TAKES_WORDS", False)):
        return None
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
