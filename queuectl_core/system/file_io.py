"""File I/O: files that only their owner can change, and that survive a power cut.

It does not know any file format.

Invariant: no caller retries a failed sync. The kernel has dropped the pages and marked them clean, so the next sync
succeeds although the data is lost.
Invariant: a new name needs a sync of its folder, in addition to the sync of the file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from ..errors import DiskFull, QueueError, StorageFailed

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import BinaryIO

FULL = (errno.ENOSPC, errno.EDQUOT)
"""The error numbers for a full disk. Nothing is broken, and the condition can pass."""

NOT_OURS = "it is a link or not your file; remove it if you did not create it"

_FULL_SYNC = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: fsync alone stops at the drive's cache


def failure(path: str, fault: OSError) -> QueueError:
    """Return the error for a failed write: DiskFull, which can pass, or StorageFailed.

    After StorageFailed the content of the disk is unknown.
    """
    if fault.errno in FULL:
        return DiskFull(path=path)
    return StorageFailed(path=fault.filename or path, why=with_limit(fault.strerror or str(fault)))


def with_limit(why: str) -> str:
    """Return the cause of a failed write, with the file size limit of this process if it has one."""
    import resource  # imported late, so that only a failure pays for it

    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return why if limit == resource.RLIM_INFINITY else f"{why} (`ulimit -f` limits files to {limit} bytes)"


def fsync(descriptor: int) -> None:
    """Write the file's bytes and size to the disk, and return when they are there.

    Raises: OSError.
    """
    if _FULL_SYNC is None:
        os.fdatasync(descriptor)
        return
    try:
        fcntl.fcntl(descriptor, _FULL_SYNC)
    except OSError as fault:
        if fault.errno not in (errno.ENOTSUP, errno.EINVAL):
            raise
        os.fsync(descriptor)  # this file system has no stronger sync


def fsync_folder(path: str) -> None:
    """Write the names in a folder to the disk: the files created, renamed, or removed there.

    Raises: OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte, in several calls if needed. After an error, part of the data can be in the file.

    Raises: OSError.
    """
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def open_owned(path: str, flags: int) -> int:
    """Open a file of ours; usable as the `opener` of `open`. A FIFO does not block it.

    The error is EPERM for a link and for a file that is not ours: somebody can plant one while other users can write to
    the folder.

    Raises: OSError.
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


def is_owned(status: os.stat_result) -> bool:
    """Return whether this is a regular file that belongs to the current user."""
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()


def check_owned(*paths: str) -> None:
    """Check that each file that exists is ours and not a link, before other code opens it by name.

    Raises: OSError.
    """
    for path in paths:
        try:
            if not is_owned(os.lstat(path)):
                raise OSError(errno.EPERM, NOT_OURS, path)
        except FileNotFoundError:
            pass


def names_in(folder: str) -> list[str]:
    """Return the names in a folder, sorted; an empty list if the folder does not exist.

    Raises: OSError.
    """
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def read(path: str, size: int = -1) -> bytes:
    """Return the first `size` bytes of a file of ours; all of them by default.

    Raises: OSError.
    """
    with open(path, "rb", opener=open_owned) as file:
        return read_from(file, size)


def read_from(file: BinaryIO, size: int = -1) -> bytes:
    """Return the next `size` bytes of an open file; by default, all bytes to its end.

    `read` of a file returns None if the system says EAGAIN, which would look like the end of the file.

    Raises: OSError.
    """
    data: bytes | None = file.read(size)
    if data is None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), file.name)
    return data


def remove(path: str) -> None:
    """Remove a file, if it exists.

    Raises: OSError.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def make_file(path: str) -> int:
    """Create a new file with mode 0600, and remove any file that has this name.

    Raises: OSError.
    """
    remove(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def replace_file(path: str, data: bytes, synced: bool = True) -> None:
    """Replace `path` with a new file in one step: others see the old content or the new, never a part.

    With `synced`, the content and the name are on the disk when the function returns.

    Raises: OSError.
    """
    draft = f"{path}.new"
    with open(make_file(draft), "wb", buffering=0) as file:
        write_all(file.fileno(), data)
        if synced:
            fsync(file.fileno())
    os.rename(draft, path)
    if synced:
        fsync_folder(os.path.dirname(path))
