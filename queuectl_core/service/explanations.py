"""Explanations: why a job is in its state, and what holds jobs back.

Knows the table and the scheduler. Does not know requests. Each explanation has `because`, a code, and facts.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice

from ..model.job import COMPLETED, DEAD, FAILED, PENDING, PROCESSING, Job
from ..table.index_keys import ALL_QUEUES, READY
from ..timestamps import utc
from . import batches, queue_pages
from .fields import Fields

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model.records import State
    from .ledger import Ledger

AHEAD_LIMIT = 1000
"""The most jobs ahead of another that are counted."""

FIRST_IDS = 5
"""The most jobs ahead of another that are named."""

MAX_LOOKS = 1000
"""The most queues with rules, and the most runs, that are looked at for what holds jobs back."""


def why(ledger: Ledger, job: Job, state: State, now_ms: int, line: Line | None = None) -> Fields:
    """Return why a job is in the state that users see: the code `because`, and the facts of that case.

    The explanations of several jobs share a `line`.
    """
    if state == PROCESSING:
        run, because = job.running(), "suspended" if job.suspended else "runs"
        if job.cancel:
            because = "canceled"
        return {"because": because, "worker": run["worker"], "since": utc(run["started_ms"])}
    reason: Fields = {"reason": job.reason, "max_retries": job.max_retries}
    if job.state in (COMPLETED, DEAD):
        return {"because": job.state, "at": utc(job.updated_ms), **reason, "attempts": job.attempts}
    if job.state == PROCESSING:
        return {"because": "waits for a worker", "ahead": 0, "is_more": False}
    if job.blockers:
        return {"because": "waits for jobs", "jobs": job.blockers, "batches": batches.of_blockers(ledger, job)}
    at_ms = job.next_run_ms(ledger.table.clock_shift_ms)
    if at_ms is None or at_ms <= now_ms:
        return _why_not_begun(ledger, job, now_ms) or {
            "because": "waits for a worker",
            **(line or Line(ledger, now_ms, job)).ahead_of(job),
        }
    at: Fields = {"at": utc(at_ms), "in_ms": at_ms - now_ms}
    if job.state == FAILED:
        return {"because": "waits for a retry", **at, "retry": job.attempts, **reason}
    return {"because": "waits for its time", **at}


def _why_not_begun(ledger: Ledger, job: Job, now_ms: int) -> Fields | None:
    """Return what lets a job not begin although its time has come, or None if only a worker is missing."""
    lack = ledger.shortage()
    if lack is not None:
        return {"because": "the disk is full", "short_of": lack}
    return hold_of_all(ledger, now_ms) or hold_of(ledger, job.queue, now_ms)


def hold_of_all(ledger: Ledger, now_ms: int) -> Fields | None:
    """Return why no job of any queue may start now, or None if one may."""
    paused = _pause(ledger, ALL_QUEUES, now_ms)
    if paused is not None:
        return {"because": "everything is paused", **paused}
    settings = ledger.engine.settings
    if not settings.values:
        return None
    return _hold_of_system(ledger, settings.usable("limit-load"), settings.usable("min-free-mem"))


def _pause(ledger: Ledger, name: str, now_ms: int) -> Fields | None:
    pause = queue_pages.pause_of(ledger.table, name, now_ms)
    if pause["paused_since"] is None:
        return None
    return {"since": pause["paused_since"], "until": pause["paused_until"], "pause_reason": pause["pause_reason"]}


def _hold_of_system(ledger: Ledger, limit_load: float | None, min_free_mem: int | None) -> Fields | None:
    lack = ledger.engine.scheduler.lack(limit_load, min_free_mem)
    if lack is None:
        return None
    what, value, limit = lack
    because = "the load is too high" if what == "load" else "too little memory is free"
    return {"because": because, "value": value, "limit": limit}


def hold_of(ledger: Ledger, name: str, now_ms: int) -> Fields | None:
    """Return why no job of this queue may start now, or None if one may."""
    queue = ledger.engine.scheduler.queue(name)
    paused = _pause(ledger, name, now_ms)
    if paused is not None:
        return {"because": "its queue is paused", "queue": name, **paused}
    if queue.is_full:
        return {"because": "its queue is full", "queue": name, "limit": queue.rules["limit"]}
    in_ms = round(queue.next_start_ms - (now_ms - ledger.table.clock_shift_ms))
    if in_ms > 0:
        return {"because": "its queue is ahead of its rate", "queue": name, "in_ms": in_ms}
    lack = _hold_of_system(ledger, queue.rules.get("limit_load"), queue.rules.get("min_free_mem"))
    return lack and {**lack, "queue": name}


def holds(ledger: Ledger, now_ms: int) -> Iterator[Fields]:
    """Yield what holds jobs back: pauses, suspended runs, and queues at a limit.

    Each has a code `because` as in the reply to `why`, and `waiting`, the number of jobs. Only the first queues with
    rules, and the first runs, are looked at.
    """
    table = ledger.table
    held = hold_of_all(ledger, now_ms)
    if held is not None:
        yield {**held, "waiting": table.counts[PENDING] + table.counts[FAILED]}
    runs = [table.get(id) for _, id in table.scan(PROCESSING, MAX_LOOKS)]
    suspended = sum(job is not None and job.suspended for job in runs)
    if suspended:
        yield {"because": "suspended", "waiting": suspended}
    for name in islice(table.queues, MAX_LOOKS):
        waiting = 0 if name == ALL_QUEUES else table.count_of(name, PENDING) + table.count_of(name, FAILED)
        held = hold_of(ledger, name, now_ms) if waiting else None
        if held is not None:
            yield {**held, "waiting": waiting}


class Line:
    """The first jobs of all queues that could begin, in order, without those whose queue lets none begin.

    Several explanations of one moment share a line, which is read at the first use. With `before`, it ends before
    that job.
    """

    def __init__(self, ledger: Ledger, now_ms: int, before: Job | None = None) -> None:
        self._ledger = ledger
        self._unshifted_ms = now_ms - ledger.table.clock_shift_ms
        self._end = None if before is None else _place_of(before)
        self._keys: list[str] | None = None
        self._free_keys: list[str] = []
        self._free_ids: list[str] = []

    def _read(self) -> list[str]:
        entries = self._ledger.table.in_order(READY, AHEAD_LIMIT)
        keys = [key for key, _ in entries if self._end is None or key < self._end]
        free = entries[: len(keys)]
        if self._ledger.table.queues:
            free = list(_free(self._ledger, free, self._unshifted_ms))
        self._free_keys = [key for key, _ in free]
        self._free_ids = [id for _, id in free]
        return keys

    def ahead_of(self, job: Job) -> Fields:
        """Return how many jobs run before this one, the first of them, and whether there may be more."""
        self._keys = self._read() if self._keys is None else self._keys
        place = _place_of(job)
        count = bisect_left(self._free_keys, place)
        is_more = bisect_left(self._keys, place) == AHEAD_LIMIT
        return {"ahead": count, "first_ids": self._free_ids[: min(count, FIRST_IDS)], "is_more": is_more}


def _place_of(job: Job) -> str:
    return f"{READY}/{job.rank}"


def _free(ledger: Ledger, entries: list[tuple[str, str]], unshifted_ms: float) -> Iterator[tuple[str, str]]:
    """Yield the entries of jobs whose queue is neither paused nor full."""
    table = ledger.table
    table.read_ahead(entries)
    held: dict[str, bool] = {}
    for key, id in entries:
        job = table.get(id)
        if job is not None and job.queue not in held:
            queue = ledger.engine.scheduler.queue(job.queue)
            held[job.queue] = queue.paused_until_ms(unshifted_ms) is not None or queue.is_full
        if job is not None and not held[job.queue]:
            yield key, id
