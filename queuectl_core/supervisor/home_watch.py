"""Home watch: whether a home is still where its supervisor has found it, or was removed or moved away under it.

It is there as long as its path leads to the lock file that this process holds. Knows one file. The
trap: a home that was
moved is not lost, and its journal can still be written through open files; a home that was made anew at the old path is
somebody else's, and no file of it may be touched.
"""

from __future__ import annotations

import os
import time

LOOK_EVERY_S = 60.0
"""An idle supervisor looks so often."""


class Presence:
    def __init__(self, lock_path: str, lock: int) -> None:
        """`lock`: the descriptor that holds the lock."""
        self._path = lock_path
        self._held = os.fstat(lock)
        self._look_at_s = time.monotonic() + LOOK_EVERY_S

    def is_there(self) -> bool:
        """Looks. A path that cannot be looked at now, for whatever reason, may be there."""
        self._look_at_s = time.monotonic() + LOOK_EVERY_S
        try:
            return os.path.samestat(os.stat(self._path), self._held)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True

    def due_in_s(self) -> float:
        """Until the next look."""
        return max(0.0, self._look_at_s - time.monotonic())
