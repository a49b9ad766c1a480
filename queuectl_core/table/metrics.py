"""Metrics: what has happened to the jobs of each queue: counters, histograms, and the throughput of the last hour.

The store has one record for each queue, `metrics/NAME`, and for each schedule, `metrics/schedule/NAME`. Every flush
writes all records that changed. So the store has exactly the events up to the last flush, and a replay adds each later
event once.

The first hundred queues that get a job have records of their own, and all others share the record `(other)`.

Pure: the caller passes the store.
"""

from __future__ import annotations

from bisect import bisect_right

from ..fast_json import decode, encode_text
from ..model.job_spec import DEFAULT_QUEUE
from ..model.states import PENDING
from .index_keys import ALL_QUEUES

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from .store import Store

MAX_QUEUES = 100
"""The most queues that have a record of their own."""

OTHER = "(other)"
"""The name of the record of all other queues. No queue can have this name."""

MINUTES = 60
"""The minutes of the throughput."""

BOUNDS_MS = (10, 100, 500, 1000, 5000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 14_400_000, 86_400_000)
"""The upper bounds of the buckets of a histogram. One more bucket has all longer times."""

ENQUEUED = 0
COMPLETED, DEAD, CANCELED = 1, 2, 3
SUCCEEDED, FAILED, TIMED_OUT, SIGNALED, LOST, RELEASED, SNOOZED = 4, 5, 6, 7, 8, 9, 10
CPU_MS = 11
WAIT, DURATION, TURNAROUND = 12, 26, 40
"""Where each histogram begins: the sum of the times, and then the number of times in each bucket."""

FOLD = 1000
"""The most starts of jobs that are only noted."""

RECENT_WEIGHT = 0.05
"""How much the latest attempt counts in the mean of the recent ones."""

_PLACES = 54
_PREFIX, _STOP, _SCHEDULE = "metrics/", "metrics0", "schedule/"


class QueueMetrics:
    """The metrics of one queue.

    `values` has the counters and histograms. `minutes` has, by the number of a minute since 1970, how many jobs
    completed in it, how many attempts failed, and how many jobs died. What happens most is only noted at first: `waits`
    and `successes` are not in `values` and `minutes` until `fold`. `recent_ms` is how long the latest attempts took on
    average, in which the last few dozen count; None if none has ended.
    """

    __slots__ = ("values", "minutes", "recent_ms", "waits", "successes")

    def __init__(self, values: list[int], minutes: dict[int, list[int]], recent_ms: float | None = None) -> None:
        self.values = values
        self.minutes = minutes
        self.recent_ms = recent_ms
        self.waits: list[int] = []
        """How long jobs waited, in ms."""
        self.successes: list[tuple[int, int, int, int]] = []
        """The duration, turnaround, processor time, and end of each attempt that succeeded, in ms."""

    def note_wait(self, time_ms: int) -> None:
        """Note how long a job waited until it started."""
        self.waits.append(time_ms)
        if len(self.waits) >= FOLD:
            self.fold()

    def fold(self) -> None:
        """Add what is only noted to the counters and histograms."""
        if self.waits:
            self.observe(WAIT, self.waits)
            self.waits = []
        if self.successes:
            durations, turnarounds, cpu_times, ends = zip(*self.successes)
            self.values[COMPLETED] += len(ends)
            self.values[SUCCEEDED] += len(ends)
            self.values[CPU_MS] += sum(cpu_times)
            self.note_durations(durations)
            self.observe(TURNAROUND, turnarounds)
            for end_ms in ends:
                self.note_minute(0, end_ms)
            self.successes = []

    def note_durations(self, times_ms: Sequence[int]) -> None:
        """Note how long attempts took, the latest one last."""
        self.observe(DURATION, times_ms)
        recent_ms = float(times_ms[0]) if self.recent_ms is None else self.recent_ms
        for time_ms in times_ms:
            recent_ms += (time_ms - recent_ms) * RECENT_WEIGHT
        self.recent_ms = recent_ms

    def observe(self, histogram: int, times_ms: Iterable[int]) -> None:
        """Add times to a histogram. A time below 0, after a jump of the clock, counts as 0."""
        times, values, first = sorted(times_ms), self.values, 0
        values[histogram] += sum(time for time in times if time > 0)
        for bucket, bound_ms in enumerate(BOUNDS_MS, histogram + 1):
            stop = bisect_right(times, bound_ms, first)
            values[bucket] += stop - first
            first = stop
        values[histogram + 1 + len(BOUNDS_MS)] += len(times) - first

    def note_minute(self, series: int, at_ms: int) -> None:
        """Count a completed job (series 0), a failed attempt (1), or a dead job (2) in the minute of this time."""
        minute = at_ms // 60_000
        counts = self.minutes.get(minute)
        if counts is None:
            counts = self.minutes[minute] = [0, 0, 0]
            newest = max(self.minutes)
            for old in [other for other in self.minutes if other <= newest - MINUTES]:
                del self.minutes[old]
        counts[series] += 1

    def history(self, at_ms: int) -> list[list[int]]:
        """Return the three series of the minutes up to the one of this time, the oldest minute first."""
        last = at_ms // 60_000
        columns = [self.minutes.get(minute, (0, 0, 0)) for minute in range(last - MINUTES + 1, last + 1)]
        return [list(series) for series in zip(*columns)]


