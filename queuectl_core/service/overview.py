"""Overview: what a home does now, queue by queue, as the records that `view.overview` makes a view of.

Knows the table and the scheduler. Does not know sockets or files.

Invariant: the cost depends on the number of queues, workers and runs, which have limits, and on no number of jobs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..model.job import FAILED, PENDING, PROCESSING, STATES, Job
from ..model.job_spec import DEFAULT_QUEUE
from ..table.index_keys import BLOCKED, DELAYED, DUE, READY, index_of
from . import prefetched, queries, queue_pages
from .explanations import hold_of, hold_of_all
from .fields import Fields

if TYPE_CHECKING:
    from ..model.overview_records import Reason, Throughput
    from ..table.job_table import JobTable
    from .ledger import Ledger

MAX_QUEUES = 100
"""The most queues that have an entry of their own."""

OTHER = "(other)"
"""The entry of all other queues. No queue can have this name."""

MAX_RUNS = 2000
"""The most runs that are looked at."""

MAX_TIMED = 500
"""The most jobs of one queue that are looked at for how many of them wait for a time that has passed."""

_HEADS = 8
"""The jobs of each priority that are looked at for the oldest one, and the priorities."""

_COMMAND_CHARACTERS = 200
_REASONS: dict[str, Reason] = {
    "everything is paused": "paused",
    "its queue is paused": "paused",
    "its queue is full": "limit",
    "its queue is ahead of its rate": "rate",
}
"""What jobs wait for because of a hold. The other holds are limits of the system."""


def overview(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return what the home does now, while no supervisor runs."""
    return {"overview": {**of(ledger, queries.status(ledger, request, now_ms), now_ms), "slots": None}}


def of(ledger: Ledger, status: Fields, now_ms: int) -> Fields:
    """Return an overview made from a status."""
    free = status.get("slots")
    queues = _Queues(ledger, now_ms)
    queues.free_slots = free["total"] - free["used"] if isinstance(free, dict) else None
    workers: Any = status["workers"]
    return {
        **status,
        "now_ms": now_ms,
        "workers": [_with_job(ledger.table, worker) for worker in workers],
        "queues": queues.all(),
        "throughput": _no_throughput(now_ms - ledger.table.clock_shift_ms),
    }


def _with_job(table: JobTable, worker: Fields) -> Fields:
    """Return the record of a worker with the facts of its job."""
    job = table.get(str(worker["job"])) if worker["job"] else None
    facts: Fields = dict.fromkeys(("queue", "name", "command"))
    if job is not None:
        facts = {"queue": job.queue, "name": job.options.get("name"), "command": job.command[:_COMMAND_CHARACTERS]}
    return {**worker, **facts}


def _no_throughput(unshifted_ms: int) -> Throughput:
    return {"elapsed_ms": unshifted_ms % 60_000, "completed": [0] * 60, "failed": [0] * 60, "dead": [0] * 60}


