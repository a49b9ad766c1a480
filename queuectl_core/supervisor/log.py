"""Log: the messages of the supervisor for people or programs, on standard error."""

from __future__ import annotations

from ..model.log_lines import TEXT, line, message
from ..system.clock import now_ms
from ..system.line_sink import LineSink

_how = TEXT
"""The format of the lines, one of `log_lines.FORMATS`."""


def _dropped(count: int) -> bytes:
    return line(message(now_ms(), f"{count} lines of this log were dropped, because nobody read them"), _how)


_sink = LineSink(_dropped)


def use_format(how: str) -> None:
    """Write all lines from now on in this format."""
    global _how
    _how = how


def log(text: str) -> None:
    """Print a message to standard error, which is the supervisor's log or its terminal."""
    write([line(message(now_ms(), text), _how)])


def write(lines: list[bytes]) -> None:
    """Print lines of `log_lines`. They are dropped if their reader has stopped to read."""
    _sink.write(lines)