class Metrics:
    """The metrics of one table."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queues: dict[str, QueueMetrics] = {}
        self._schedules: dict[str, list[int]] = {}
        self._changed: dict[str, None] = {}
        """The names of the records that the store lacks."""
        self._is_read = False

    def of(self, queue: str) -> QueueMetrics:
        """Return the metrics of a queue, or those of all other queues, to change them."""
        metrics = self._queues.get(queue)
        if metrics is None:
            queue, metrics = self._find(queue)
        self._changed[queue] = None
        return metrics

    def note_enqueued(self, counts: Mapping[str, int]) -> None:
        """Count new jobs, which have these counts in the table."""
        others = counts[PENDING]
        for name, count in counts.items():
            state, sign, group = name.partition("@")
            if sign and state == PENDING and group != ALL_QUEUES and "/" not in group:
                self.of(group).values[ENQUEUED] += count
                others -= count
        if others:
            self.of(DEFAULT_QUEUE).values[ENQUEUED] += others

    def note_schedule(self, name: str, at_ms: int, has_job: bool) -> None:
        """Note that a schedule was due, and whether it added a job."""
        self._read()
        missed = self._schedules.get(name, [0, 0])[1]
        self._schedules[name] = [at_ms, missed + (not has_job)]
        self._changed[_SCHEDULE + name] = None

    def forget_schedule(self, name: str) -> None:
        """Forget a schedule that was removed."""
        self._read()
        self._schedules.pop(name, None)
        self._changed[_SCHEDULE + name] = None

    def queues(self) -> Mapping[str, QueueMetrics]:
        """Return the metrics by queue, for reading."""
        self._read()
        for metrics in self._queues.values():
            metrics.fold()
        return self._queues

    def schedules(self) -> Mapping[str, list[int]]:
        """Return, for each schedule that was due, its last time in ms, and at how many times it added no job."""
        self._read()
        return self._schedules

    def _find(self, queue: str) -> tuple[str, QueueMetrics]:
        self._read()
        if queue not in self._queues:
            if len(self._queues) - (OTHER in self._queues) >= MAX_QUEUES:
                queue = OTHER
            if queue not in self._queues:
                self._queues[queue] = QueueMetrics([0] * _PLACES, {})
        return queue, self._queues[queue]

    # The store

    def _read(self) -> None:
        """Read all records, once."""
        start = _PREFIX
        while not self._is_read:
            page = self._store.scan(start.encode(), _STOP.encode(), 500)
            for key, value in page:
                start = key.decode() + "\0"
                self._take(key.decode()[len(_PREFIX) :], value)
            self._is_read = len(page) < 500

    def take(self, name: str, record: bytes) -> None:
        """Take a record from another store, whose key has this name after `metrics/`.

        Raises: ValueError, TypeError.
        """
        self._take(name, record)
        self._changed[name] = None

    def _take(self, name: str, record: bytes) -> None:
        fields: Any = decode(record.decode())
        if name.startswith(_SCHEDULE):
            self._schedules[name[len(_SCHEDULE) :]] = [int(field) for field in fields]
        else:
            values, minutes, recent_ms = fields
            self._queues[name] = QueueMetrics(values, {minute: counts for minute, *counts in minutes}, recent_ms)

    def write(self, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None:
        """Add the writes for the records that changed."""
        for name in self._changed:
            key, record = f"{_PREFIX}{name}".encode(), self._record(name)
            if record is None:
                deletes.append(key)
            else:
                puts.append((key, encode_text(record).encode()))

    def _record(self, name: str) -> object:
        """Return the record of a queue or of a schedule, or None if it is gone."""
        if name.startswith(_SCHEDULE):
            return self._schedules.get(name[len(_SCHEDULE) :])
        metrics = self._queues[name]
        metrics.fold()
        minutes = [(minute, *counts) for minute, counts in metrics.minutes.items()]
        return metrics.values, minutes, metrics.recent_ms

    def note_stored(self) -> None:
        """Note that the store now has all of them."""
        self._changed.clear()
