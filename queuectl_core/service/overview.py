"""Overview: what a home does now, queue by queue, as the records that `view.overview` makes a view of.

Knows the table and the scheduler. Does not know sockets or files.

Invariant: the cost depends on the number of queues, workers and runs, which have limits, and on no number of jobs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..engine.event_metrics import ready_ms
from ..engine.queue_rules import is_known
from ..model.job import FAILED, PENDING, PROCESSING, STATES, Job
from ..table.counts import AFTER
from ..table.index_keys import ALL_QUEUES, DELAYED, DUE, READY, index_of
from ..table.metrics import MAX_QUEUES, MINUTES, OTHER, QueueMetrics
from . import prefetched, queries, queue_pages
from .explanations import hold_of, hold_of_all
from .fields import Fields

if TYPE_CHECKING:
    from ..model.overview_records import Reason, Throughput
    from ..table.job_table import JobTable
    from .ledger import Ledger

MAX_RUNS = 2000
"""The most runs that are looked at."""

MAX_DUE = 50
"""The most jobs of one queue that are looked at for how many of them waited for a time that has passed."""

_HEADS, _PRIORITIES = 2, 8
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
        "throughput": _throughput(ledger.table.metrics.queues().values(), now_ms - ledger.table.clock_shift_ms),
    }


def _with_job(table: JobTable, worker: Fields) -> Fields:
    """Return the record of a worker with the facts of its job."""
    job = table.get(str(worker["job"])) if worker["job"] else None
    facts: Fields = dict.fromkeys(("queue", "name", "command"))
    if job is not None:
        facts = {"queue": job.queue, "name": job.options.get("name"), "command": job.command[:_COMMAND_CHARACTERS]}
    return {**worker, **facts}


def _throughput(queues: Iterable[QueueMetrics], unshifted_ms: int) -> Throughput:
    """Return the throughput of these queues together."""
    sums = [[sum(counts) for counts in zip(*same)] for same in zip(*(each.history(unshifted_ms) for each in queues))]
    completed, failed, dead = sums or [[0] * MINUTES] * 3
    return {"elapsed_ms": unshifted_ms % 60_000, "completed": completed, "failed": failed, "dead": dead}


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

    def all(self) -> list[Fields]:
        """Return the records of up to a hundred queues, and one of all others if there are more.

        Of more queues, those come first that have metrics of their own.
        """
        names = self._table.queue_names("", MAX_QUEUES + 1)
        if len(names) <= MAX_QUEUES:
            return [self._record(name) for name in names]
        known = [name for name in self._table.metrics.queues() if is_known(self._table, name)]
        records = [self._record(name) for name in list(dict.fromkeys((*names[:1], *known, *names)))[:MAX_QUEUES]]
        return [*records, self._others(records)]

    def _record(self, name: str) -> Fields:
        record: Any = queue_pages.record_of(self._table, name, self._early[name], self._now_ms)
        counts = record["counts"]
        waiting = counts[PENDING] + counts[FAILED]
        heads = list(self._heads(name)) if waiting else []
        since_ms = [ready_ms(job, self._table.clock_shift_ms) for job in heads]
        hold = hold_of(self._ledger, name, self._now_ms) if waiting else None
        hold = self._hold or hold
        is_paused = _held_by(hold) == "paused"  # then none could begin
        began_ms = self._since_ms.get(name)
        return {
            **record,
            "waiting": self._waiting(name, waiting, _held_by(hold) or self._free(heads)) if waiting else {},
            "latency_ms": 0 if is_paused else max(0, self._now_ms - min(since_ms, default=self._now_ms)),
            "longest_running_ms": 0 if began_ms is None else max(0, self._now_ms - began_ms),
            "hold": hold,
            "mean_run_ms": self._mean_run_ms(name),
            "throughput": self._throughput(name),
        }

    def _others(self, records: list[Any]) -> Fields:
        """Return one record for the queues that have none."""
        counts = {state: self._table.counts[state] - sum(each["counts"][state] for each in records) for state in STATES}
        names = [each["queue"] for each in records]
        after, delayed = (
            self._table.counts.get(count, 0) - sum(self._table.count_of(name, count) for name in names)
            for count in (AFTER, DELAYED)
        )
        waiting, timed = counts[PENDING] + counts[FAILED], delayed + counts[FAILED]
        return {
            **dict.fromkeys(records[0]),
            "queue": OTHER,
            "counts": counts,
            "waiting": _without_zeros(
                {_held_by(self._hold) or "worker": waiting - after - timed, "after": after, "time": timed}
            ),
            "latency_ms": self._age_of_first(set(names)),
            "longest_running_ms": max(
                (self._now_ms - since_ms for name, since_ms in self._since_ms.items() if name not in names), default=0
            ),
            "defaults": {},
            "hold": self._hold,
            "mean_run_ms": self._mean_run_ms(OTHER),
            "throughput": self._throughput(OTHER),
        }

    def _age_of_first(self, shown: set[str]) -> int:
        """Return the age of the oldest of the first jobs of all named queues that could begin, but those shown."""
        jobs = (self._table.get(id) for id in self._first_ready(index_of(READY, ALL_QUEUES)))
        since_ms = [ready_ms(job, 0) for job in jobs if job is not None and job.queue not in shown]
        return max(0, self._now_ms - min(since_ms, default=self._now_ms))

    def _mean_run_ms(self, name: str) -> float | None:
        """Return how long the latest attempts of a queue took on average."""
        known = self._table.metrics.queues().get(name)
        return None if known is None else known.recent_ms

    def _throughput(self, name: str) -> Throughput:
        metrics = self._table.metrics.queues().get(name)
        return _throughput(() if metrics is None else (metrics,), self._now_ms - self._table.clock_shift_ms)

    def _waiting(self, name: str, waiting: int, ready: Reason) -> dict[Reason, int]:
        """Return how many waiting jobs of a queue wait for what; `ready` is what holds those that could begin."""
        after = self._table.count_of(name, AFTER)
        timed = self._count_timed(name)
        reasons: dict[Reason, int] = {ready: max(0, waiting - after - timed), "after": after, "time": timed}
        return _without_zeros(reasons)

    def _count_timed(self, name: str) -> int:
        """Return how many jobs of a queue wait for a time that is still to come."""
        count, unshifted_ms = 0, self._now_ms - self._table.clock_shift_ms
        for kind, state in ((DUE, FAILED), (DELAYED, DELAYED)):
            waiting = self._table.count_of(name, state)
            if waiting:
                index = index_of(kind, name)
                due = self._table.scan(index, MAX_DUE, f"{index}/{unshifted_ms + 1:015}", reverse=True)
                count += waiting - len(due)
        return count

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
        for _ in range(_PRIORITIES):
            entries = self._table.scan(index, _HEADS, after)
            yield from (id for _, id in entries)
            if len(entries) < _HEADS:
                return
            priority, sign, _ = entries[-1][0][len(index) + 1 :].rpartition("/")
            after = f"{index}/{priority}/~" if sign else f"{index}/{'9' * 12}"


def _without_zeros(reasons: dict[Reason, int]) -> dict[Reason, int]:
    return {reason: count for reason, count in reasons.items() if count > 0}


def _held_by(hold: Fields | None) -> Reason | None:
    return None if hold is None else _REASONS.get(str(hold["because"]), "system")
