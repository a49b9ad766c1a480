"""Metrics text: the metrics of a home in the text format 0.0.4 of Prometheus.

FAMILIES has the name, type and meaning of every metric; `docs/metrics.md` is made from it.

Pure. It touches neither the home nor the network.

Invariant: each family occurs once, with HELP and TYPE, and no label names a job, a command, a tag or a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Union

from ..model.states import STATES
from ..timestamps import from_utc

if TYPE_CHECKING:
    from ..model.overview_records import HomeSizes, MetricsRecord, QueueNow

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "queuectl_"

BOUNDS_S = (0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400)
"""The upper bounds of the buckets of all histograms but that of syncs, in seconds."""

SYNC_BOUNDS_MS = (0.5, 1, 2.5, 5, 10, 25, 50, 100, 500, 1000)
"""The upper bounds of the buckets of the histogram of syncs, in milliseconds."""

REASONS = ("worker", "time", "after", "limit", "rate", "paused", "slots", "system")
_WORKER_STATES = ("idle", "busy", "draining", "adopted", "lost")

Value = Union[int, float]
Sample = tuple[dict[str, str], Value]
"""The labels and the value of a sample."""

Samples = Iterator[Sample]


class Reading(NamedTuple):
    """Everything that the text is made from. `build` has the versions of queuectl and Python."""

    record: MetricsRecord
    sizes: HomeSizes
    build: dict[str, str]


class Family(NamedTuple):
    """One metric: its name without the prefix, type, labels and meaning, and the function that gives its samples.

    Samples of a histogram are its buckets with the sum: `_histogram` makes the lines of them.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    samples: Callable[[Reading], Samples]

    @property
    def full_name(self) -> str:
        """Return the name with the prefix, which the standard metrics of a process do not have."""
        return self.name if self.name.startswith("process_") else PREFIX + self.name


def text_of(reading: Reading) -> str:
    """Return the metrics of a home as text. A family without a sample is left out."""
    return "".join(line + "\n" for family in FAMILIES for line in _lines(family, reading))


def _lines(family: Family, reading: Reading) -> Iterator[str]:
    samples = [_line(family.full_name, labels, value) for labels, value in family.samples(reading)]
    if samples:
        yield f"# HELP {family.full_name} {family.help}"
        yield f"# TYPE {family.full_name} {family.kind}"
        yield from samples


def _line(name: str, labels: dict[str, str], value: Value) -> str:
    """Return the line of a sample. The label `__suffix__` belongs to the name."""
    suffix = labels.get("__suffix__", "")
    shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items() if key != "__suffix__")
    return f"{name}{suffix}{f'{{{shown}}}' if shown else ''} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: Value) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


# The samples


def _one(value: Value | None) -> Samples:
    """Yield one sample without labels, or none for None."""
    if value is not None:
        yield {}, value


def _by_queue(value: Callable[[QueueNow], Value | None]) -> Callable[[Reading], Samples]:
    """Return a function that gives one sample for each queue, unless its value is None."""

    def samples(reading: Reading) -> Samples:
        for queue in reading.record["overview"]["queues"]:
            number = value(queue)
            if number is not None:
                yield {"queue": queue["queue"]}, number

    return samples


def _jobs(reading: Reading) -> Samples:
    for queue in reading.record["overview"]["queues"]:
        for state in STATES:
            yield {"queue": queue["queue"], "state": state}, queue["counts"][state]


def _waiting(reading: Reading) -> Samples:
    for queue in reading.record["overview"]["queues"]:
        waiting: dict[str, int] = {str(reason): count for reason, count in queue["waiting"].items()}
        for reason in REASONS:
            yield {"queue": queue["queue"], "reason": reason}, waiting.get(reason, 0)


def _counter(name: str, divisor: int = 1) -> Callable[[Reading], Samples]:
    def samples(reading: Reading) -> Samples:
        for queue, metrics in reading.record["queues"].items():
            yield {"queue": queue}, metrics["counters"][name] / divisor

    return samples


def _counters(label: str, names: tuple[str, ...]) -> Callable[[Reading], Samples]:
    """Return a function that gives several counters of each queue, told apart by a label."""

    def samples(reading: Reading) -> Samples:
        for queue, metrics in reading.record["queues"].items():
            for name in names:
                yield {"queue": queue, label: name}, metrics["counters"][name]

    return samples


def _times(name: str) -> Callable[[Reading], Samples]:
    def samples(reading: Reading) -> Samples:
        for queue, metrics in reading.record["queues"].items():
            times: dict[str, list[float]] = {key: value for key, value in metrics.items() if isinstance(value, list)}
            yield from _histogram({"queue": queue}, times[name], BOUNDS_S)

    return samples


def _histogram(labels: dict[str, str], sum_and_counts: list[float], bounds_s: tuple[float, ...]) -> Samples:
    """Yield the samples of a histogram, whose buckets count all times up to their bounds."""
    sum_ms, *counts = sum_and_counts
    total = 0.0
    for bound, count in zip((*(f"{bound:g}" for bound in bounds_s), "+Inf"), counts):
        total += count
        yield {"__suffix__": "_bucket", **labels, "le": bound}, total
    yield {"__suffix__": "_sum", **labels}, sum_ms / 1000
    yield {"__suffix__": "_count", **labels}, total


def _syncs(reading: Reading) -> Samples:
    if reading.record["sync"] is not None:
        yield from _histogram({}, reading.record["sync"], tuple(bound / 1000 for bound in SYNC_BOUNDS_MS))


def _workers(reading: Reading) -> Samples:
    states = [worker["state"] for worker in reading.record["overview"]["workers"]]
    for state in _WORKER_STATES:
        yield {"state": state}, sum(each == state for each in states)


def _slots(name: str) -> Callable[[Reading], Samples]:
    def samples(reading: Reading) -> Samples:
        slots = reading.record["overview"]["slots"]
        counts: dict[str, int] = {} if slots is None else {"total": slots["total"], "used": slots["used"]}
        return _one(counts.get(name))

    return samples


def _schedules(field: str) -> Callable[[Reading], Samples]:
    def samples(reading: Reading) -> Samples:
        for schedule in reading.record["schedules"]:
            fields: dict[str, object] = {**schedule}
            value = fields[field]
            if isinstance(value, int):
                yield {"schedule": schedule["schedule"]}, value if field == "missed" else value / 1000

    return samples


def _size(field: str) -> Callable[[Reading], Samples]:
    def samples(reading: Reading) -> Samples:
        sizes: dict[str, object] = {**reading.sizes}
        return _one(int(str(int(bool(sizes[field])) if field.startswith("is_") else sizes[field])))

    return samples


def _process(field: str) -> Callable[[Reading], Samples]:
    def samples(reading: Reading) -> Samples:
        process = reading.record["process"]
        fields: dict[str, float | None] = {} if process is None else {**process}  # type: ignore[dict-item]  # numbers
        value = fields.get(field)
        return _one(value / 1000 if value is not None and field.endswith("_ms") else value)

    return samples


def _started(reading: Reading) -> Samples:
    supervisor = reading.record["overview"]["supervisor"]
    return _one(None if supervisor is None else from_utc(supervisor["started_at"]) / 1000)


def _is_paused(queue: QueueNow) -> int:
    return int(queue["paused_since"] is not None or "paused" in queue["waiting"])


_OUTCOMES = ("succeeded", "failed", "timed_out", "signaled", "lost", "released", "snoozed")
FAMILIES = (
    Family("build_info", "gauge", ("version", "python"), "The versions of queuectl and Python; always 1.",
           lambda reading: iter([(reading.build, 1)])),
    Family("supervisor_up", "gauge", (), "1 while a supervisor runs, else 0.",
           lambda reading: _one(int(reading.record["overview"]["supervisor"] is not None))),
    Family("supervisor_start_time_seconds", "gauge", (), "When the supervisor started, in seconds since 1970.",
           _started),
    Family("jobs", "gauge", ("queue", "state"), "Jobs by state.", _jobs),
    Family("jobs_waiting", "gauge", ("queue", "reason"), "Jobs that wait, by what they wait for.", _waiting),
    Family("queue_latency_seconds", "gauge", ("queue",), "Age of the oldest job that could begin; 0 if none could.",
           _by_queue(lambda queue: queue["latency_ms"] / 1000)),
    Family("queue_longest_running_seconds", "gauge", ("queue",), "How long the longest running attempt has run.",
           _by_queue(lambda queue: queue["longest_running_ms"] / 1000)),
    Family("queue_paused", "gauge", ("queue",), "1 while the queue, or all queues, are paused.", _by_queue(_is_paused)),
    Family("queue_limit", "gauge", ("queue",), "How many jobs of the queue may run at once, if it has a limit.",
           _by_queue(lambda queue: queue["limit"])),
    Family("jobs_enqueued_total", "counter", ("queue",), "Jobs added.", _counter("enqueued")),
    Family("jobs_finished_total", "counter", ("queue", "state"), "Jobs that ended, by how.",
           _counters("state", ("completed", "dead", "canceled"))),
    Family("attempts_total", "counter", ("queue", "outcome"), "Attempts that ended, by how.",
           _counters("outcome", _OUTCOMES)),
    Family("job_wait_seconds", "histogram", ("queue",), "From when a job could begin until its attempt began.",
           _times("wait")),
    Family("attempt_duration_seconds", "histogram", ("queue",), "How long attempts took.", _times("duration")),
    Family("job_turnaround_seconds", "histogram", ("queue",), "From when a job was added until it ended.",
           _times("turnaround")),
    Family("attempt_cpu_seconds_total", "counter", ("queue",), "Processor time of attempts.", _counter("cpu_ms", 1000)),
    Family("workers", "gauge", ("state",), "Workers by state.", _workers),
    Family("slots", "gauge", (), "Places of all workers for jobs.", _slots("total")),
    Family("slots_used", "gauge", (), "Places that running jobs take.", _slots("used")),
    Family("schedule_next_run_timestamp_seconds", "gauge", ("schedule",), "When the schedule is due next.",
           _schedules("next_ms")),
    Family("schedule_last_run_timestamp_seconds", "gauge", ("schedule",), "When the schedule was last due.",
           _schedules("last_ms")),
    Family("schedule_missed_total", "counter", ("schedule",),
           "Times at which the schedule added no job: its last one ran, or it was refused.",
           _schedules("missed")),
    Family("journal_bytes", "gauge", (), "Size of the journal.", _size("journal_bytes")),
    Family("output_bytes", "gauge", (), "Size of the output of all jobs.", _size("output_bytes")),
    Family("disk_free_bytes", "gauge", (), "Free space on the disk of the home.", _size("disk_free_bytes")),
    Family("disk_reserve_held", "gauge", (), "1 while the reserve for a full disk is held; 0 stops new jobs.",
           _size("is_reserve_held")),
    Family("journal_sync_seconds", "histogram", (), "How long syncs of the journal took, since the supervisor started.",
           _syncs),
    Family("process_cpu_seconds_total", "counter", (), "Processor time of the supervisor.", _process("cpu_s")),
    Family("process_resident_memory_bytes", "gauge", (), "Memory of the supervisor.", _process("resident_bytes")),
    Family("process_open_fds", "gauge", (), "Open descriptors of the supervisor.", _process("open_fds")),
    Family("process_start_time_seconds", "gauge", (), "When the supervisor started, in seconds since 1970.",
           _process("started_ms")),
)  # fmt: skip
