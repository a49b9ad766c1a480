"""Progress: a count on one line of a terminal, for what may take long. It goes away at the end.

Knows nothing of what is counted. The trap: where stderr is no terminal, nothing of it may be seen.
"""

from __future__ import annotations

import sys
import time

SHOW_EVERY_S = 0.2


class Progress:
    """`what` follows the number."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_shown = False
        self._next_s = time.monotonic() + SHOW_EVERY_S if sys.stderr.isatty() else float("inf")

    def show(self, count: int) -> None:
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
