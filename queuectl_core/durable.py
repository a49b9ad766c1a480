"""Durable: the few calls that make bytes and names survive a power cut, and what each system needs for it.

Knows nothing of formats. The trap: after a failed sync the kernel has dropped the pages and marked them clean, so the
next sync succeeds and lies; no one may retry one. New names need a sync of their folder too.
"""

from __future__ import annotations

import errno
import fcntl
import os

from .errors import DiskFull, QueueError, StorageFailed

FULL = (errno.ENOSPC, errno.EDQUOT)
"""The error numbers that mean: no room, now. Nothing is broken, and it may pass."""

_FULL_SYNC = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: fsync alone stops at the drive's cache


def failure(path: str, fault: OSError) -> QueueError:
    """What a failed write means: DiskFull, which may pass, or StorageFailed, after which nothing is known."""
    if fault.errno in FULL:
        return DiskFull(path=path)
    return StorageFailed(path=fault.filename or path, why=fault.strerror or str(fault))


def sync(descriptor: int) -> None:
    """Returns when the file's bytes and size are on the disk. Raises OSError."""
    if _FULL_SYNC is None:
        os.fdatasync(descriptor)
        return
    try:
        fcntl.fcntl(descriptor, _FULL_SYNC)
    except OSError as fault:
        if fault.errno not in (errno.ENOTSUP, errno.EINVAL):
            raise
        os.fsync(descriptor)  # a file system that has nothing stronger


def sync_folder(path: str) -> None:
    """Returns when names made, renamed or removed in the folder are on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def without_waiting(path: str, flags: int) -> int:
    """The opener for a file of a home: a FIFO in its place must not hold us up. Raises OSError."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def write_all(descriptor: int, data: bytes) -> None:
    """Writes every byte, however short the single writes are. Raises OSError; part of it may then be in the file."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def replace_file(path: str, data: bytes, synced: bool = True) -> None:
    """Puts a whole new file in the place of `path`, or leaves what was there. Raises OSError."""
    draft = f"{path}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        write_all(descriptor, data)
        if synced:
            sync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(draft, path)
    if synced:
        sync_folder(os.path.dirname(path))
