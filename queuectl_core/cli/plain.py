"""Plain: the arguments of a call that has words and no options, taken without argparse, whose import and parsing cost
as much as all the rest of such a call. Most calls of `enqueue` and `status` are such.

A command tells it its arguments as it would tell argparse. It takes only what it can take for sure; every other call,
and every wrong one, is argparse's. Knows no single command. The trap: it must never take what argparse would refuse.
"""

from __future__ import annotations

import os

from ..errors import InvalidInput


class Arguments:
    """What argparse calls a Namespace."""

    def __init__(self, values: dict[str, object]) -> None:
        self.__dict__.update(values)


class Plain:
    """In the place of a parser, for a command's `add_arguments`."""

    usage: str

    def __init__(self) -> None:
        self._values: dict[str, object] = {}
        self._places: list[tuple[str, object]] = []
        self._can_take = True

    def add_argument(self, *names: str, **how: object) -> None:
        if names[0].startswith("-"):
            name = next(name for name in names if name.startswith("--"))
            self._values[name[2:].replace("-", "_")] = False if how.get("action") == "store_true" else None
        else:
            self._places.append((names[0], how.get("nargs")))
        self._can_take = self._can_take and "default" not in how and not (names[0][0] != "-" and "type" in how)

    def take(self, words: list[str]) -> dict[str, object] | None:
        """The values; None when these words are not plain."""
        if not self._can_take or any(word.startswith("-") for word in words):
            return None
        values, rest = dict(self._values), list(words)
        for name, nargs in self._places:
            if nargs == "*":
                values[name], rest = rest, []
            elif nargs is None and rest:
                values[name] = rest.pop(0)
            else:
                return None
        return None if rest else values


def parse(command: object, words: list[str], options: dict[str, object]) -> Arguments | None:
    """The arguments of a plain call; None for any other. Raises InvalidInput."""
    words, behind = split(words)
    plain = Plain()
    command.add_arguments(plain)  # type: ignore[attr-defined]
    values = plain.take(words)
    if values is None or (behind is not None and not getattr(command, "TAKES_WORDS", False)):
        return None
    home = home_of(options["home"])
    return Arguments({**values, **options, "home": home, "words": behind})


def split(words: list[str]) -> tuple[list[str], list[str] | None]:
    """What stands before `--`, and what behind it, or None."""
    if "--" not in words:
        return words, None
    at = words.index("--")
    return words[:at], words[at + 1 :]


def home_of(path: object) -> object:
    """What --home says. Raises InvalidInput."""
    if path is None:
        return None
    if not path:
        raise InvalidInput(what="--home needs a folder")
    return os.path.expanduser(str(path))
