"""Progress: a count on one line of a terminal, which disappears at the end.

It does not know what it counts.
Invariant: nothing appears if stderr is not a terminal.
"""

from __future__ import annotations

import sys
import time

SHOW_EVERY_S = 0.2


class Progress:
    """A counter for a long task. `what` is the text after the number."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_shown = False
        self._next_s = time.monotonic() + SHOW_EVERY_S if sys.stderr.isatty() else float("inf")

    def show(self, count: int) -> None:
        """Show the count, at most once in `SHOW_EVERY_S`."""
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + SHOW_EVERY_S
            self._is_shown = True
            sys.stderr.write(f"\r{count:,} {self._what}")
            sys.stderr.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
