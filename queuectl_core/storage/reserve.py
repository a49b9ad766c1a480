"""Reserve: disk space held back, so that a full disk still has room for the results of current runs.

It knows only files.

If a write finds the disk full, queuectl gives up a part of the reserve and tries the write once more. While the reserve
is not whole, nothing new begins: queuectl accepts no jobs and dispatches no runs. It still records the results of
current runs. Once there is room again, it makes the reserve whole and continues.

Invariant: the blocks of the reserve are allocated. A file of zeros from truncate() holds nothing back.
Invariant: queuectl gives up the reserve in steps. Another program that fills the disk would take the whole reserve at
once.
"""

from __future__ import annotations

import errno
import os

from ..system import file_io

RESERVE_BYTES = 1024 * 1024
STEP_BYTES = 64 * 1024
SPARE_INODES = 16
"""A disk on which fewer files can be created is full. A disk that does not count inodes never lacks them."""

SPACE, INODES = "space", "inodes"


class Reserve:
    """The reserve file of one home."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fault: OSError | None = None

    def is_whole(self) -> bool:
        """Return whether the whole reserve is held."""
        return self._size() >= RESERVE_BYTES

    def make_whole(self) -> bool:
        """Try to hold the whole reserve; return whether it is whole.

        It leaves as much room again for others, and some inodes.
        """
        if self.is_whole():
            return True
        return self.has_room_for(2 * RESERVE_BYTES) and self.lack() is None and self._allocate()

    def check_limit(self) -> None:
        """Check that no limit of this process keeps the reserve from being whole. A full disk is no error here.

        Raises: StorageFailed.
        """
        fault = self._fault
        if fault is not None and fault.errno == errno.EFBIG and fault.errno not in file_io.FULL:
            raise file_io.failure(self._path, fault) from fault

    def shortage(self) -> str | None:
        """Return what the disk lacks, SPACE or INODES, while the reserve is not whole; None while it is.

        It also returns None if there is no reserve yet, and on a read-only disk.
        """
        if self.is_whole() or self._status() is None or self._disk().f_flag & os.ST_RDONLY:
            return None
        return self.lack() or SPACE

    def lack(self) -> str | None:
        """Return what the disk lacks now, SPACE or INODES, or None; the reserve does not matter."""
        disk = self._disk()
        if disk.f_files and disk.f_favail < SPARE_INODES:
            return INODES
        return None if self.has_room_for(RESERVE_BYTES) else SPACE

    def give_up_some(self) -> bool:
        """Free a part of the reserve; return False if nothing is left."""
        size = self._size()
        if size:
            with open(self._path, "r+b", buffering=0, opener=file_io.open_owned) as file:
                file.truncate(max(0, size - STEP_BYTES))
        return size > 0

    def can_spare(self, size_bytes: int) -> bool:
        """Return whether the reserve can give this much to user requests. Half of it is for results of runs."""
        return self._size() - size_bytes >= RESERVE_BYTES // 2

    def has_room_for(self, size_bytes: int) -> bool:
        """Return whether the disk has room for this many bytes: an estimate, because others write as well."""
        disk = self._disk()
        return disk.f_bavail * disk.f_frsize >= size_bytes

    def _disk(self) -> os.statvfs_result:
        return os.statvfs(os.path.dirname(self._path))

    def _size(self) -> int:
        """Return how many bytes are held back."""
        status = self._status()
        return 0 if status is None else status.st_size

    def _status(self) -> os.stat_result | None:
        """Return the status of the file if it is ours alone, or None.

        If it has a second link, the file must stay as it is.
        """
        try:
            status = os.lstat(self._path)
        except FileNotFoundError:
            return None
        return status if file_io.is_owned(status) and status.st_nlink == 1 else None

    def _allocate(self) -> bool:
        """Fill or create the reserve; return whether it is whole. After a failure, it keeps the bytes that it had."""
        held_bytes = self._size()
        try:
            if self._status() is None:
                os.close(file_io.make_file(self._path))
            with open(self._path, "r+b", buffering=0, opener=file_io.open_owned) as file:
                try:
                    _fill(file.fileno())
                except OSError as fault:
                    file.truncate(held_bytes)
                    self._fault = fault
        except OSError:
            pass
        return self.is_whole()


def _fill(descriptor: int) -> None:
    """Allocate all blocks of the reserve. The error means that there is no room.

    Raises: OSError.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            return
        except OSError as fault:
            if fault.errno in file_io.FULL:
                raise
    file_io.write_all(descriptor, bytes(RESERVE_BYTES))  # this file system has no fallocate
