"""Home watch: whether a home is still at its path while its supervisor runs.

The home is there as long as its path leads to the lock file that this process holds.
Knows only that file. Does not know what follows if the home is gone.

Invariant: a home that was moved is not lost. Its journal can still be written through open files.
Warning: a new home at the old path belongs to somebody else. Do not touch its files.
"""

from __future__ import annotations

import os
import time

CHECK_EVERY_S = 60.0
"""Seconds between two checks of an idle supervisor."""


class HomeWatch:
    """The check whether the home of this process is still at its path."""

    def __init__(self, lock_path: str, lock: int) -> None:
        """Remember the lock file. `lock` is the descriptor that holds the lock."""
        self._path = lock_path
        self._held = os.fstat(lock)
        self._check_at_s = time.monotonic() + CHECK_EVERY_S

    def next_deadline(self) -> float:
        """Return when to check again."""
        return self._check_at_s

    def is_there(self) -> bool:
        """Return whether the home is still there, or True if its path cannot be checked."""
        self._check_at_s = time.monotonic() + CHECK_EVERY_S
        try:
            return os.path.samestat(os.stat(self._path), self._held)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
