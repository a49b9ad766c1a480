"""Screen: the results and messages of a command, on a terminal or in a pipe.

It does not know the commands or the jobs.
Invariant: text from others, like commands, IDs and output, never controls a terminal. Its control
characters are escaped, and in tables and messages even for a pipe.
"""

from __future__ import annotations

import os
import sys

from ..errors import OutputFailed, QueueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from ..escapes import Sieve

    Columns = Mapping[str, Any]
    """The columns of a table: each title, and a field of a record or a function of it."""

_COLOURS = {
    "pending": "36",
    "processing": "34",
    "completed": "32",
    "failed": "33",
    "dead": "31",
    "head": "1",
    "dim": "2",
}

SECRET_FIELDS = ("env", "input")
"""The fields of a job whose values are not printed for people."""

WATCH_EVERY_S = 2.0


class Painted(str):
    """Text with colors of ours and without any other control character."""


class Tally:
    """The number of jobs that a call has changed, which an error that leaves the block then says.

    A call that changes many jobs sends several requests. One can be refused after others took effect.
    """

    def __init__(self, done: str) -> None:
        self.count = 0
        self._done = done

    def __enter__(self) -> Tally:
        return self

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        if self.count and isinstance(fault, QueueError):
            fault.done = f"{self._done} {counted(self.count)}"


class Screen:
    """The place where a command prints its results.

    `json` is true with --json, and `quiet` with --quiet. Colors appear only on a terminal, and not
    with NO_COLOR or TERM=dumb.
    """

    def __init__(self, json: bool, quiet: bool = False) -> None:
        self.json = json
        self.quiet = quiet
        self.is_terminal = sys.stdout.isatty()
        self.height: int | None = None
        """The lines of the terminal while `watch` fills it, page by page."""
        self._sieve: Sieve | None = None
        self.colours = self.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def line(self, *parts: str) -> None:
        """Print the parts as one line.

        On a terminal, control characters are escaped, except newlines, tabs, and parts from
        `paint`.
        """
        if self.is_terminal:
            parts = tuple(part if type(part) is Painted else visible(part, "\n\t") for part in parts)
        write("".join(parts) + "\n")

    def value(self, value: object) -> None:
        """Print one JSON value on several lines; on a terminal, in printable ASCII."""
        write(self._json(value, 2) + "\n")

    def result(self, value: object, text: str) -> None:
        """Print a value with --json, or else a line of text."""
        self.value(value) if self.json else self.line(text)

    def done(self, value: object, text: str) -> None:
        """Print what a command did: a value with --json, or else a line, but none with --quiet."""
        if self.json or not self.quiet:
            self.result(value, text)

    def records(self, columns: Columns, records: Sequence[Any]) -> None:
        """Print records as a JSON array with --json, or else as a table."""
        self.value(records) if self.json else self.table(columns, records)

    def values(self, values: Iterable[object]) -> None:
        """Print a JSON array, each item as soon as it is there."""
        opening = "["
        for value in values:
            write(opening + "\n" + self._json(value))
            opening = ","
        write("[]\n" if opening == "[" else "\n]\n")

    def value_line(self, value: object) -> None:
        """Print one JSON value on one line."""
        write(self._json(value) + "\n")

    def _json(self, value: object, indent: int | None = None) -> str:
        import json

        text = json.dumps(value, ensure_ascii=self.is_terminal, indent=indent)
        return text.replace("\x7f", "\\u007f") if self.is_terminal else text

    def raw(self, data: bytes) -> None:
        """Print the output of a job, byte by byte as it is.

        On a terminal, control characters are escaped, except tabs, ends of lines, and colors.
        """
        if self.is_terminal:
            from ..escapes import Sieve

            self._sieve = self._sieve or Sieve()
            write(self._sieve.take(data))
            flush()
            return
        flush()
        _checked(sys.stdout.buffer.write, data)
        _checked(sys.stdout.buffer.flush)

    def note(self, text: str) -> None:
        """Print a message on stderr, so that it never gets into data."""
        flush()
        tell(text)

    def paint(self, text: str, colour: str) -> str:
        """Return the text in a color of `_COLOURS`, as a part for `line`."""
        if not self.colours or colour not in _COLOURS:
            return text
        return Painted(f"\x1b[{_COLOURS[colour]}m{visible(text)}\x1b[0m")

    def watch(self, show: Callable[[], None]) -> None:
        """Call `show` every 2 s until an interrupt. On a terminal, each call fills a new page."""
        import shutil
        import time

        while True:
            if self.is_terminal:
                self.height = shutil.get_terminal_size().lines
                write("\x1b[H\x1b[2J")
            show()
            flush()
            time.sleep(WATCH_EVERY_S)

    def table(self, columns: Columns, records: Sequence[Any]) -> None:
        """Print a table, in which each column is as wide as its widest cell.

        On a terminal, cells are shortened so that lines fit, as `_narrow` does it. States in a column
        STATE get colors.
        """
        head = list(columns)
        cells = [[_cell(record, column) for column in columns.values()] for record in records]
        widths = [max(map(width, column)) for column in zip(head, *cells)]
        if self.is_terminal:
            _narrow(widths, self.columns())
        self.line(self.paint(_row(head, widths), "head"))
        at = head.index("STATE") if "STATE" in head else len(head)
        for row in cells:
            text, state = _row(row, widths), "".join(row[at : at + 1])
            start = sum(len(_padded(*cell)) + 2 for cell in zip(row[:at], widths))
            self.line(text[:start], self.paint(state, state), text[start + len(state) :])

    def columns(self) -> int:
        """Return the columns of the terminal, at least 40."""
        import shutil

        return max(40, shutil.get_terminal_size().columns)


