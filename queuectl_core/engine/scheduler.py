"""Scheduler: all queues of a home, and the choice of the next job.

The job with the highest priority runs first, whatever its queue, and of several the oldest. Queues that are paused,
full, or ahead of their rate are left out. A choice looks only at the first queue and at those that changed since the
last choice. So its cost does not grow with the number of queues or jobs. The scheduler forgets idle queues.

    _heads    the queues that may start a job, ordered by their first entry
    _times    the queues to look at again at a time or a little later: a retry is due, or the rate lets a job start
    _changed  the queues whose first entry may differ from `_heads`

Pure. Knows the table of jobs.

Invariant: the scheduler hears of every new entry (`add`, `narrow`), of every start and end of a run, and of every
change of rules. It need not hear of a job that is gone: it checks the first entry.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..model.job import FAILED, PENDING, PROCESSING, Job
from ..model.job_spec import DEFAULT_QUEUE
from ..table.index_keys import ALL_QUEUES, DELAYED, DUE, READY, Entry, place_in_state
from ..table.job_table import JobTable
from .indexed_heap import Agenda
from .named_queue import Lane

IDLE_QUEUES = 1000
"""The maximum number of idle queues in memory: their next job needs no read of the indexes."""

_PAGE = 500


class Lanes:
    """The lanes of all queues with something to do."""

    def __init__(self, table: JobTable) -> None:
        self._table = table
        self._lanes: dict[str, Lane] = {}
        self._is_open = False
        """Whether the lanes are loaded; until the first request for a job, the indexes suffice."""
        self._heads: Agenda[Entry] = Agenda()
        self._times: Agenda[float] = Agenda()
        self._changed: dict[str, Lane] = {}
        self._idle: dict[str, None] = {}
        self._asked_ms = -math.inf
        """When a job was last requested, in ms without the clock shift."""
        self._default = self._of(DEFAULT_QUEUE)

    def lane(self, queue: str) -> Lane:
        """Return the lane of a queue, for a look at its rules."""
        return self._lanes.get(queue) or self._new(queue)

    @property
    def count(self) -> int:
        """Return how many queues are in memory."""
        return len(self._lanes)

    @property
    def are_paused(self) -> bool:
        rules = self._table.queues.get(ALL_QUEUES)
        return rules is not None and rules.get("paused_ms") is not None

    def add(self, key: str, job: Job) -> None:
        """Note the current place of a job."""
        lane = self._told(job.queue)
        if lane is not None:
            lane.add(key, job.id)

    def add_ready(self, key: str, id: str) -> None:
        """Note that a job of the default queue may run."""
        self._changed[DEFAULT_QUEUE] = self._default
        self._default.ready.add((key, id))

    def narrow(self, index: str, last_key: str) -> None:
        """Note that an index has many new entries, all after this key."""
        kind, _, queue = index.partition("@")
        lane = self._told(queue or DEFAULT_QUEUE) if kind in (READY, DUE, DELAYED) else None
        if lane is not None:
            lane.narrow(kind, last_key)

    def take_in(self, index: str, keys: Mapping[str, str], few: int) -> None:
        """Note these new entries of an index; if there are more than `few`, leave them to the index."""
        kind, _, queue = index.partition("@")
        if kind not in (READY, DUE, DELAYED) or queue == ALL_QUEUES:
            return
        if len(keys) > few:
            self.narrow(index, min(keys)[:-1])  # sorts before them all
            return
        lane = self._told(queue or DEFAULT_QUEUE)
        if lane is not None:
            for key, id in keys.items():
                lane.add(key, id)

    def note_run(self, job: Job, began_ms: int | None = None) -> None:
        """Note that a run of this job starts at `began_ms`, or has ended (None)."""
        if not self._table.queues:
            return
        lane = self._lanes.get(job.queue)
        if lane is None and job.queue in self._table.queues:
            lane = self._of(job.queue)
        if lane is not None:
            self._changed[job.queue] = lane
            if began_ms is not None:
                lane.note_begin(began_ms - self._table.clock_shift_ms)

    def take_rules(self, queue: str) -> None:
        """Note that the rules of a queue changed in the table."""
        if queue != ALL_QUEUES:
            lane = self._changed[queue] = self._of(queue)
            lane.rules = self._table.queues.get(queue, {})

    def take_next(self, now_ms: int, room: int = 1, workers: int = 1) -> str | None:
        """Take out the next job that may run now, and return its ID, or None.

        A job of more slots than `room` (but see `commands.Dispatch`) is not overtaken by other jobs.
        """
        if self._table.queues and self.are_paused:
            return None
        found = self._first(now_ms - self._table.clock_shift_ms)
        if found is None:
            return None
        best, lane = found
        if min(self._slots(best[1]), workers) > room:
            return None
        lane.take(best)
        self._changed[lane.queue] = lane
        return best[1]

    def next_due_ms(self, now_ms: int) -> int | None:
        """Return when, in ms by the wall clock, the next job may run that was not due at the last request, or None."""
        if self.are_paused:
            return None
        unshifted_ms = min(self._asked_ms, now_ms - self._table.clock_shift_ms)
        self._look_again(unshifted_ms)
        sure: set[str] = set()
        while (first := self._times.first()) is not None:
            at_ms, queue = first
            if queue in sure:
                return math.ceil(at_ms + self._table.clock_shift_ms)  # not a moment too early
            sure.add(queue)
            self._lanes[queue].drop_gone(self._table.is_entry)
            self._look_at(self._lanes[queue], unshifted_ms)
        return None

    # Choosing the next job

    def _first(self, unshifted_ms: int) -> tuple[Entry, Lane] | None:
        """Return the entry of the first job that may start, and the lane of its queue."""
        self._asked_ms = unshifted_ms
        looked_at = self._look_again(unshifted_ms)
        while (first := self._heads.first()) is not None:
            head, queue = first
            lane = self._lanes[queue]
            if queue in looked_at:
                return head, lane
            looked_at[queue] = lane
            self._look_at(lane, unshifted_ms)  # its first job may be gone without notice
        return None

    def _look_again(self, unshifted_ms: float) -> dict[str, Lane]:
        """Look at every queue that has changed or is due, and return their lanes."""
        if not self._is_open:
            self._open()
        if len(self._idle) > IDLE_QUEUES:
            self._forget_idle()
        while (first := self._times.first()) is not None and first[0] <= unshifted_ms:
            queue = first[1]
            self._times.put(queue, None)
            self._changed[queue] = self._lanes[queue]
        changed, self._changed = self._changed, {}
        for lane in changed.values():
            self._look_at(lane, unshifted_ms)
        return changed

    def _open(self) -> None:
        """Load the lanes of all queues that have a waiting job or a rule."""
        self._is_open = True
        has_delayed = bool(self._table.scan(f"{DELAYED}@{ALL_QUEUES}", 1))
        page = self._table.queue_names("", _PAGE)
        while page:
            for queue in page:
                waiting = (self._table.count_of(queue, state) for state in (PENDING, FAILED))
                if queue in self._table.queues or any(waiting):
                    lane = self._changed[queue] = self._of(queue)
                    if not has_delayed and lane is not self._default:
                        lane.timed[DELAYED].note_empty()
            page = self._table.queue_names(page[-1], _PAGE) if len(page) == _PAGE else []

    def _look_at(self, lane: Lane, unshifted_ms: float) -> None:
        """Update the place of a queue among the others."""
        head = at_ms = None
        if not (lane.rules and (lane.is_paused or lane.is_full)):
            if lane.ripe:
                self._put_back(lane, unshifted_ms)
            at_ms = lane.ripen(unshifted_ms, self._table.is_entry)
            head = lane.first(self._table.is_entry)
            if lane.open_at_ms > unshifted_ms and (head is not None or at_ms is not None):
                at_ms = lane.open_at_ms if head is not None else max(at_ms or 0, lane.open_at_ms)
                head = None
        self._heads.put(lane.queue, head)
        self._times.put(lane.queue, at_ms)
        if head is None and at_ms is None and not lane.rules:
            self._idle[lane.queue] = None

    def _put_back(self, lane: Lane, unshifted_ms: float) -> None:
        """Let the first due jobs of a queue wait again if they are not due: the clock went back a little."""
        while lane.ripe and not self._is_ripe(lane, lane.ripe[0], unshifted_ms):
            job = self._table.get(lane.drop_ripe()[1])
            if (
                job is not None
                and job.queue == lane.queue
                and job.state in (FAILED, PENDING)
                and job.due_ms is not None
            ):
                lane.add(place_in_state(job)[1], job.id)

    def _is_ripe(self, lane: Lane, entry: Entry, unshifted_ms: float) -> bool:
        job = self._table.get(entry[1])
        return (
            job is not None
            and job.state in (FAILED, PENDING)
            and job.due_ms is not None
            and job.due_ms <= unshifted_ms
            and (job.rank, job.queue) == (entry[0], lane.queue)
        )

    def _slots(self, id: str) -> int:
        return self._table.options_of(id).get("slots", 1)

    # Keeping the queues

    def _told(self, queue: str) -> Lane | None:
        """Return the lane of a queue that changed, or None if no job was requested yet: then its index suffices."""
        lane = self._lanes.get(queue)
        if lane is None:
            if not self._is_open:
                return None
            lane = self._of(queue)
        self._changed[queue] = lane
        return lane

    def _of(self, queue: str) -> Lane:
        lane = self._lanes.get(queue)
        if lane is None:
            lane = self._lanes[queue] = self._new(queue)
            if not self._table.count_of(queue, FAILED):
                lane.timed[DUE].note_empty()
        return lane

    def _new(self, queue: str) -> Lane:
        table = self._table
        lane = Lane(queue, self._scan, lambda: table.count_of(queue, PROCESSING), table.opens)
        lane.rules = self._table.queues.get(queue, {})
        return lane

    def _forget_idle(self) -> None:
        """Forget the queues that have been idle the longest."""
        while len(self._idle) > IDLE_QUEUES:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            if self._is_forgettable(oldest):
                del self._lanes[oldest]

    def _is_forgettable(self, queue: str) -> bool:
        lane = self._lanes.get(queue)
        return (
            lane is not None
            and not (lane is self._default or lane.rules)
            and not (queue in self._heads or queue in self._times or queue in self._changed)
        )

    def _scan(self, index: str, after: str, size: int) -> list[Entry]:
        entries = self._table.scan(index, size, after)
        self._table.read_ahead(entries)
        return entries
