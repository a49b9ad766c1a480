"""SocketPath: a name for a home's socket that fits into a socket address, whatever the home's path is.

An address holds 107 bytes on Linux, 103 on macOS, and a home may lie deeper. Linux: through the folder's descriptor
in /proc. Elsewhere: by stepping into the folder for the moment of the call. And whose process is at the other end.
Knows nothing of what is said on the socket. The trap: the working folder belongs to the whole process, threads
included, so it is stepped out of only where it must be.
"""

from __future__ import annotations

import _socket
import os
import sys

_MAX_BYTES = 103


class reachable:
    """Within the block: a path of the same socket, short enough to bind or connect to. Raises OSError."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._held: list[int] = []
        self._left: int | None = None

    def __enter__(self) -> str:
        if len(os.fsencode(self._path)) <= _MAX_BYTES:
            return self._path
        folder, name = os.path.split(self._path)
        self._held.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        if sys.platform.startswith("linux"):
            return f"/proc/self/fd/{self._held[0]}/{name}"
        self._left = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._held.append(self._left)
        os.fchdir(self._held[0])
        return name

    def __exit__(self, *exc: object) -> None:
        if self._left is not None:
            os.fchdir(self._left)
        for descriptor in self._held:
            os.close(descriptor)


def peer_uid(sock: _socket.socket) -> int | None:
    """The uid of the process at the other end; None when it has gone already."""
    try:
        if sys.platform.startswith("linux"):
            found = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)  # pid, uid, gid
        else:
            found = sock.getsockopt(0, 1, 128)  # struct xucred by LOCAL_PEERCRED: its version, the uid, more
    except OSError:
        return None
    return int.from_bytes(found[4:8], sys.byteorder)
