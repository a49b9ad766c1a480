"""Echo: the output of the current run, line by line, on standard error of a supervisor in the foreground.

It does not know where output is kept.
"""

from __future__ import annotations

import os

from ..model.log_lines import line, message, output_line
from ..system.clock import now_ms
from ..system.line_sink import LineSink

LINE_BYTES = 2000
"""The longest line. A longer one becomes several."""


class Echo:
    """The lines of one run after another, each with the ID of its job."""

    def __init__(self, how: str) -> None:
        """Begin. `how` is the format, one of `log_lines.FORMATS`."""
        self._how = how
        self._is_terminal = os.isatty(2)
        self._sink = LineSink(self._dropped)
        self._job = ""
        self._begun = b""

    def begin(self, job: str) -> None:
        """Begin the output of a job."""
        self._job, self._begun = job, b""

    def take(self, data: bytes) -> None:
        """Write the lines that are complete with this output."""
        *lines, self._begun = (self._begun + data).split(b"\n")
        if len(self._begun) > LINE_BYTES:
            lines, self._begun = [*lines, self._begun], b""
        self._sink.write([self._line(part) for text in lines for part in _parts(text)])

    def finish(self) -> None:
        """Write the last line, which can lack its end."""
        if self._begun:
            self._sink.write([self._line(self._begun)])

    def _line(self, text: bytes) -> bytes:
        return output_line(self._job, text, self._how, self._is_terminal)

    def _dropped(self, count: int) -> bytes:
        return line(message(now_ms(), f"{count} lines of output were not shown, because nobody read them"), self._how)


def _parts(text: bytes) -> list[bytes]:
    return [text[start : start + LINE_BYTES] for start in range(0, len(text) or 1, LINE_BYTES)]
