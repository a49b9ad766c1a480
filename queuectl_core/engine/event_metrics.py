"""Event metrics: what each event of a job adds to the metrics of its queue.

An attempt counts once it has begun. A job that users retry counts as finished once more when it ends again.

Pure. Changes no job: the job is as it was before the event.
"""

from __future__ import annotations

from ..model import events
from ..model.reasons import is_cancellation
from ..table import metrics

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..model.attempt import AttemptResult
    from ..model.job import Job
    from ..table.metrics import QueueMetrics

    Note = Callable[[QueueMetrics, Job, Any, int], None]

_OUTCOMES = {"timeout": metrics.TIMED_OUT, "signal": metrics.SIGNALED, "worker-lost": metrics.LOST}
"""The outcomes of a run that failed, except those that count only as failed."""


def _start(queue: QueueMetrics, job: Job, event: events.Started, clock_shift_ms: int) -> None:
    since_ms = job.updated_ms if job.due_ms is None else ready_ms(job, clock_shift_ms)
    queue.note_wait(event.at_ms - since_ms)


def ready_ms(job: Job, clock_shift_ms: int) -> int:
    """Return since when a waiting job could begin: its last change, or the time that it waited for."""
    due_ms = job.due_ms
    return job.updated_ms if due_ms is None else max(job.updated_ms, due_ms + clock_shift_ms)


def _succeed(queue: QueueMetrics, job: Job, event: events.Succeeded, clock_shift_ms: int) -> None:
    at_ms, ending = event.at_ms, event.ending
    success = ending.duration_ms, at_ms - job.created_ms, ending.cpu_ms or 0, at_ms - clock_shift_ms
    queue.successes.append(success)


def _fail(queue: QueueMetrics, job: Job, event: events.Failed | events.DeadLettered, clock_shift_ms: int) -> None:
    _end_attempt(queue, _OUTCOMES.get(event.ending.outcome, metrics.FAILED), event.ending)
    queue.note_minute(1, event.at_ms - clock_shift_ms)


def _die(queue: QueueMetrics, job: Job, event: events.DeadLettered, clock_shift_ms: int) -> None:
    if is_cancellation(event.reason):
        _end_attempt(queue, _OUTCOMES.get(event.ending.outcome, metrics.FAILED), event.ending)
        _finish(queue, metrics.CANCELED, job, event.at_ms)
        return
    _fail(queue, job, event, clock_shift_ms)
    _finish(queue, metrics.DEAD, job, event.at_ms)
    queue.note_minute(2, event.at_ms - clock_shift_ms)


def _snooze(queue: QueueMetrics, job: Job, event: events.Snoozed, clock_shift_ms: int) -> None:
    _end_attempt(queue, metrics.SNOOZED, event.ending)


def _release(queue: QueueMetrics, job: Job, event: events.Released, clock_shift_ms: int) -> None:
    if event.begun:
        _end_attempt(queue, metrics.RELEASED, event.ending)


def _cancel(queue: QueueMetrics, job: Job, event: events.Canceled, clock_shift_ms: int) -> None:
    if event.ending is not None:
        _end_attempt(queue, metrics.RELEASED, event.ending)
    is_canceled = is_cancellation(event.reason)
    _finish(queue, metrics.CANCELED if is_canceled else metrics.DEAD, job, event.at_ms)
    if not is_canceled:
        queue.note_minute(2, event.at_ms - clock_shift_ms)


def _end_attempt(queue: QueueMetrics, outcome: int, ending: AttemptResult | None) -> None:
    """Count an attempt; journals of the first version do not say how those that users ended did."""
    queue.values[outcome] += 1
    if ending is not None:
        queue.values[metrics.CPU_MS] += ending.cpu_ms or 0
        queue.note_durations([ending.duration_ms])


def _finish(queue: QueueMetrics, state: int, job: Job, at_ms: int) -> None:
    queue.values[state] += 1
    queue.observe(metrics.TURNAROUND, [at_ms - job.created_ms])


NOTES: dict[type, Note] = {
    events.Started: _start,
    events.Succeeded: _succeed,
    events.Failed: _fail,
    events.DeadLettered: _die,
    events.Snoozed: _snooze,
    events.Released: _release,
    events.Canceled: _cancel,
}
"""For each event that counts, the function that adds it. The other arguments are the job and the clock shift in ms."""
