"""Lanes: all queues of a home, and which job is next among them.

The job of the highest priority runs first, wherever it stands, the oldest of several; but for queues that are paused,
full or ahead of their rate. The cost of a choice grows with the number of queues, not with that of jobs.

Pure. Knows the table of jobs. The trap: it must hear of every new entry (`add`, `narrow`), of every beginning of a
run, and of every change of a queue's rules.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping

from .job import FAILED, PENDING, PROCESSING, Job
from .jobtable import JobTable
from .lane import DELAYED, DUE, READY, Lane
from .places import ALL_QUEUES, place_in_state
from .schedule import Entry
from .spec import DEFAULT_QUEUE


class Lanes:
    def __init__(self, table: JobTable) -> None:
        self._table = table
        self._lanes: dict[str, Lane] = {}
        self._default = self._of(DEFAULT_QUEUE)
        for name in table.queue_names():
            self._of(name)

    def lane(self, queue: str) -> Lane | None:
        return self._lanes.get(queue)

    @property
    def are_paused(self) -> bool:
        rules = self._table.queues.get(ALL_QUEUES)
        return rules is not None and rules.get("paused_ms") is not None

    def add(self, key: str, job: Job) -> None:
        """This is where the job stands now."""
        self._of(job.queue).add(key, job.id)

    def add_ready(self, key: str, id: str) -> None:
        """A job of the default queue may run."""
        self._default.ready.add((key, id))

    def narrow(self, index: str, last_key: str) -> None:
        """An index has many new entries, all behind this key."""
        kind, _, queue = index.partition("@")
        if kind in (READY, DUE, DELAYED):
            self._of(queue or DEFAULT_QUEUE).narrow(kind, last_key)

    def take_in(self, index: str, keys: Mapping[str, str], few: int) -> None:
        """An index has these new entries; more than a `few` are left to it."""
        kind, _, queue = index.partition("@")
        if kind not in (READY, DUE, DELAYED):
            return
        if len(keys) > few:
            self.narrow(index, min(keys)[:-1])  # sorts before them all
            return
        lane = self._of(queue or DEFAULT_QUEUE)
        for key, id in keys.items():
            lane.add(key, id)

    def note_begin(self, job: Job, at_ms: int) -> None:
        """A run of it begins."""
        if self._table.queues:
            self._of(job.queue).note_begin(at_ms - self._table.clock_shift_ms)

    def take_rules(self, queue: str) -> None:
        """They have changed in the table."""
        if queue != ALL_QUEUES:
            self._of(queue).take_rules(self._table.queues.get(queue, {}))

    def take_next(self, now_ms: int, room: int = 1, workers: int = 1) -> str | None:
        """The id of the job that may run now, taken out. One of more slots than there is `room` is not overtaken."""
        unshifted_ms = now_ms - self._table.clock_shift_ms
        best: tuple[str, str] | None = None
        chosen: Lane | None = None
        for lane in self._lanes.values() if not self.are_paused else ():
            if lane.rules and not lane.may_begin(unshifted_ms):
                continue
            head = self._head(lane, unshifted_ms)
            if head is not None and (best is None or head < best):
                best, chosen = head, lane
        if best is None or chosen is None or min(self._slots(best[1]), workers) > room:
            return None
        if chosen.ripe and chosen.ripe[0] == best:
            heapq.heappop(chosen.ripe)
        else:
            chosen.ready.take()
        return best[1]

    def next_due_ms(self, now_ms: int) -> int | None:
        """When, by the wall clock, the next job may run that may not now; None when none waits for a time."""
        found: list[float] = []
        for lane in self._lanes.values() if not self.are_paused else ():
            if lane.is_paused or lane.is_full:
                continue
            due_ms = lane.first_due_ms(self._table.is_entry)
            if due_ms is not None:
                found.append(max(due_ms, lane.open_at_ms) + self._table.clock_shift_ms)
            unshifted_ms = now_ms - self._table.clock_shift_ms
            if lane.open_at_ms > unshifted_ms and (lane.ripe or lane.first_ready(self._table.is_entry) is not None):
                found.append(lane.open_at_ms + self._table.clock_shift_ms)
        return math.ceil(min(found)) if found else None  # not a moment too early

    def _head(self, lane: Lane, unshifted_ms: int) -> Entry | None:
        """Rank and id of what is next in this lane."""
        while lane.ripe and not self._is_ripe(lane, lane.ripe[0], unshifted_ms):
            job = self._table.get(heapq.heappop(lane.ripe)[1])
            if (
                job is not None
                and job.queue == lane.queue
                and job.state in (FAILED, PENDING)
                and job.due_ms is not None
            ):
                lane.add(place_in_state(job)[1], job.id)  # the clock went back a little
        lane.ripen(unshifted_ms, self._table.is_entry)
        ready = lane.first_ready(self._table.is_entry)
        if lane.ripe and (ready is None or lane.ripe[0] < ready):
            return lane.ripe[0]
        return ready

    def _is_ripe(self, lane: Lane, entry: Entry, unshifted_ms: int) -> bool:
        job = self._table.get(entry[1])
        return (
            job is not None
            and job.state in (FAILED, PENDING)
            and job.due_ms is not None
            and job.due_ms <= unshifted_ms
            and (job.rank, job.queue) == (entry[0], lane.queue)
        )

    def _slots(self, id: str) -> int:
        options = self._table.options_of(id)
        return int(options.get("slots", 1)) if options else 1  # type: ignore[call-overload]

    def _of(self, queue: str) -> Lane:
        lane = self._lanes.get(queue)
        if lane is None:
            lane = self._lanes[queue] = Lane(queue, self._scan, lambda: self._table.count_of(queue, PROCESSING))
            lane.rules = self._table.queues.get(queue, {})
        return lane

    def _scan(self, index: str, after: str, size: int) -> list[Entry]:
        entries = self._table.scan(index, size, after)
        self._table.read_ahead(entries)
        return entries
