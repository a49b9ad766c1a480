"""Transitions: which events each state of a job allows, and what each event changes.

Pure. Knows neither the decisions nor where jobs are kept.

Warning: a record that was returned to a caller may share an attempt of the history. So a change replaces the attempt.
"""

from __future__ import annotations

from ..model import events
from ..model.attempt import AttemptResult, ended
from ..model.job import COMPLETED, DEAD, FAILED, MAX_HISTORY, NO_OPTIONS, PENDING, PROCESSING, Job

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Change = Callable[[Job, Any], None]

    from ..model.records import State

WAITING = (PENDING, FAILED)

def _start(job: Job, event: events.Started) -> None:
    job.attempts += 1
    job.due_ms = job.wall_ms = job.reason = None
    first = {"attempt": job.attempts, "run": job.revision}
    attempt = {**first, "worker": event.worker, "started_ms": event.at_ms}
    if event.slot is not None:
        attempt["slot"] = event.slot
    job.history = [*job.history[1 - MAX_HISTORY :], attempt]


def _update_attempt(job: Job, **fields: object) -> None:
    job.history[-1] = {**job.history[-1], **fields}


def _locate(job: Job, event: events.OutputLocated) -> None:
    _update_attempt(job, started_ms=event.at_ms, log_file=event.log_file, log_offset=event.log_offset)


def _end(job: Job, ending: AttemptResult, reason: str | None, outcome: str | None = None) -> None:
    """Record how the last attempt ended. `outcome` is set when it differs from that of the run."""
    job.suspended = False
    job.cancel = None
    job.history[-1] = ended(job.history[-1], ending, reason, outcome)
    job.reason = reason


def _stop(job: Job, ending: AttemptResult | None, outcome: str, at_ms: int, reason: str) -> None:
    """Record that an attempt was ended by hand; journals of the first version do not say how."""
    if ending is not None:
        _end(job, ending, reason, outcome)
    else:
        _update_attempt(job, outcome=outcome, ended_ms=at_ms, reason=reason)
    job.suspended = False


def _succeed(job: Job, event: events.Succeeded) -> None:
    _end(job, event.ending, None)


def _fail(job: Job, event: events.Failed) -> None:
    _end(job, event.ending, event.reason)
    job.losses += event.ending.outcome == "worker-lost"
    job.due_ms = event.due_ms


def _die(job: Job, event: events.DeadLettered) -> None:
    _end(job, event.ending, event.reason)


def _snooze(job: Job, event: events.Snoozed) -> None:
    _end(job, event.ending, event.reason)
    job.attempts -= 1
    job.due_ms = event.due_ms


def _go_back(job: Job, event: events.Released) -> None:
    if event.begun:
        _stop(job, event.ending, "released", event.at_ms, event.reason)
        job.reason = None
    else:
        job.history = job.history[:-1]
        job.suspended = False
    job.attempts -= 1


def _begin_again(job: Job, event: events.Retried) -> None:
    job.attempts = job.losses = 0
    job.reason = job.due_ms = job.wall_ms = None
    job.blockers = list(event.blockers)


def _request_cancel(job: Job, event: events.CancelRequested) -> None:
    job.cancel = event.signal


def _cancel(job: Job, event: events.Canceled) -> None:
    if job.state == PROCESSING:
        _stop(job, event.ending, "canceled", event.at_ms, event.reason)
    job.due_ms = job.wall_ms = job.cancel = None
    job.reason = event.reason


def _unblock(job: Job, event: events.Unblocked) -> None:
    job.blockers = [*(id for id in job.blockers if id != event.by), *event.then]


def _make_ready(job: Job, event: events.MadeReady) -> None:
    job.due_ms = job.wall_ms = None


def _edit(job: Job, event: events.Edited) -> None:
    options: Any = dict(job.options)  # `job_spec` has checked that the fields are options
    for name, value in event.fields.items():
        if name in _EDITABLE_BASICS:
            setattr(job, name, value if value is not None else getattr(job, name))
        elif value is None:
            options.pop(name, None)
        else:
            options[name] = value
    if "defaults" in options:
        origins = {name: origin for name, origin in options.pop("defaults").items() if name not in event.fields}
        options.update({"defaults": origins} if origins else {})
    job.options = options or NO_OPTIONS
    if event.fields.keys() & {"queue", "priority"}:
        job.place = None  # it counts only among the jobs of one queue and priority
    if event.due_ms is not None:
        job.due_ms = event.due_ms or None  # 0: now
        job.wall_ms = event.wall_ms


def _move(job: Job, event: events.Moved) -> None:
    job.place = f"{event.place}.{job.revision:012}"


def _suspend(job: Job, event: events.Suspended) -> None:
    job.suspended = True


def _continue(job: Job, event: events.Continued) -> None:
    job.suspended = False


def set_clock(job: Job, clock_shift_ms: int) -> None:
    """Adapt to a change of the wall clock: a time that a request gave stays the same by the wall clock."""
    if job.wall_ms is not None:
        job.due_ms = due_at(job.wall_ms, clock_shift_ms)


def due_at(wall_ms: int, clock_shift_ms: int) -> int:
    """Return a time of the wall clock in ms without the clock shift."""
    return max(1, wall_ms - clock_shift_ms)


def after(job: Job, event: events.JobEvent) -> Job:
    """Return the job as this event leaves it, without changing the original."""
    changed = Job(**job.fields())
    change(changed, event)
    return changed


def change(job: Job, event: events.JobEvent) -> None:
    """Apply an event that the state of the job allows."""
    _, state, change_fields = TRANSITIONS[type(event)]
    if change_fields is not None:
        change_fields(job, event)
    job.state = state or job.state
    job.updated_ms = event.at_ms


_EDITABLE_BASICS = ("command", "cwd", "max_retries", "backoff_base")


TRANSITIONS: dict[type, tuple[tuple[State, ...], State | None, Change | None]] = {
    events.Started: (WAITING, PROCESSING, _start),
    events.OutputLocated: ((PROCESSING,), PROCESSING, _locate),
    events.Succeeded: ((PROCESSING,), COMPLETED, _succeed),
    events.Failed: ((PROCESSING,), FAILED, _fail),
    events.DeadLettered: ((PROCESSING,), DEAD, _die),
    events.Snoozed: ((PROCESSING,), PENDING, _snooze),
    events.Released: ((PROCESSING,), PENDING, _go_back),
    events.CancelRequested: ((PROCESSING,), PROCESSING, _request_cancel),
    events.Canceled: ((PENDING, FAILED, PROCESSING), DEAD, _cancel),
    events.Unblocked: ((PENDING,), PENDING, _unblock),
    events.MadeReady: (WAITING, PENDING, _make_ready),
    events.Edited: ((PENDING, FAILED, DEAD), None, _edit),
    events.Moved: ((PENDING,), PENDING, _move),
    events.Suspended: ((PROCESSING,), PROCESSING, _suspend),
    events.Continued: ((PROCESSING,), PROCESSING, _continue),
    events.Retried: ((DEAD,), PENDING, _begin_again),
    events.Purged: ((PENDING, FAILED, DEAD, COMPLETED), None, None),
}
"""The states in which each event may happen, the next state (None: the same), and the function that changes the job.

Enqueued creates a job, and Purged removes one.
"""
