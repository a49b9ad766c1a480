"""Named queue: which of its jobs run next, and the rules that say whether any may begin now.

The jobs that may run stand in the index `ready`, those that wait for a time in `due` (a retry) and `delayed` (their
first run), for queues with a name of their own `ready@NAME` and so on. A lane looks at each through a window.

Pure. Knows index entries, not jobs: whether an entry is stale its caller says. The trap: what a window has yielded is
out of it; an entry that is not used after all must be added again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..table.index_keys import DELAYED, DUE, READY, Entry, index_of
from .index_window import Window

if TYPE_CHECKING:
    from ..model.records import Rules

MAX_RIPE = 2048
"""So many jobs of a queue whose time has come are held in memory at once; the rest wait in the index."""

RULES = ("limit", "rate", "paused_ms")
"""`limit`: so many of its jobs run at once; `rate`: [so many, in so many seconds] begin; `paused_ms`: since when none
does.
"""


class Lane:
    def __init__(
        self,
        queue: str,
        scan: Callable[[str, str, int], list[Entry]],
        running: Callable[[], int],
        opens: dict[str, float],
    ) -> None:
        """`scan(index, after, n)` gives the first n entries of an index behind a key; `running` says
        how many of its jobs run; `opens` is when the rate of each queue lets the next one begin.
        """

        def window(kind: str) -> Window:
            name = index_of(kind, queue)
            return Window(lambda after, size: scan(name, after, size))

        self.queue = queue
        self.ready = window(READY)
        self.timed = {DUE: window(DUE), DELAYED: window(DELAYED)}
        self._timed = tuple(self.timed.values())
        self.ripe: list[Entry] = []
        """A heap of those whose time has come: rank and id."""
        self._running = running
        self.rules: Rules = {}
        self._opens = opens

    @property
    def open_at_ms(self) -> float:
        """When its rate lets the next one begin; without the shifts of the clock."""
        return self._opens.get(self.queue, 0.0)

    @property
    def is_paused(self) -> bool:
        return self.rules.get("paused_ms") is not None

    @property
    def is_full(self) -> bool:
        limit = self.rules.get("limit")
        return limit is not None and self._running() >= limit

    def note_begin(self, at_ms: int) -> None:
        rate = self.rules.get("rate")
        if rate is not None:
            count, period_s = rate
            open_at_ms = max(self.open_at_ms, float(at_ms))
            self._opens[self.queue] = open_at_ms + period_s * 1000 / count

    def add(self, key: str, id: str) -> None:
        """An index of it has a new entry."""
        kind = key.split("/", 1)[0].split("@", 1)[0]
        window = self.ready if kind == READY else self.timed.get(kind)
        if window is not None:
            window.add((key, id))

    def narrow(self, kind: str, last_key: str) -> None:
        """An index of it has many new entries, all behind this key."""
        (self.ready if kind == READY else self.timed[kind]).narrow(last_key)

    def ripen(self, now_ms: float, is_entry: Callable[[Entry], bool]) -> float | None:
        """Moves those whose time has come among those that may run, where their rank decides. When the next one's time
        comes, at the earliest: it may have gone.
        """
        next_ms: float | None = None
        for window in self._timed:
            while (entry := window.first()) is not None:
                _, at, rank = entry[0].split("/", 2)
                at_ms = int(at)
                if at_ms > now_ms or len(self.ripe) >= MAX_RIPE:
                    next_ms = at_ms if next_ms is None else min(next_ms, at_ms)
                    break
                window.take()
                if is_entry(entry):
                    heapq.heappush(self.ripe, (rank, entry[1]))
        return next_ms

    def drop_gone(self, is_entry: Callable[[Entry], bool]) -> None:
        """Of those that wait for a time, the first ones are then still there."""
        for window in self._timed:
            while (entry := window.first()) is not None and not is_entry(entry):
                window.take()

    def first(self, is_entry: Callable[[Entry], bool]) -> Entry | None:
        """Rank and id of what is next, of those whose time has come and the others; it stays where it is."""
        ready = None
        while (entry := self.ready.first()) is not None:
            if is_entry(entry):
                ready = entry[0].split("/", 1)[1], entry[1]
                break
            self.ready.take()
        if self.ripe and (ready is None or self.ripe[0] < ready):
            return self.ripe[0]
        return ready

    def take(self, first: Entry) -> None:
        """Removes what `first` has just shown."""
        if self.ripe and self.ripe[0] == first:
            heapq.heappop(self.ripe)
        else:
            self.ready.take()

    def drop_ripe(self) -> Entry:
        """Removes and returns the first of those whose time has come."""
        return heapq.heappop(self.ripe)
