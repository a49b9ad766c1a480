"""Line sink: lines for standard error that never wait for a reader who has stopped to read.

It does not know what the lines say.
Invariant: a write has at most PIPE_BUF bytes and follows a poll, so it does not block.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable

PIECE_BYTES = 4096
"""The most bytes of one write. A pipe takes them whole or not at all, so shorter lines never mix."""

PATIENCE_MS = 200
"""How long, in milliseconds, a write waits for a reader that has read until now."""


class LineSink:
    """Standard error, or another descriptor. Lines that nobody reads in time are dropped, and later counted."""

    def __init__(self, dropped: Callable[[int], bytes], descriptor: int = 2) -> None:
        """Begin. `dropped` makes the line that says how many lines were dropped."""
        self._descriptor = descriptor
        self._line_of = dropped
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._dropped = 0

    def write(self, lines: list[bytes]) -> None:
        """Write these lines, which end with a newline, or drop those that nobody reads."""
        piece: list[bytes] = []
        size = 0
        for line in lines:
            if piece and size + len(line) > PIECE_BYTES:
                self._put(piece)
                piece, size = [], 0
            piece.append(line)
            size += len(line)
        if piece:
            self._put(piece)

    def _put(self, lines: list[bytes]) -> None:
        data = b"".join(lines)
        if self._dropped:
            data = self._line_of(self._dropped) + data
        for start in range(0, len(data), PIECE_BYTES):
            if not self._poll.poll(0 if self._dropped else PATIENCE_MS):
                self._dropped += len(lines)
                return
            try:
                os.write(self._descriptor, data[start : start + PIECE_BYTES])
            except OSError:  # the reader has gone: no reason to end
                break
        self._dropped = 0
