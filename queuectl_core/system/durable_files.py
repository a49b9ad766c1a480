"""Durable files: the few calls that make bytes and names survive a power cut, and what each system needs for it.

Knows nothing of formats. The trap: after a failed sync the kernel has dropped the pages and marked them clean, so the
next sync succeeds and lies; no one may retry one. New names need a sync of their folder too.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from ..errors import DiskFull, QueueError, StorageFailed

FULL = (errno.ENOSPC, errno.EDQUOT)
"""The error numbers that mean: no room, now. Nothing is broken, and it may pass."""

NOT_OURS = "it is a link or not your file; remove it if you did not create it"

_FULL_SYNC = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: fsync alone stops at the drive's cache


def failure(path: str, fault: OSError) -> QueueError:
    """What a failed write means: DiskFull, which may pass, or StorageFailed, after which nothing is known."""
    if fault.errno in FULL:
        return DiskFull(path=path)
    return StorageFailed(path=fault.filename or path, why=with_limit(fault.strerror or str(fault)))


def with_limit(why: str) -> str:
    """The cause of a failed write, and the limit of this process that may be behind it."""
    import resource  # only where something has failed: an ordinary call must not pay for it

    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return why if limit == resource.RLIM_INFINITY else f"{why} (`ulimit -f` limits files to {limit} bytes)"


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


def write_all(descriptor: int, data: bytes) -> None:
    """Writes every byte, however short the single writes are. Raises OSError; part of it may then be in the file."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def owned(path: str, flags: int) -> int:
    """Opens a file of ours; for the `opener` of `open`. Raises OSError, EPERM for a link and for what is not ours.

    Somebody may have planted it while the folder stood open to others. A FIFO holds nobody up.
    """
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as fault:
        if fault.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):
            raise OSError(errno.EPERM, NOT_OURS, path) from None
        raise
    if is_owned(os.fstat(descriptor)):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EPERM, NOT_OURS, path)


def is_owned(found: os.stat_result) -> bool:
    """Whether this is a plain file that belongs to us."""
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()


def check_owned(*paths: str) -> None:
    """Refuses a link, and a file that is not ours, before somebody else's code opens it by its name. Raises OSError."""
    for path in paths:
        try:
            if not is_owned(os.lstat(path)):
                raise OSError(errno.EPERM, NOT_OURS, path)
        except FileNotFoundError:
            pass


def names_in(folder: str) -> list[str]:
    """The names in a folder, sorted; none where there is no such folder. Raises OSError."""
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def make_file(path: str) -> int:
    """Makes a new file, 0600, in the place of whatever has this name. Raises OSError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def replace_file(path: str, data: bytes, synced: bool = True) -> None:
    """Puts a whole new file in the place of `path`, or leaves what was there. Raises OSError."""
    draft = f"{path}.new"
    descriptor = make_file(draft)
    try:
        write_all(descriptor, data)
        if synced:
            sync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(draft, path)
    if synced:
        sync_folder(os.path.dirname(path))
