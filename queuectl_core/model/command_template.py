"""Command templates: one command with placeholders, which each job fills with its own values.

The placeholders are those of GNU parallel: `{}` all values, `{.}` without the extension,
`{/}` the last part of a path, `{//}` its folder, `{/.}` the last part without the extension,
and `{#}` the number of the job. `{2}` is the second value, `{2.}` that without its extension.
`{NAME}` is the value with this name. All other text in braces stays as it is, but if values have
names, a word in braces must be one of them.

Pure.

Invariant: a value reaches the command as an argument. The shell never reads it as text.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Union

from ..errors import InvalidInput

Row = Sequence[str]
"""The values of one job."""

_FORMS: dict[str, Callable[[str], str]] = {
    "": str,
    ".": lambda path: posixpath.splitext(path)[0],
    "/": posixpath.basename,
    "//": lambda path: posixpath.dirname(path) or ".",
    "/.": lambda path: posixpath.splitext(posixpath.basename(path))[0],
}

_SHELL_SYNTAX = re.compile(
    r"""(?P<other> \$['\[] | ` | << | \(\( | (?<![^\s;&|()]) \# )
      | (?P<arithmetic> \$\(\([A-Za-z0-9_ +*/%-]*\)\) )
      | (?P<quoted> \\(?: \{[^{}]*\} | . ) | '[^']*'
          | "(?: \\. | \$\([^()"'`\\\#]*\) | \$\{[^{}"'`\\]*\} | \$(?![({]) | [^"\\`$] )*" )
      | (?P<open> ['"\\] )""",
    re.VERBOSE | re.DOTALL,
)
"""Syntax of the shell in which a quoted value does not stay one argument.

Arithmetic without quotes and placeholders, like `$((QUEUECTL_SLOT - 1))`, is harmless.
Quotes inside `"$(…)"` begin a level of their own, so such a text counts as an open quote.
"""


_LIKE_A_NAME = re.compile(r"(?<!\$)\{([^\W\d_][\w-]*)(?:\.|//|/\.|/|)\}")
"""Text that looks like the value of a column."""


class Placeholder(NamedTuple):
    """The place of one value of the job, of all (`position` -1), or of its number (`position` None)."""

    position: int | None
    form: Callable[[str], str]

    def texts(self, row: Row, number: int) -> list[str]:
        """Return the texts that replace this placeholder."""
        if self.position is None:
            return [str(number)]
        if self.position < 0:
            return [self.form(value) for value in row]
        return [self.form(row[self.position])]


Part = Union[str, Placeholder]


class CommandTemplate:
    """A command that is given as words, or as shell text if there is only one word."""

    def __init__(self, words: Sequence[str], width: int, names: Sequence[str] = (), appends: bool = True) -> None:
        """Parse the words. Each job has `width` values. `names` are the names of the first ones.

        If no word has a placeholder and `appends` is set, the values become the last arguments.

        Raises: InvalidInput.
        """
        self._width = width
        self._names = {name: position for position, name in enumerate(names) if name}
        named = "".join(f"{re.escape(name)}|" for name in sorted(self._names, key=len, reverse=True))
        self._syntax = re.compile(rf"(?<!\$)\{{(?:(\#)|({named}[1-9][0-9]{{0,8}}|)(\.|//|/\.|/|))\}}")
        parsed = [self._parse(word) for word in words]
        self._appends = appends and all(isinstance(part, str) for parts in parsed for part in parts)
        self._parts: list[Part | list[Part]] = []
        """Text that the shell reads, placeholders of arguments, and arguments of several parts."""
        if len(words) == 1:
            self._check_text(words[0])
            self._parts += parsed[0]
        else:
            self._parts += _join(parsed)

    def fill(self, row: Row, number: int) -> str:
        """Return the command line of the job with these values. `number` counts jobs from 1."""
        line = "".join([part if isinstance(part, str) else _argument(part, row, number) for part in self._parts])
        return " ".join((line, *map(shlex.quote, row))) if self._appends else line

    def _parse(self, word: str) -> list[Part]:
        """Return the literal texts and the placeholders of a word, in order.

        Raises: InvalidInput.
        """
        parts: list[Part] = []
        end = 0
        for match in self._syntax.finditer(word):
            parts += [word[end : match.start()], self._placeholder(*match.groups())]
            end = match.end()
        parts.append(word[end:])
        if self._names:
            self._check_names(part for part in parts if isinstance(part, str))
        return [part for part in parts if part != ""]

    def _check_names(self, texts: Iterable[str]) -> None:
        """Refuse the name of a column that does not exist.

        Raises: InvalidInput.
        """
        for text in texts:
            found = _LIKE_A_NAME.search(text)
            if found:
                columns = ", ".join(self._names)[:200]
                raise InvalidInput(what=f"no column {found.group(1)[:40]}; columns: {columns}")

    def _placeholder(self, number_sign: str | None, value: str, form: str) -> Placeholder:
        if number_sign:
            return Placeholder(None, str)
        position = self._names.get(value, int(value) - 1 if value.isdecimal() else -1)
        if position >= self._width:
            raise InvalidInput(what=f"{{{value}{form}}} needs {position + 1} values, but each job has {self._width}")
        return Placeholder(position, _FORMS[form])

    def _check_text(self, text: str) -> None:
        """Refuse shell text in which a value would not stay an argument.

        Raises: InvalidInput.
        """
        for match in _SHELL_SYNTAX.finditer(text):
            found = self._syntax.search(match.group("quoted") or "")
            if found:
                raise InvalidInput(what=f"{found.group()} is inside quotes; remove them, for each value is quoted")
            if match.lastgroup in ("other", "open") and (self._appends or self._syntax.search(text)):
                raise InvalidInput(
                    what=f"a command text with {match.group()} cannot take values; use: -- sh -c 'TEXT \"$1\"' sh {{}}"
                )


def _join(words: list[list[Part]]) -> list[Part | list[Part]]:
    """Return the words as parts of one command line, with a space between them."""
    joined: list[Part | list[Part]] = []
    for parts in words:
        joined += [" ", parts[0] if len(parts) == 1 else parts]
        if all(isinstance(part, str) for part in parts):
            joined[-1] = shlex.quote("".join(map(str, parts)))
    return joined[1:]


def _argument(part: Placeholder | list[Part], row: Row, number: int) -> str:
    """Return the quoted argument, or several if it is only the placeholder of all values."""
    if isinstance(part, Placeholder):
        return " ".join(map(shlex.quote, part.texts(row, number)))
    return shlex.quote("".join([p if isinstance(p, str) else " ".join(p.texts(row, number)) for p in part]))
