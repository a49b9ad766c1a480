"""Log: the messages of the supervisor for people or programs, on standard error."""

from __future__ import annotations

from ..model.log_lines import TEXT, line, message
from ..system.clock import now_ms
from ..system.line_sink import LineSink
from ..system.service_manager import ServiceManager

_how = TEXT
"""The format of the lines, one of `log_lines.FORMATS`."""


def _dropped(count: int) -> bytes:
    return line(message(now_ms(), f"{count} lines of this log were dropped, because nobody read them"), _how)


_sink = LineSink(_dropped)


_manager: ServiceManager | None = None


def set_up(how: str, manager: ServiceManager | None) -> None:
    """Write all lines from now on in this format, and send the messages to a service manager as its status."""
    global _how, _manager
    _how, _manager = how, manager


def log(text: str, *facts: str) -> None:
    """Print a message to standard error, which is the supervisor's log or its terminal.

    `facts` are for a service manager, like `READY=1`.
    """
    write([line(message(now_ms(), text), _how)])
    if _manager is not None:
        _manager.tell(text, *facts)


def write(lines: list[bytes]) -> None:
    """Print lines of `log_lines`. They are dropped if their reader has stopped to read."""
    _sink.write(lines)
