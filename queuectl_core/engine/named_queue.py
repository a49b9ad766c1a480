"""Named queue: the next jobs of one queue, and the rules that say whether one may start now.

Jobs that may run have entries in the index `ready`. Jobs that wait for a time have them in `due` (a retry) or `delayed`
(a first run). A queue with a name has `ready@NAME` and so on. This class sees each index through a window.

Pure. Knows index entries, not jobs: the caller says whether an entry is stale.

Warning: an entry that a window returned is no longer in it. If it is not used after all, add it again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..table.index_keys import DELAYED, DUE, READY, Entry, index_of
from .index_window import Window

if TYPE_CHECKING:
    from ..model.records import Rules

MAX_DUE = 2048
"""The maximum number of due jobs of a queue in memory; the rest wait in the index."""

RULES = ("limit", "rate", "paused_ms")
"""The rules of a queue.

`limit`: the maximum number of jobs that run at once. `rate`: [jobs, seconds], the maximum number that start in that
time. `paused_ms`: the time since which no job starts.
"""


class NamedQueue:
    """One queue, with windows on its indexes."""

    def __init__(
        self,
        name: str,
        scan: Callable[[str, str, int], list[Entry]],
        running: Callable[[], int],
        opens: dict[str, float],
    ) -> None:
        """Create a queue that is not read yet.

        `scan(index, after, n)` returns the first n entries of an index after a key. `running` returns how many jobs
        of the queue run. `opens` has the time at which the rate of each queue lets the next job start.
        """

        def window(kind: str) -> Window:
            index = index_of(kind, name)
            return Window(lambda after, size: scan(index, after, size))

        self.name = name
        self.ready = window(READY)
        self.timed = {DUE: window(DUE), DELAYED: window(DELAYED)}
        self._timed = tuple(self.timed.values())
        self.due: list[Entry] = []
        """A heap of the due jobs: rank and ID."""
        self._running = running
        self.rules: Rules = {}
        self._opens = opens

    @property
    def open_at_ms(self) -> float:
        """Return when the rate lets the next job start, in ms without the clock shift."""
        return self._opens.get(self.name, 0.0)

    @property
    def is_paused(self) -> bool:
        return self.rules.get("paused_ms") is not None

    @property
    def is_full(self) -> bool:
        limit = self.rules.get("limit")
        return limit is not None and self._running() >= limit

    def note_begin(self, at_ms: int) -> None:
        """Note that a job starts at this time, for the rate."""
        rate = self.rules.get("rate")
        if rate is not None:
            count, period_s = rate
            open_at_ms = max(self.open_at_ms, float(at_ms))
            self._opens[self.name] = open_at_ms + period_s * 1000 / count

    def add(self, key: str, id: str) -> None:
        """Note a new entry of an index of this queue."""
        kind = key.split("/", 1)[0].split("@", 1)[0]
        window = self.ready if kind == READY else self.timed.get(kind)
        if window is not None:
            window.add((key, id))

    def truncate_after(self, kind: str, last_key: str) -> None:
        """Note that an index of this queue has many new entries, all after this key."""
        (self.ready if kind == READY else self.timed[kind]).truncate_after(last_key)

    def promote_due(self, now_ms: float, is_entry: Callable[[Entry], bool]) -> float | None:
        """Move the due jobs to those that may run, which are ordered by rank.

        Return the earliest time in ms at which the next job may be due, or None. That job may be gone.
        """
        next_ms: float | None = None
        for window in self._timed:
            while (entry := window.first()) is not None:
                _, at, rank = entry[0].split("/", 2)
                at_ms = int(at)
                if at_ms > now_ms or len(self.due) >= MAX_DUE:
                    next_ms = at_ms if next_ms is None else min(next_ms, at_ms)
                    break
                window.take()
                if is_entry(entry):
                    heapq.heappush(self.due, (rank, entry[1]))
        return next_ms

    def drop_stale(self, is_entry: Callable[[Entry], bool]) -> None:
        """Drop stale entries until the first entry of each timed index is valid."""
        for window in self._timed:
            while (entry := window.first()) is not None and not is_entry(entry):
                window.take()

    def first(self, is_entry: Callable[[Entry], bool]) -> Entry | None:
        """Return rank and ID of the next job, due or ready, without removing it."""
        ready = None
        while (entry := self.ready.first()) is not None:
            if is_entry(entry):
                ready = entry[0].split("/", 1)[1], entry[1]
                break
            self.ready.take()
        if self.due and (ready is None or self.due[0] < ready):
            return self.due[0]
        return ready

    def take(self, first: Entry) -> None:
        """Remove the entry that `first` has just returned."""
        if self.due and self.due[0] == first:
            heapq.heappop(self.due)
        else:
            self.ready.take()

    def drop_due(self) -> Entry:
        """Remove and return the first due job."""
        return heapq.heappop(self.due)