def visible(text: str, kept: str = "") -> str:
    """Escape text as `escapes.visible` does, and import that module only if necessary."""
    if text.isprintable():
        return text
    from ..escapes import visible

    return visible(text, kept)


def write(text: str) -> None:
    """Write text to stdout; BrokenPipeError means that the reader is gone.

    Raises: OutputFailed, BrokenPipeError.
    """
    _checked(sys.stdout.write, text)


def tell(text: str) -> None:
    """Write a line to stderr, and ignore a failure, because it changes no result."""
    try:
        sys.stderr.write(f"{visible(text)}\n")
    except OSError:
        pass


def tell_lines(text: str) -> None:
    """Write lines to stderr, and ignore a failure."""
    for line in text.splitlines():
        tell(line)


def flush() -> None:
    """Write everything that was printed to standard output.

    Raises: OutputFailed, BrokenPipeError.
    """
    _checked(sys.stdout.flush)


def _checked(action: Callable[..., object], *args: object) -> None:
    """Do something with stdout, and raise OutputFailed if it fails; BrokenPipeError stays as it is."""
    try:
        action(*args)
    except BrokenPipeError:
        raise
    except OSError as fault:
        raise OutputFailed(why=fault.strerror) from None


def counted(count: int, noun: str = "job") -> str:
    """Return a number with its noun, like `1 job` or `3 jobs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _cell(record: Any, column: str | Callable[[Any], object]) -> str:
    value = record[column] if isinstance(column, str) else column(record)
    return "-" if value is None else visible(str(value))


def shown(value: object) -> str:
    """Return the value of a field on one line."""
    if isinstance(value, dict):
        return " ".join(f"{name}={text}" for name, text in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def width(text: str) -> int:
    """Return the columns of a text on a terminal, as `cells.width` does."""
    if text.isascii():
        return len(text)
    from ..cells import width

    return width(text)


def cut(text: str, columns: int) -> str:
    """Return the text, shortened to `columns` if it is longer, as `cells.cut` does."""
    if len(text) <= columns and text.isascii():
        return text
    from ..cells import cut

    return cut(text, columns)


def _narrow(widths: list[int], columns: int) -> None:
    """Reduce the widths until they fit, the widest first.

    The first column is an ID and the last one a command or another long text. They shrink before
    those between them, which have the state, the exit code, and the reason. IDs that queuectl makes
    have 14 characters.
    """
    widths[:] = [min(width, columns) for width in widths]
    over = sum(widths) + 2 * (len(widths) - 1) - columns
    last = len(widths) - 1
    inner = range(1, last)
    for among, least in (([0, last], 20), (inner, 24), ([0], 14), ([last], 12), (inner, 10), (range(last + 1), 8)):
        while over > 0:
            widest = max(among, key=widths.__getitem__, default=0)
            if widths[widest] <= least:
                break
            widths[widest] -= 1
            over -= 1


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_padded(cell, columns) for cell, columns in zip(cells, widths)).rstrip()


def _padded(cell: str, columns: int) -> str:
    fitted = cut(cell, columns)
    return fitted + " " * (columns - width(fitted))