class _Queues:
    """The queues of a home at one moment."""

    def __init__(self, ledger: Ledger, now_ms: int) -> None:
        self._ledger = ledger
        self._table = ledger.table
        self._now_ms = now_ms
        self.free_slots: int | None = None
        """How many places of workers are free, or None if it is unknown."""
        lack = ledger.shortage()
        full: Fields = {"because": "the disk is full", "short_of": lack}
        self._hold = full if lack else hold_of_all(ledger, now_ms)
        self._early = Counter(job.queue for job in prefetched.jobs_of(ledger))
        self._since_ms: dict[str, int] = {}
        """When the oldest run of each queue began."""
        early = ledger.prefetched()
        for _, id in self._table.scan(PROCESSING, MAX_RUNS):
            job = self._table.get(id)
            if job is not None and prefetched.state_of(job, early) == PROCESSING:
                started_ms = job.running()["started_ms"]
                self._since_ms[job.queue] = min(started_ms, self._since_ms.get(job.queue, started_ms))
        self._blocked = self._count_blocked()

    def _count_blocked(self) -> dict[str, int]:
        """Return how many jobs of each queue wait for others."""
        counts: dict[str, int] = {}
        for _, id in self._table.scan(BLOCKED, MAX_TIMED):
            queue = self._table.options_of(id).get("queue", DEFAULT_QUEUE)
            counts[queue] = counts.get(queue, 0) + 1
        return counts

    def all(self) -> list[Fields]:
        """Return the records of the first queues, and one of all others if there are more."""
        names = self._table.queue_names("", MAX_QUEUES + 1)
        records = [self._record(name) for name in names[:MAX_QUEUES]]
        return [*records, self._others(records)] if len(names) > MAX_QUEUES else records

    def _record(self, name: str) -> Fields:
        record: Any = queue_pages.record_of(self._table, name, self._early[name], self._now_ms)
        counts = record["counts"]
        waiting = counts[PENDING] + counts[FAILED]
        heads = list(self._heads(name)) if waiting else []
        hold = hold_of(self._ledger, name, self._now_ms) if waiting else None
        hold = self._hold or hold
        began_ms = self._since_ms.get(name)
        return {
            **record,
            "waiting": self._waiting(name, waiting, _held_by(hold) or self._free(heads)) if waiting else {},
            "latency_ms": max((self._now_ms - self._ready_ms(job) for job in heads), default=0),
            "longest_running_ms": 0 if began_ms is None else max(0, self._now_ms - began_ms),
            "hold": hold,
            "throughput": _no_throughput(self._now_ms - self._table.clock_shift_ms),
        }

    def _others(self, records: list[Any]) -> Fields:
        """Return one record for the queues that have none."""
        counts = {state: self._table.counts[state] - sum(each["counts"][state] for each in records) for state in STATES}
        waiting = counts[PENDING] + counts[FAILED]
        return {
            **dict.fromkeys(records[0]),
            "queue": OTHER,
            "counts": counts,
            "waiting": {_held_by(self._hold) or "worker": waiting} if waiting else {},
            "latency_ms": 0,
            "longest_running_ms": 0,
            "defaults": {},
            "hold": self._hold,
            "throughput": records[0]["throughput"],
        }

    def _waiting(self, name: str, waiting: int, ready: Reason) -> dict[Reason, int]:
        """Return how many waiting jobs of a queue wait for what; `ready` is what holds those that could begin."""
        after = self._blocked.get(name, 0)
        timed = self._count_timed(name)
        reasons: dict[Reason, int] = {ready: max(0, waiting - after - timed), "after": after, "time": timed}
        return {reason: count for reason, count in reasons.items() if count}

    def _count_timed(self, name: str) -> int:
        """Return how many jobs of a queue wait for a time that is still to come."""
        unshifted_ms = self._now_ms - self._table.clock_shift_ms
        keys = (key for kind in (DUE, DELAYED) for key, _ in self._table.scan(index_of(kind, name), MAX_TIMED))
        return sum(int(key.split("/")[1]) > unshifted_ms for key in keys)

    def _free(self, heads: list[Job]) -> Reason:
        """Return what the jobs wait for that nothing holds back."""
        slots = heads[0].options.get("slots", 1) if heads else 1
        return "slots" if self.free_slots is not None and 0 < self.free_slots < slots else "worker"

    def _heads(self, name: str) -> Iterator[Job]:
        """Yield some jobs of a queue that could begin, among them the oldest of each priority."""
        unshifted_ms = self._now_ms - self._table.clock_shift_ms
        ready = self._first_ready(index_of(READY, name))
        timed = (entry for kind in (DUE, DELAYED) for entry in self._table.scan(index_of(kind, name), 1))
        due = (id for key, id in timed if int(key.split("/")[1]) <= unshifted_ms)
        for id in (*ready, *due):
            job = self._table.get(id)
            if job is not None:
                yield job

    def _first_ready(self, index: str) -> Iterator[str]:
        """Yield the first jobs of each priority of an index of ready jobs."""
        after = ""
        for _ in range(_HEADS):
            entries = self._table.scan(index, _HEADS, after)
            yield from (id for _, id in entries)
            if len(entries) < _HEADS:
                return
            priority, sign, _ = entries[-1][0][len(index) + 1 :].rpartition("/")
            after = f"{index}/{priority}/~" if sign else f"{index}/{'9' * 12}"

    def _ready_ms(self, job: Job) -> int:
        """Return since when a job could begin: its last change, or the time that it waited for."""
        due_ms = job.due_ms
        return job.updated_ms if due_ms is None else max(job.updated_ms, due_ms + self._table.clock_shift_ms)


def _held_by(hold: Fields | None) -> Reason | None:
    return None if hold is None else _REASONS.get(str(hold["because"]), "system")
