"""Named queue: the next jobs of one queue, and the rules that say whether one may start now.

Jobs that may run have entries in the index `ready`. Jobs that wait for a time have them in `due` (a retry) or `delayed`
(a first run). A queue with a name has `ready@NAME` and so on. This class sees each index through a window.

Pure. Knows the table of jobs, and not the other queues.

Warning: an entry that a window returned is no longer in it. If it is not used after all, add it again.
"""

from __future__ import annotations

import heapq

from ..light_types import partial
from ..model.job import FAILED, PENDING, PROCESSING
from ..table.index_keys import DELAYED, DUE, READY, Entry, index_of, state_key_of
from ..table.job_table import JobTable
from .index_window import Window
from .queue_rules import paused_until_ms
from .queue_slots import QueueSlots

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ..model.records import Rules

MAX_DUE = 2048
"""The maximum number of due jobs of a queue in memory; the rest wait in the index."""


class NamedQueue:
    """One queue of a table, with windows on its indexes, of which none is read yet."""

    def __init__(self, name: str, table: JobTable) -> None:
        self.name = name
        self._table = table
        self.ready = self._window(READY)
        self.timed = {DUE: self._window(DUE), DELAYED: self._window(DELAYED)}
        self._timed = tuple(self.timed.values())
        self._due: list[Entry] = []
        """A heap of the due jobs: rank and ID."""
        self.slots: QueueSlots | None = None
        """The slots of the running jobs, or None if they are not read yet."""

    def _window(self, kind: str) -> Window:
        return Window(partial(self._scan, index_of(kind, self.name)))

    def _scan(self, index: str, after: str, size: int) -> list[Entry]:
        entries = self._table.scan(index, size, after)
        self._table.read_ahead(entries)
        return entries

    @property
    def rules(self) -> Rules:
        """Return the rules of this queue."""
        return self._table.queues.get(self.name, {})

    @property
    def next_start_ms(self) -> float:
        """Return when the rate lets the next job start, in ms without the clock shift."""
        return self._table.next_starts.get(self.name, 0.0)

    def paused_until_ms(self, unshifted_ms: float) -> float | None:
        """Return when the pause of this queue ends, as `queue_rules.paused_until_ms` does."""
        return paused_until_ms(self.rules, unshifted_ms)

    @property
    def is_full(self) -> bool:
        """Return whether as many jobs run as the limit of the queue allows."""
        limit = self.rules.get("limit")
        return limit is not None and self._table.count_of(self.name, PROCESSING) >= limit

    def free_slot(self) -> int | None:
        """Return the slot of the next job that starts, or None without a limit."""
        if self.rules.get("limit") is None:
            return None
        if self.slots is None:
            entries = self._table.scan(PROCESSING, self._table.counts[PROCESSING])
            jobs = (self._table.existing(id) for _, id in entries)
            running = (job.running().get("slot") for job in jobs if job.queue == self.name)
            self.slots = QueueSlots(slot for slot in running if slot is not None)
        return self.slots.lowest_free()

    def note_begin(self, at_ms: int) -> None:
        """Note that a job starts at this time, for the rate."""
        rate = self.rules.get("rate")
        if rate is not None:
            count, period_s = rate
            next_start_ms = max(self.next_start_ms, float(at_ms))
            self._table.next_starts[self.name] = next_start_ms + period_s * 1000 / count

    def add(self, key: str, id: str) -> None:
        """Note a new entry of an index of this queue."""
        kind = key.split("/", 1)[0].split("@", 1)[0]
        window = self.ready if kind == READY else self.timed.get(kind)
        if window is not None:
            window.add((key, id))

    def truncate_after(self, kind: str, last_key: str) -> None:
        """Note that an index of this queue has many new entries, all after this key."""
        (self.ready if kind == READY else self.timed[kind]).truncate_after(last_key)

    def promote_due(self, now_ms: float) -> float | None:
        """Move the due jobs to those that may run, which are ordered by rank.

        Return the earliest time in ms at which the next job may be due, or None. That job may be gone.
        """
        if self._due:
            self._put_back(now_ms)
        next_ms: float | None = None
        for window in self._timed:
            while (entry := window.first()) is not None:
                _, at, rank = entry[0].split("/", 2)
                at_ms = int(at)
                if at_ms > now_ms or len(self._due) >= MAX_DUE:
                    next_ms = at_ms if next_ms is None else min(next_ms, at_ms)
                    break
                window.take()
                if self._table.is_entry(entry):
                    heapq.heappush(self._due, (rank, entry[1]))
        return next_ms

    def _put_back(self, now_ms: float) -> None:
        """Let the first due jobs wait again if they are not due: the clock went back a little."""
        while self._due:
            rank, id = self._due[0]
            job = self._table.get(id)
            if job is None or job.due_ms is None or job.state not in (FAILED, PENDING) or job.queue != self.name:
                heapq.heappop(self._due)
            elif job.due_ms > now_ms or job.rank != rank:
                heapq.heappop(self._due)
                self.add(state_key_of(job)[1], id)
            else:
                return

    def drop_stale(self) -> None:
        """Drop stale entries until the first entry of each timed index is valid."""
        for window in self._timed:
            self._first_of(window)

    def first(self) -> Entry | None:
        """Return rank and ID of the next job, due or ready, without removing it."""
        entry = self._first_of(self.ready)
        ready = None if entry is None else (entry[0].split("/", 1)[1], entry[1])
        if self._due and (ready is None or self._due[0] < ready):
            return self._due[0]
        return ready

    def _first_of(self, window: Window) -> Entry | None:
        while (entry := window.first()) is not None and not self._table.is_entry(entry):
            window.take()
        return entry

    def take(self, first: Entry) -> None:
        """Remove the entry that `first` has just returned."""
        if self._due and self._due[0] == first:
            heapq.heappop(self._due)
        else:
            self.ready.take()
