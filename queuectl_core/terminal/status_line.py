"""Status line: one line at the bottom of a terminal, which is replaced as things change and leaves nothing behind.

Invariant: nothing appears if stderr is not a terminal, or if TERM is dumb.
"""

from __future__ import annotations

import os
import sys


class StatusLine:
    """The status line of stderr."""

    def __init__(self, quiet: bool = False) -> None:
        """Prepare the line. `quiet` shows nothing."""
        self.is_live = not quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        """Whether `show` can show something."""
        self._shown = ""

    def columns(self) -> int:
        """Return how many characters the line can have."""
        return (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1

    def show(self, text: str, sequence: str = "") -> None:
        """Replace the line. `sequence` is for the terminal, and takes no place."""
        if self.is_live and text + sequence != self._shown:
            self._shown = text + sequence  # before it is true: Ctrl-C can come in between
            self._write(f"\r{text[: self.columns()]}\x1b[K{sequence}")

    def clear(self, sequence: str = "") -> None:
        """Remove the line."""
        if self._shown:
            self._shown = ""
            self._write("\r\x1b[K" + sequence)

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:  # the terminal is gone, which changes no result
            self.is_live = False
