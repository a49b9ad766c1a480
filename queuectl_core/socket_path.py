"""SocketPath: a name for a home's socket that fits into a socket address, whatever the home's path is.

An address holds 107 bytes on Linux, 103 on macOS, and a home may lie deeper. Linux: through the folder's descriptor
in /proc. Elsewhere: by stepping into the folder for the moment of the call. Knows nothing of what is said on the
socket. The trap: the working folder belongs to the whole process, threads
included, so it is stepped out of only where it must be.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_MAX_BYTES = 103


@contextmanager
def reachable(path: str) -> Iterator[str]:
    """A path of the same socket, short enough to bind or connect to within the block. Raises OSError."""
    if len(os.fsencode(path)) <= _MAX_BYTES:
        yield path
        return
    folder, name = os.path.split(path)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if sys.platform.startswith("linux"):
            yield f"/proc/self/fd/{descriptor}/{name}"
        else:
            yield from _from_within(descriptor, name)
    finally:
        os.close(descriptor)


def _from_within(folder: int, name: str) -> Iterator[str]:
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    os.fchdir(folder)
    try:
        yield name
    finally:
        os.fchdir(before)
        os.close(before)
