"""Index window: the next few entries of an ordered index, in memory, however long the index is.

The truth is the index, which may hold millions of entries on disk. A window holds its first entries, is told of what
is added, and reads on when it has run empty. So memory and the time to open a home do not grow with what waits. A
window holds few entries at first, and more each time it reads on: there may be many windows that nobody uses up.

Pure: the index is a function that is handed in. Does not know jobs or clocks. The traps: entries are never taken back
from a window; one whose job has changed meanwhile is stale, and whoever takes it must check it against the job. And it
reads on from where it has been: an entry that is taken and still stands in the index must be added again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from ..table.index_keys import Entry

FIRST_SIZE = 8
"""So many entries a window holds before it has been used up once; then four times as many, and so on."""


class Window:
    """The invariant: every index entry up to `_horizon` has been in the heap; None is beyond all, "" before all."""

    def __init__(self, entries_after: Callable[[str, int], list[Entry]], size: int = 256) -> None:
        """`entries_after(key, n)` gives the first n entries of the index behind that key ("": of all) as it is now,
        fewer only when there are no more.
        """
        self._entries_after = entries_after
        self._most = size
        self._size = min(size, FIRST_SIZE)
        self._heap: list[Entry] = []
        self._horizon: str | None = ""

    def add(self, entry: Entry) -> None:
        """The index has a new entry. Beyond the horizon it is left to the index."""
        if self._horizon is not None and entry[0] > self._horizon:
            return
        heapq.heappush(self._heap, entry)
        if len(self._heap) >= 2 * self._size:
            self._heap = heapq.nsmallest(self._size, self._heap)
            self._horizon = self._heap[-1][0]

    def note_empty(self) -> None:
        """The index has no entry yet; nothing has to be read to know the ones to come."""
        self._horizon = None

    def narrow(self, last_key: str) -> None:
        """The index has many new entries, all behind this key: they, and what is held behind it, are left to it."""
        if self._horizon is None or last_key < self._horizon:
            self._heap = sorted(entry for entry in self._heap if entry[0] <= last_key)
            self._horizon = last_key

    def first(self) -> Entry | None:
        """The entry that is next (perhaps a stale one), or None when the index is empty."""
        if not self._heap and self._horizon is not None:
            self._heap = self._entries_after(self._horizon, self._size)  # sorted, and so a heap
            self._horizon = self._heap[-1][0] if len(self._heap) == self._size else None
            self._size = min(self._most, 4 * self._size)
        return self._heap[0] if self._heap else None

    def take(self) -> Entry:
        """Removes and returns what `first` has just shown."""
        return heapq.heappop(self._heap)
