"""Log printer: the output of a job on the screen, as it is, with a prefix, or only its last lines.

It knows bytes and lines, but no jobs.
Warning: output may lack a final newline, and may not be text.
"""

from __future__ import annotations

from collections import deque

from .screen import Screen


class Outlet:
    """The part of a screen that a follower needs.

    `prefix` precedes each line if it is not empty. `tail` is the number of last lines that `close`
    prints, or None for all lines as they come.
    """

    def __init__(self, screen: Screen, prefix: str = "", tail: int | None = None) -> None:
        self._screen = screen
        self._prefix = prefix.encode()
        self._begun = b""
        self._tail: deque[bytes] | None = None if tail is None else deque(maxlen=tail)

    def note(self, text: str) -> None:
        """Print a message on standard error, with the prefix."""
        self._screen.note(self._prefix.decode() + text)

    def raw(self, data: bytes) -> None:
        """Print output, or hold it back: incomplete lines with a prefix, everything with a tail."""
        if not self._prefix and self._tail is None:
            self._screen.raw(data)
            return
        *lines, self._begun = (self._begun + data).split(b"\n")
        self._put([line + b"\n" for line in lines])

    def close(self) -> None:
        """Print the output that is held back, because no more follows."""
        if self._begun:
            self._put([self._begun + (b"\n" if self._prefix else b"")])
        if self._tail is not None:
            self._screen.raw(b"".join(self._tail))

    def _put(self, lines: list[bytes]) -> None:
        lines = [self._prefix + line for line in lines]
        if self._tail is not None:
            self._tail.extend(lines)
        elif lines:
            self._screen.raw(b"".join(lines))
