"""Incoming: the bytes of requests from one client, with bounds on their size and time.

It does not know HTTP beyond lines.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import time
from collections.abc import Mapping
from email.message import Message
from typing import Any, NamedTuple

MAX_HEADER_BYTES = 32 * 1024
MAX_BODY_BYTES = 1024 * 1024
IDLE_S, HEADER_S, BODY_S = 30.0, 10.0, 30.0
"""How many seconds a client may be silent, and a header and a body may take."""


_IS_LINE = re.compile(rb"([!-~\x80-\xff][\t -~\x80-\xff]*)?\r\n")
"""A line of a header that each program reads alike, and that continues no other."""


class Request(NamedTuple):
    """A request after its checks.

    `path` has its parts behind the base path, `sender` is for the log.
    """

    method: str
    path: tuple[str, ...]
    query: Mapping[str, list[str]]
    headers: Message
    body: Any
    sender: str
    client: socket.socket

    def text(self, name: str) -> str | None:
        """Return the last value of a word of the query, or None without one."""
        values = self.query.get(name)
        return values[-1] if values else None


class _Timed(io.RawIOBase):
    """The bytes that a socket receives before `end_s`, a time of the monotonic clock."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.end_s = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self.end_s - time.monotonic()
        if left_s <= 0:
            raise socket.timeout("the request takes too long")
        self._socket.settimeout(left_s)
        return self._socket.recv_into(buffer)


class Incoming:
    """The lines and bytes of requests. After `begin`, the next request may arrive.

    `is_clear` is whether each program, like a proxy before this one, reads the lines so far alike.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._timed = _Timed(sock)
        self._buffer = io.BufferedReader(self._timed)
        self._left = 0
        self.is_clear = True
        self.closed = False

    def begin(self) -> None:
        """Expect the header of a request, perhaps after a pause of the client.

        Raises: socket.timeout, OSError.
        """
        self._left, self.is_clear = MAX_HEADER_BYTES, True
        self._timed.end_s = time.monotonic() + IDLE_S
        self._buffer.peek(1)
        self._timed.end_s = time.monotonic() + HEADER_S

    def readline(self, limit: int = -1) -> bytes:
        """Return the next line of the header.

        Raises: http.client.HTTPException, socket.timeout, OSError.
        """
        line = self._buffer.readline(min(self._left + 1, limit if limit >= 0 else self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise http.client.HTTPException("the header is too large")
        self.is_clear = self.is_clear and _IS_LINE.fullmatch(line) is not None
        return line

    def body(self, size: int) -> bytes:
        """Return the body of a request, which may be shorter if the client ends before.

        Raises: socket.timeout, OSError.
        """
        self._timed.end_s = time.monotonic() + BODY_S
        return self._buffer.read(size)

    def close(self) -> None:
        """Do nothing: the server closes the socket."""
