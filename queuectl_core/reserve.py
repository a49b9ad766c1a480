"""Reserve: disk space held back, so that a full disk still has room for the outcomes of what runs.

When a write finds the disk full, the reserve is given up and the write tried once more; from then on new jobs are
refused, until there is room enough to take the reserve again. Knows files only. The trap: a file of zeros made with
truncate() holds nothing back; the blocks must really be allocated.
"""

from __future__ import annotations

import os

from . import durable

RESERVE_BYTES = 1024 * 1024


class Reserve:
    def __init__(self, path: str) -> None:
        self._path = path
        self.is_held = os.path.exists(path)

    def take(self) -> bool:
        """Tries to hold the reserve; True when it is held. Leaves as much room again for others."""
        if not self.is_held:
            disk = os.statvfs(os.path.dirname(self._path))
            if disk.f_bavail * disk.f_frsize >= 2 * RESERVE_BYTES:
                self.is_held = self._allocate()
        return self.is_held

    def give_up(self) -> bool:
        """Frees the space; False when none was held."""
        if not self.is_held:
            return False
        os.unlink(self._path)
        self.is_held = False
        return True

    def has_room_for(self, size_bytes: int) -> bool:
        """Whether the disk would still be usable after that much more; a guess, for others write as well."""
        disk = os.statvfs(os.path.dirname(self._path))
        return disk.f_bavail * disk.f_frsize >= size_bytes

    def _allocate(self) -> bool:
        draft = f"{self._path}.new"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            else:
                durable.write_all(descriptor, bytes(RESERVE_BYTES))
        except OSError:
            os.unlink(draft)
            return False
        finally:
            os.close(descriptor)
        os.rename(draft, self._path)
        return True
