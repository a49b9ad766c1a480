"""Queue slots: the numbers that the running jobs of a queue with a limit have, from 1 to the limit.

Each running job has another number, so that it can use a device or a port of its own.

Pure. Knows no jobs.

Invariant: the lowest free number is given next. So while fewer jobs run than the limit, it is within the limit.
"""

from __future__ import annotations

import heapq

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterable


class QueueSlots:
    """The numbers of one queue, some of which are taken."""

    def __init__(self, taken: Iterable[int]) -> None:
        self._taken = set(taken)
        self._top = max(self._taken, default=0)
        """No higher number is taken."""
        self._free = [slot for slot in range(1, self._top) if slot not in self._taken]
        """A heap of the free numbers below the top."""

    def lowest_free(self) -> int:
        """Return the lowest free number, without taking it."""
        return self._free[0] if self._free else self._top + 1

    def take(self, slot: int) -> None:
        """Take the number that `lowest_free` has returned."""
        if self._free:
            heapq.heappop(self._free)
        else:
            self._top = slot
        self._taken.add(slot)

    def give_back(self, slot: int) -> None:
        """Let others have a number again."""
        if slot in self._taken:
            self._taken.discard(slot)
            heapq.heappush(self._free, slot)
