"""Index window: the next few entries of an ordered index, in memory.

The index is authoritative, and may hold millions of entries on disk. A window holds its first entries, hears of new
ones, and reads on when it is empty. So memory and the time to open a home do not grow with the number of waiting jobs.
A window starts small and grows each time it reads on: a home may have many windows that are never used up.

Pure: the index is a function that the caller passes. Knows no jobs and no clock.

Warning: entries are never removed from a window. When its job has changed, an entry is stale: check it when you take
it.
Warning: a window reads on from where it was. If an entry is taken but stays in the index, add it again.
"""

from __future__ import annotations

import heapq

from ..table.index_keys import Entry

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_SIZE = 8
"""The initial number of entries of a window. It quadruples each time the window is used up."""


class Window:
    """The first entries of one index.

    Invariant: every index entry up to `_horizon` has been in the heap. A horizon of None means all entries, "" means
    none.
    """

    def __init__(self, entries_after: Callable[[str, int], list[Entry]], size: int = 256) -> None:
        """Create a window of at most `size` entries, of which none is read yet.

        `entries_after(key, n)` returns the first n current entries of the index after that key ("" is before all), or
        fewer only if there are no more.
        """
        self._entries_after = entries_after
        self._most = size
        self._size = min(size, FIRST_SIZE)
        self._heap: list[Entry] = []
        self._horizon: str | None = ""

    def add(self, entry: Entry) -> None:
        """Add a new entry of the index; an entry beyond the horizon stays in the index only."""
        if self._horizon is not None and entry[0] > self._horizon:
            return
        heapq.heappush(self._heap, entry)
        if len(self._heap) >= 2 * self._size:
            self._heap = heapq.nsmallest(self._size, self._heap)
            self._horizon = self._heap[-1][0]

    def note_empty(self) -> None:
        """Note that the index is empty, so that later entries need no read."""
        self._horizon = None

    def truncate_after(self, last_key: str) -> None:
        """Leave all entries after this key to the index, which has many new ones there."""
        if self._horizon is None or last_key < self._horizon:
            self._heap = sorted(entry for entry in self._heap if entry[0] <= last_key)
            self._horizon = last_key

    def first(self) -> Entry | None:
        """Return the next entry, which may be stale, or None when the index is empty."""
        if not self._heap and self._horizon is not None:
            self._heap = self._entries_after(self._horizon, self._size)  # sorted, and so a heap
            self._horizon = self._heap[-1][0] if len(self._heap) == self._size else None
            self._size = min(self._most, 4 * self._size)
        return self._heap[0] if self._heap else None

    def take(self) -> Entry:
        """Remove and return the entry that `first` has just returned."""
        return heapq.heappop(self._heap)
