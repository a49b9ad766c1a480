"""Scheduler: all queues of a home, and the choice of the next job.

The job with the highest priority runs first, whatever its queue, and of several the oldest. Queues that are paused,
full, or ahead of their rate are left out. A choice looks only at the first queue and at those that changed since the
last choice. So its cost does not grow with the number of queues or jobs. The scheduler forgets idle queues.

    _heads    the queues that may start a job, ordered by their first entry
    _times    the queues to look at again at a time or a little later: a retry is due, or the rate lets a job start
    _changed  the queues whose first entry may differ from `_heads`

Pure. Knows the table of jobs.

Invariant: the scheduler hears of every new entry (`add`, `add_many`), of every start and end of a run, and of
every change of rules. It need not hear of a job that is gone: it checks the first entry.
"""

from __future__ import annotations

import math

from ..model.job import FAILED, PENDING, Job
from ..model.job_spec import DEFAULT_QUEUE
from ..model.settings import Settings
from ..table.index_keys import ALL_QUEUES, DELAYED, DUE, READY, Entry
from ..table.job_table import JobTable
from .indexed_heap import IndexedHeap
from .named_queue import NamedQueue
from .queue_rules import paused_until_ms

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..model.records import Rules

IDLE_QUEUES = 1000
"""The maximum number of idle queues in memory: their next job needs no read of the indexes."""

CHECK_MS = 1000
"""Milliseconds between two looks at the load or the free memory, while they hold jobs back."""

Lack = tuple[str, float, float]
"""What holds jobs back, `load` or `memory`, with its present value and its limit."""

_NO_RULES: Rules = {}
_PAGE = 500


