"""Home sizes: how much of the disk a home uses, and how much is free."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .reserve import Reserve

if TYPE_CHECKING:
    from ..home import Home
    from ..model.overview_records import HomeSizes


def sizes_of(home: Home) -> HomeSizes:
    """Return the sizes of a home. A home that does not exist yet has none."""
    return {
        "journal_bytes": _bytes_in(home.journal),
        "output_bytes": _bytes_in(home.logs),
        "disk_free_bytes": _free_bytes(home.path),
        "is_reserve_held": Reserve(home.reserve).is_whole(),
    }


def _bytes_in(folder: str) -> int:
    """Return the size of all files in a folder. Files may disappear meanwhile."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    total += entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:
                    continue
    except OSError:
        return total
    return total


def _free_bytes(path: str) -> int:
    """Return how many bytes this user can still write on the disk of a path, which may not exist yet."""
    while not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize
