"""Overview records: the types of the dictionaries that say what a home does now, as `records` does for jobs.

Pure. Beside COUNTERS, only type checkers read this module. Programs that embed `Queue` may import it too.
Does not import `annotations` from __future__, so that `typing.get_type_hints` works on every class.
"""

from typing import Any, Literal, Optional, TypedDict

from .queue_records import QueueRecord
from .records import StatusRecord, WorkerRecord

Reason = Literal["worker", "time", "after", "limit", "rate", "paused", "slots", "system"]
"""What a job waits for.

`worker`: a worker that is free. `time`: a retry or the time that it asks for. `after`: other jobs. `limit`, `rate` and
`paused`: its queue, or a pause of all. `slots`: as many free workers as it needs at once. `system`: room on the disk,
less load, or more free memory.
"""


class Throughput(TypedDict):
    """What ended in each of the last 60 minutes. The last entry is the current minute, which is not over yet."""

    elapsed_ms: int
    """How much of the current minute has passed."""
    completed: list[int]
    """Jobs that completed."""
    failed: list[int]
    """Attempts that failed."""
    dead: list[int]
    """Jobs that died, unless somebody canceled them."""


class QueueNow(QueueRecord):
    """What one queue does now. The queue `(other)` stands for all beyond the first hundred."""

    waiting: dict[Reason, int]
    """How many jobs wait for what; without the reasons of no job."""
    latency_ms: int
    """The age of the oldest job that could begin; 0 if none could."""
    longest_running_ms: int
    hold: Optional[dict[str, Any]]
    """Why no job of the queue may start now: `because` and its facts, as in `Queue.why`. None if one may."""
    mean_run_ms: Optional[float]
    """How long its latest attempts took on average, in ms; None if none has ended."""
    throughput: Throughput


class WorkerNow(WorkerRecord):
    """One worker with its job. The fields of the job are None without one."""

    queue: Optional[str]
    name: Optional[str]
    command: Optional[str]
    """The first characters of its command."""


class Slots(TypedDict):
    """The places of the workers. A job takes one, unless it asks for more."""

    total: int
    used: int


class OverviewRecord(StatusRecord):
    """What a home does now: the status, with more about the workers, and the queues."""

    now_ms: int
    """The time of the answer, in ms since 1970."""
    workers: list[WorkerNow]  # type: ignore[misc]  # it has more fields than in a status
    slots: Optional[Slots]
    """None while no supervisor runs."""
    queues: list[QueueNow]
    throughput: Throughput


COUNTERS = (
    *("enqueued", "completed", "dead", "canceled", "succeeded", "failed", "timed_out", "signaled", "lost"),
    *("released", "snoozed", "cpu_ms"),
)
"""The counters of a queue, in the order in which they are kept."""


class QueueMetricsRecord(TypedDict):
    """What has happened to the jobs of one queue. A histogram has the sum of the times in ms, and then its buckets."""

    counters: dict[str, int]
    wait: list[int]
    duration: list[int]
    turnaround: list[int]


class ScheduleMetricsRecord(TypedDict):
    """When a schedule was due and will be due, in ms since 1970, and at how many times it added no job."""

    schedule: str
    next_ms: Optional[int]
    last_ms: Optional[int]
    missed: int


class ProcessRecord(TypedDict):
    """What the supervisor uses; None for what the system does not tell."""

    cpu_s: float
    resident_bytes: Optional[int]
    open_fds: Optional[int]
    started_ms: int


class MetricsRecord(TypedDict):
    """The numbers that a monitoring program reads."""

    overview: OverviewRecord
    queues: dict[str, QueueMetricsRecord]
    schedules: list[ScheduleMetricsRecord]
    sync: Optional[list[float]]
    """How long syncs of the journal took, as a histogram; None without a supervisor."""
    process: Optional[ProcessRecord]


class HomeSizes(TypedDict):
    """How much of the disk a home uses, and how much is free, in bytes."""

    journal_bytes: int
    output_bytes: int
    disk_free_bytes: int
    is_reserve_held: bool
