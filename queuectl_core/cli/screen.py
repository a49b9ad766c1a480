"""Screen: values to what a person sees on a terminal, or a program reads from a pipe.

Knows no commands and no queue. The trap: commands, ids in messages and outputs come from anywhere; shown in a table
or a message, their control characters are escaped, never sent to the terminal.
"""

from __future__ import annotations

import os
import sys

from ..errors import OutputFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    from ..escapes import Sieve

_COLOURS = {
    "pending": "36",
    "processing": "34",
    "completed": "32",
    "failed": "33",
    "dead": "31",
    "head": "1",
    "dim": "2",
}

_LAST_COLUMNS, _LEAST_COLUMNS = 20, 10
"""Where a table is too wide, its last column is cut to the one, then others to the other."""


class Painted(str):
    """Text with colours of ours: nothing else in it acts upon a terminal."""


class Screen:
    """Where a command puts its results. `json` as asked for by --json; colours only on a terminal, and not with
    NO_COLOR.
    """

    def __init__(self, json: bool) -> None:
        self.json = json
        self.is_terminal = sys.stdout.isatty()
        self._sieve: Sieve | None = None
        self.colours = self.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def line(self, *parts: str) -> None:
        """Texts one after the other, and the end of a line. On a terminal with everything escaped that it might act
        upon, except in parts that `paint` has made.
        """
        if self.is_terminal:
            parts = tuple(part if type(part) is Painted else visible(part, "\n\t") for part in parts)
        write("".join(parts) + "\n")

    def value(self, value: object) -> None:
        """One JSON value, and nothing else; on a terminal escaped as `line` does."""
        write(self._json(value, 2) + "\n")

    def values(self, values: Iterable[object]) -> None:
        """A JSON array, written as its items come."""
        opening = "["
        for value in values:
            write(opening + "\n" + self._json(value))
            opening = ","
        write("[]\n" if opening == "[" else "\n]\n")

    def value_line(self, value: object) -> None:
        """One JSON value on one line."""
        write(self._json(value) + "\n")

    def _json(self, value: object, indent: int | None = None) -> str:
        import json

        text = json.dumps(value, ensure_ascii=self.is_terminal, indent=indent)
        if not self.is_terminal:
            return text
        from ..escapes import visible_json

        return visible_json(text)

    def raw(self, data: bytes) -> None:
        """Output of a job: bytes as they are; on a terminal without what it might act upon, but for colours."""
        if self.is_terminal:
            from ..escapes import Sieve

            self._sieve = self._sieve or Sieve()
            write(self._sieve.take(data))
            flush()
            return
        with _Telling():
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def note(self, text: str) -> None:
        """A message, on stderr, so that it never gets into data."""
        flush()
        tell(text)

    def paint(self, text: str, colour: str) -> str:
        """A part for `line`."""
        if not self.colours or colour not in _COLOURS:
            return text
        return Painted(f"\x1b[{_COLOURS[colour]}m{visible(text)}\x1b[0m")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]], colour_column: int | None = None) -> None:
        """Columns as wide as their widest cell. On a terminal lines fit; an id, the first, is cut last."""
        cells = [[visible(str(cell)) if cell is not None else "-" for cell in row] for row in rows]
        widths = [max(width(row[n]) for row in [list(head), *cells]) for n in range(len(head))]
        if self.is_terminal:
            _narrow(widths, self._columns())
        self.line(self.paint(_row(head, widths), "head"))
        for row in cells:
            if colour_column is None:
                self.line(_row(row, widths))
            else:
                before, state, after = row[:colour_column], row[colour_column], row[colour_column + 1 :]
                start = "".join(_padded(cell, columns) + "  " for cell, columns in zip(before, widths))
                rest = _row([state, *after], widths[colour_column:])
                self.line(start, self.paint(state, state), rest[len(state) :])

    def _columns(self) -> int:
        import shutil

        return max(40, shutil.get_terminal_size().columns)


def visible(text: str, kept: str = "") -> str:
    """Do what `escapes.visible` does; text that needs no escapes does not load it."""
    if text.isprintable():
        return text
    from ..escapes import visible

    return visible(text, kept)


def write(text: str) -> None:
    """Puts text on stdout. Raises OutputFailed; BrokenPipeError when the reader is gone."""
    with _Telling():
        sys.stdout.write(text)


def tell(text: str) -> None:
    """A line on stderr; what nobody can be told changes no result."""
    try:
        sys.stderr.write(f"{visible(text)}\n")
    except OSError:
        pass


def flush() -> None:
    with _Telling():
        sys.stdout.flush()


class _Telling:
    """A failed write within the block becomes OutputFailed; a reader that is gone stays BrokenPipeError."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        if isinstance(fault, OSError) and not isinstance(fault, BrokenPipeError):
            raise OutputFailed(why=fault.strerror) from None


def shown(value: object) -> str:
    """A field's value on one line."""
    if isinstance(value, dict):
        return " ".join(f"{name}={text}" for name, text in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def width(text: str) -> int:
    """How many columns a terminal uses for it: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(_columns_of(character, unicodedata) for character in text)


def cut(text: str, columns: int) -> str:
    """The text, or as much of it as fits, with an ellipsis."""
    if width(text) <= columns:
        return text
    kept = text[: columns - 1]
    while kept and width(kept) > columns - 1:
        kept = kept[:-1]
    return kept + "…"


def _narrow(widths: list[int], columns: int) -> None:
    """Takes from the last column, then from the widest of the others, what is more than `columns` in all."""
    over = sum(widths) + 2 * (len(widths) - 1) - columns
    taken = max(0, min(over, widths[-1] - _LAST_COLUMNS))
    widths[-1] -= taken
    over -= taken
    while over > 0 and len(widths) > 2:
        widest = max(range(1, len(widths)), key=lambda n: widths[n])
        if widths[widest] <= _LEAST_COLUMNS:
            widest = 0
        if widths[widest] <= _LEAST_COLUMNS:
            return
        widths[widest] -= 1
        over -= 1


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_padded(cell, columns) for cell, columns in zip(cells, widths)).rstrip()


def _padded(cell: str, columns: int) -> str:
    fitted = cut(cell, columns)
    return fitted + " " * (columns - width(fitted))


def _columns_of(character: str, unicodedata: ModuleType) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
