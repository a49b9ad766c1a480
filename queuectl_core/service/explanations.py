"""Explanations: why a job is in its state, and what holds jobs back.

Knows the table and the scheduler. Does not know requests. Each explanation has `because`, a code, and facts.
"""

from __future__ import annotations

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

MAX_LOOKS = 1000
"""The most queues with rules, and the most runs, that are looked at for what holds jobs back."""


def why(ledger: Ledger, job: Job, state: State, now_ms: int) -> Fields:
    """Return why a job is in the state that users see: the code `because`, and the facts of that case."""
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
        return _why_not_begun(ledger, job, now_ms)
    at: Fields = {"at": utc(at_ms), "in_ms": at_ms - now_ms}
    if job.state == FAILED:
        return {"because": "waits for a retry", **at, "retry": job.attempts, **reason}
    return {"because": "waits for its time", **at}


def _why_not_begun(ledger: Ledger, job: Job, now_ms: int) -> Fields:
    lack = ledger.shortage()
    if lack is not None:
        return {"because": "the disk is full", "short_of": lack}
    held = hold_of_all(ledger, now_ms) or hold_of(ledger, job.queue, now_ms)
    if held is not None:
        return held
    ahead, is_more = _jobs_ahead(ledger, job, now_ms - ledger.table.clock_shift_ms)
    return {"because": "waits for a worker", "ahead": ahead, "is_more": is_more}


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


def _jobs_ahead(ledger: Ledger, job: Job, unshifted_ms: float) -> tuple[int, bool]:
    """Return how many jobs run before this one, and whether there may be more.

    Only the first `AHEAD_LIMIT` jobs of all queues are looked at.
    """
    table = ledger.table
    before = [(key, id) for key, id in table.in_order(READY, AHEAD_LIMIT) if key < f"{READY}/{job.rank}"]
    if not table.queues:
        return len(before), len(before) == AHEAD_LIMIT
    table.read_ahead(before)
    held: dict[str, bool] = {}
    count = 0
    for _, id in before:
        other = table.get(id)
        if other is not None and other.queue not in held:
            queue = ledger.engine.scheduler.queue(other.queue)
            held[other.queue] = queue.paused_until_ms(unshifted_ms) is not None or queue.is_full
        count += other is not None and not held[other.queue]
    return count, len(before) == AHEAD_LIMIT
