"""Log printer: where a job's output goes on its way to the screen: as it is, with its id before each line, or only its
last lines.

Knows bytes and lines. The trap: output need not end with a newline, and need not be text.
"""

from __future__ import annotations

from collections import deque

from .screen import Screen


class Outlet:
    """What a follower needs of a screen. `prefix` stands before each line, if it is not empty; `tail` not None: only so
    many lines, at `close`.
    """

    def __init__(self, screen: Screen, prefix: str = "", tail: int | None = None) -> None:
        self._screen = screen
        self._prefix = prefix.encode()
        self._begun = b""
        self._tail: deque[bytes] | None = None if tail is None else deque(maxlen=tail)

    def note(self, text: str) -> None:
        self._screen.note(self._prefix.decode() + text)

    def raw(self, data: bytes) -> None:
        if not self._prefix and self._tail is None:
            self._screen.raw(data)
            return
        *lines, self._begun = (self._begun + data).split(b"\n")
        self._put([line + b"\n" for line in lines])

    def close(self) -> None:
        """There comes no more."""
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
