"""Reserve: disk space held back, so that a full disk still has room for the outcomes of what runs.

When a write finds the disk full, some of the reserve is given up and the write tried once more. As long as the
reserve is not whole, nothing new is begun: no jobs are taken, no runs dispatched; what runs is noted to its end.
When there is room again it is made whole, and everything goes on.

Knows files only. The trap: a file of zeros made with truncate() holds nothing back; the blocks must really be
allocated. Nor must all of it be given up at once: whatever fills the disk would take that, too.
"""

from __future__ import annotations

import errno
import os

from ..system import durable_files

RESERVE_BYTES = 1024 * 1024
STEP_BYTES = 64 * 1024
SPARE_INODES = 16
"""A disk on which fewer files can be made is full. One that does not count them has none at all."""

SPACE, INODES = "space", "inodes"
_TOLD = {SPACE: "is full", INODES: "has no free inodes"}


class Reserve:
    def __init__(self, path: str) -> None:
        self._path = path
        self._fault: OSError | None = None

    def is_whole(self) -> bool:
        return self._size() >= RESERVE_BYTES

    def make_whole(self) -> bool:
        """Tries to hold all of it; True when it is held. Leaves as much room again for others, and some inodes."""
        if self.is_whole():
            return True
        disk = self._disk()
        has_room = disk.f_bavail * disk.f_frsize >= 2 * RESERVE_BYTES
        return has_room and not _lacks_inodes(disk) and self._allocate()

    def check_limit(self) -> None:
        """Raises StorageFailed when the reserve is not whole because of a limit of this process,
        and not of the disk.
        """
        fault = self._fault
        if fault is not None and fault.errno == errno.EFBIG and fault.errno not in durable_files.FULL:
            raise durable_files.failure(self._path, fault) from fault

    def shortage(self) -> str | None:
        """What the disk lacks, SPACE or INODES, while the reserve is not whole; None while it is.

        None also where nobody has held one yet, and on a disk that nobody can write to.
        """
        if self.is_whole() or self._found() is None or self._disk().f_flag & os.ST_RDONLY:
            return None
        return self.lack() or SPACE

    def lack(self) -> str | None:
        """What the disk lacks by now, SPACE or INODES, whether the reserve is whole or not."""
        disk = self._disk()
        if _lacks_inodes(disk):
            return INODES
        return SPACE if disk.f_bavail * disk.f_frsize < RESERVE_BYTES else None

    def give_up_some(self) -> bool:
        """Frees a little of it; False when nothing is left."""
        size = self._size()
        if size == 0:
            return False
        descriptor = durable_files.owned(self._path, os.O_WRONLY)
        try:
            os.ftruncate(descriptor, max(0, size - STEP_BYTES))
        finally:
            os.close(descriptor)
        return True

    def can_spare(self, size_bytes: int) -> bool:
        """Whether so much of it may go for what people ask; the other half is for the ends of what runs."""
        return self._size() - size_bytes >= RESERVE_BYTES // 2

    def has_room_for(self, size_bytes: int) -> bool:
        """Whether the disk would still be usable after that much more; a guess, for others write as well."""
        disk = self._disk()
        return disk.f_bavail * disk.f_frsize >= size_bytes

    def _disk(self) -> os.statvfs_result:
        return os.statvfs(os.path.dirname(self._path))

    def _size(self) -> int:
        found = self._found()
        return 0 if found is None else found.st_size

    def _found(self) -> os.stat_result | None:
        """The file, if it is ours alone: another may be linked to its name, and that must stay as it is."""
        try:
            found = os.lstat(self._path)
        except FileNotFoundError:
            return None
        return found if durable_files.is_owned(found) and found.st_nlink == 1 else None

    def _opened(self) -> int:
        """What is left of it stays held while the rest is added. Raises OSError."""
        if self._found() is None:
            return durable_files.make_file(self._path)
        return durable_files.owned(self._path, os.O_WRONLY)

    def _allocate(self) -> bool:
        held_bytes = self._size()
        try:
            descriptor = self._opened()
        except OSError:
            return False
        try:
            _fill(descriptor)
        except OSError as fault:
            os.ftruncate(descriptor, held_bytes)
            self._fault = fault
            return False
        finally:
            os.close(descriptor)
        return True


def told(home_path: str, lack: str) -> str:
    """What a disk that lacks this means for the home on it, as a sentence for people."""
    return f"the disk that holds {home_path} {_TOLD[lack]}: no job starts until there is room"


def _lacks_inodes(disk: os.statvfs_result) -> bool:
    return bool(disk.f_files) and disk.f_favail < SPARE_INODES


def _fill(descriptor: int) -> None:
    """Raises OSError when there is no room."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            return
        except OSError as fault:
            if fault.errno in durable_files.FULL:
                raise
    durable_files.write_all(descriptor, bytes(RESERVE_BYTES))  # a file system without fallocate
