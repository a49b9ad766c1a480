"""SocketPath: a name for a home's socket that fits into a socket address, and the user at its other end.

It does not know the messages on the socket.

A socket address holds 107 bytes on Linux and 103 on macOS, but the path of a home can be longer. On Linux, the name
goes through the folder's descriptor in /proc. On other systems, the process changes into the folder for the duration of
the call.

Invariant: the process changes its working folder only if there is no other way, because all threads share that folder.
"""

from __future__ import annotations

import _socket
import os
import sys

_MAX_BYTES = 103


class short_path:
    """Give the block a short path of the same socket, for bind or connect.

    Raises: OSError.
    """

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
    """Return the UID of the process at the other end, or None if it has disconnected."""
    try:
        if sys.platform.startswith("linux"):
            peer = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)  # pid, uid, gid
        else:
            peer = sock.getsockopt(0, 1, 128)  # LOCAL_PEERCRED gives a struct xucred: version, uid, more fields
    except OSError:
        return None
    return int.from_bytes(peer[4:8], sys.byteorder)
