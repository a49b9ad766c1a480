"""Status: what `status` says about the workers of a supervisor, with those of an earlier one."""

from __future__ import annotations

from ..home import Home
from ..service import orphans
from ..service.orphans import OpenRun
from ..timestamps import utc
from ..worker.messages import Run
from .orphan_tracker import OrphanTracker
from .worker_pool import Pool

Record = dict[str, object]


def worker_records(home: Home, pool: Pool, tracker: OrphanTracker) -> list[Record]:
    """Return a `WorkerRecord` for each adopted run, each lost run, and each worker."""
    records = []
    for state, runs in (("adopted", tracker.adopted), ("lost", tracker.lost)):
        for run in runs.values():
            pid = orphans.pid_of(home, run.instance)
            records.append(_record(run.instance, pid, state, run, run.since_ms))
    for worker in sorted(pool.workers.values(), key=lambda worker: worker.slot):
        current = worker.runs[0] if worker.runs else None
        state = "idle" if current is None else "busy"
        if worker.draining:
            state = "draining"
        records.append(_record(worker.instance, worker.pid, state, current, worker.since_ms))
    return records


def _record(instance: str, pid: int, state: str, run: Run | OpenRun | None, since_ms: int) -> Record:
    return {
        "worker": instance,
        "pid": pid,
        "state": state,
        "job": run and run.job_id,
        "attempt": run and run.attempt,
        "since": run and utc(since_ms),
    }
