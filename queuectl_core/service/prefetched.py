"""Prefetched jobs: those that a worker holds behind its current run, so that users see them as pending.

To the engine, a run begins when it leaves for a worker. `Ledger.prefetched` tells which of these runs wait there.
Knows the table. Does not know workers.
"""

from __future__ import annotations

from ..model.job import PENDING, PROCESSING, Job

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ..model.records import JobRecord, State
    from .ledger import Ledger


def state_of(job: Job, prefetched: Collection[str]) -> State:
    """Return the state of a job that users see."""
    return PENDING if job.state == PROCESSING and job.id in prefetched else job.state


def record_of(job: Job, clock_shift_ms: int) -> JobRecord:
    """Return the record of a prefetched job, without the attempt that has not begun."""
    record = job.record(clock_shift_ms)
    begun = [attempt for attempt in record["history"] if attempt["ended_at"] is not None]
    return {**record, "state": PENDING, "worker": None, "attempts": record["attempts"] - 1, "history": begun}


def jobs_of(ledger: Ledger) -> Iterable[Job]:
    """Return the prefetched jobs, of which each worker has a few."""
    found = (ledger.table.get(id) for id in ledger.prefetched())
    return [job for job in found if job is not None and job.state == PROCESSING]


def shown_counts(counts: dict[State, int], number: int) -> dict[State, int]:
    """Return counts by state, with so many prefetched jobs as pending."""
    if not number:
        return counts
    return {**counts, PENDING: counts[PENDING] + number, PROCESSING: counts[PROCESSING] - number}