class Scheduler:
    """All queues with something to do, by name."""

    def __init__(self, table: JobTable) -> None:
        self._table = table
        self._settings = Settings()
        self._settings.values = table.settings  # so they follow each change
        self._queues: dict[str, NamedQueue] = {}
        self._is_open = False
        """Whether the queues are loaded; until the first request for a job, the indexes suffice."""
        self._heads: IndexedHeap[Entry] = IndexedHeap()
        self._times: IndexedHeap[float] = IndexedHeap()
        self._changed: dict[str, NamedQueue] = {}
        self._idle: dict[str, None] = {}
        self._requested_ms = -math.inf
        """When a job was last requested, in ms without the clock shift."""
        self.measure_load: Callable[[], float | None] = lambda: None
        """Returns the load average, or None if it is unknown."""
        self.measure_memory: Callable[[], int | None] = lambda: None
        """Returns the free memory in bytes, or None if it is unknown."""
        self._default = self._load_queue(DEFAULT_QUEUE)

    def queue(self, name: str) -> NamedQueue:
        """Return the queue of this name, for a look at its rules."""
        return self._queues.get(name) or NamedQueue(name, self._table)

    def held_until_ms(self, unshifted_ms: float) -> float | None:
        """Return until when the rules or the settings let no job of any queue start, in ms without the clock shift.

        It is infinity for a pause without an end, and None if they hold no job back.
        """
        if ALL_QUEUES in self._table.queues:
            until_ms = paused_until_ms(self._table.queues[ALL_QUEUES], unshifted_ms)
            if until_ms is not None:
                return until_ms
        settings = self._table.settings
        if settings and ("limit-load" in settings or "min-free-mem" in settings):
            limits = self._settings.usable("limit-load"), self._settings.usable("min-free-mem")
            return unshifted_ms + CHECK_MS if self.lack(*limits) else None
        return None

    def lack(self, limit_load: float | None, min_free_mem: int | None) -> Lack | None:
        """Return which of these limits of the system lets no job start now, or None."""
        if limit_load and (load := self.measure_load()) is not None and load > limit_load:
            return "load", load, limit_load
        if min_free_mem and (free := self.measure_memory()) is not None and free < min_free_mem:
            return "memory", free, min_free_mem
        return None

    def add(self, key: str, job: Job) -> None:
        """Note the current place of a job."""
        queue = self._note_changed(job.queue)
        if queue is not None:
            queue.add(key, job.id)

    def add_ready(self, key: str, id: str) -> None:
        """Note that a job of the default queue may run."""
        self._changed[DEFAULT_QUEUE] = self._default
        self._default.ready.add((key, id))

    def truncate_ready(self, last_key: str) -> None:
        """Note that many jobs of the default queue may run, all after this key."""
        self._changed[DEFAULT_QUEUE] = self._default
        self._default.ready.truncate_after(last_key)

    def add_many(self, index: str, keys: Mapping[str, str], few: int) -> None:
        """Note these new entries of an index; if there are more than `few`, leave them to the index."""
        kind, _, name = index.partition("@")
        if kind not in (READY, DUE, DELAYED) or name == ALL_QUEUES:
            return
        queue = self._note_changed(name or DEFAULT_QUEUE)
        if queue is not None and len(keys) > few:
            queue.truncate_after(kind, min(keys)[:-1])  # sorts before them all
        elif queue is not None:
            for key, id in keys.items():
                queue.add(key, id)

    def note_run(self, job: Job, began_ms: int | None = None) -> None:
        """Note that a run of this job starts at `began_ms`, or has ended (None)."""
        if not self._table.queues:
            return
        queue = self._queues.get(job.queue)
        if queue is None and job.queue in self._table.queues:
            queue = self._load_queue(job.queue)
        if queue is not None:
            self._changed[job.queue] = queue
            if began_ms is not None:
                queue.note_begin(began_ms - self._table.clock_shift_ms)

    def free_slot(self, name: str) -> int | None:
        """Return the slot of the next job of a queue that starts, or None if the queue has no limit."""
        return self._load_queue(name).free_slot() if name in self._table.queues else None

    def take_slot(self, name: str, slot: int) -> None:
        """Note that a job with this slot started."""
        slots = self.queue(name).slots
        if slots is not None:
            slots.take(slot)

    def give_back_slot(self, name: str, slot: int) -> None:
        """Note that the run with this slot ended."""
        slots = self.queue(name).slots
        if slots is not None:
            slots.give_back(slot)

    def note_rules(self, name: str) -> None:
        """Note that the rules of a queue changed in the table."""
        if name != ALL_QUEUES:
            queue = self._changed[name] = self._load_queue(name)
            queue.slots = None  # jobs that started without a limit have none

    def take_next(self, now_ms: int, room: int = 1, workers: int = 1) -> str | None:
        """Take out the next job that may run now, and return its ID, or None.

        A job of more slots than `room` (but see `commands.Dispatch`) is not overtaken by other jobs.
        """
        unshifted_ms = now_ms - self._table.clock_shift_ms
        if (self._table.queues or self._table.settings) and self.held_until_ms(unshifted_ms) is not None:
            return None
        choice = self._first(unshifted_ms)
        if choice is None:
            return None
        best, queue = choice
        if room < workers and self._table.options_of(best[1]).get("slots", 1) > room:
            return None
        queue.take(best)
        self._changed[queue.name] = queue
        return best[1]

    def next_due_ms(self, now_ms: int) -> int | None:
        """Return when, in ms by the wall clock, the next job may run that was not due at the last request, or None."""
        unshifted_ms = now_ms - self._table.clock_shift_ms
        held_until_ms = self.held_until_ms(unshifted_ms)
        if held_until_ms is None:
            return self._next_due_ms(unshifted_ms)
        if held_until_ms == math.inf or self._first(unshifted_ms) is None:
            return None if held_until_ms == math.inf else self._next_due_ms(unshifted_ms)
        return math.ceil(held_until_ms + self._table.clock_shift_ms)

    def _next_due_ms(self, now_ms: float) -> int | None:
        unshifted_ms = min(self._requested_ms, now_ms)
        self._look_again(unshifted_ms)
        sure: set[str] = set()
        while (first := self._times.first()) is not None:
            at_ms, name = first
            if name in sure:
                return math.ceil(at_ms + self._table.clock_shift_ms)  # not a moment too early
            sure.add(name)
            self._queues[name].drop_stale()
            self._look_at(self._queues[name], unshifted_ms)
        return None

    # Choosing the next job

    def _first(self, unshifted_ms: int) -> tuple[Entry, NamedQueue] | None:
        """Return the entry of the first job that may start, and its queue."""
        self._requested_ms = unshifted_ms
        looked_at = self._look_again(unshifted_ms)
        while (first := self._heads.first()) is not None:
            head, name = first
            queue = self._queues[name]
            if name in looked_at:
                return head, queue
            looked_at[name] = queue
            self._look_at(queue, unshifted_ms)  # its first job may be gone without notice
        return None

    def _look_again(self, unshifted_ms: float) -> dict[str, NamedQueue]:
        """Look at every queue that has changed or is due, and return them by name."""
        if not self._is_open:
            self._open()
        if len(self._idle) > IDLE_QUEUES:
            self._forget_idle()
        while (first := self._times.first()) is not None and first[0] <= unshifted_ms:
            name = first[1]
            self._times.put(name, None)
            self._changed[name] = self._queues[name]
        changed, self._changed = self._changed, {}
        for queue in changed.values():
            self._look_at(queue, unshifted_ms)
        return changed

    def _open(self) -> None:
        """Load all queues that have a waiting job or a rule."""
        self._is_open = True
        has_delayed = bool(self._table.scan(f"{DELAYED}@{ALL_QUEUES}", 1))
        after = ""
        while page := self._table.queue_names(after, _PAGE):
            after = page[-1]
            for name in page:
                waiting = (self._table.count_of(name, state) for state in (PENDING, FAILED))
                if name not in self._table.queues and not any(waiting):
                    continue
                queue = self._changed[name] = self._load_queue(name)
                if not has_delayed and queue is not self._default:
                    queue.timed[DELAYED].note_empty()

    def _look_at(self, queue: NamedQueue, unshifted_ms: float) -> None:
        """Update the place of a queue among the others."""
        rules = queue.rules if self._table.queues else _NO_RULES
        held_until_ms = paused_until_ms(rules, unshifted_ms) or 0.0
        head = at_ms = None
        if held_until_ms < math.inf and not (rules and queue.is_full):
            at_ms = queue.promote_due(unshifted_ms)
            head = queue.first()
            start_ms = max(held_until_ms, queue.next_start_ms)
            if start_ms > unshifted_ms and (head is not None or at_ms is not None):
                at_ms = start_ms if head is not None else max(at_ms or 0, start_ms)
                head = None
            if head is not None and rules and self.lack(rules.get("limit_load"), rules.get("min_free_mem")):
                head, at_ms = None, unshifted_ms + CHECK_MS
        self._heads.put(queue.name, head)
        self._times.put(queue.name, at_ms)
        if head is None and at_ms is None and not rules:
            self._idle[queue.name] = None

    # Keeping the queues

    def _note_changed(self, name: str) -> NamedQueue | None:
        """Return a queue that changed, or None if no job was requested yet: then its index suffices."""
        queue = self._queues.get(name)
        if queue is None and self._is_open:
            queue = self._load_queue(name)
        if queue is not None:
            self._changed[name] = queue
        return queue

    def _load_queue(self, name: str) -> NamedQueue:
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = NamedQueue(name, self._table)
            if not self._table.count_of(name, FAILED):
                queue.timed[DUE].note_empty()
        return queue

    def _forget_idle(self) -> None:
        """Forget the queues that have been idle the longest."""
        while len(self._idle) > IDLE_QUEUES:
            name = next(iter(self._idle))
            del self._idle[name]
            queue = self._queues.get(name, self._default)
            is_listed = name in self._heads or name in self._times or name in self._changed
            if not (is_listed or queue is self._default or queue.rules):
                del self._queues[name]
