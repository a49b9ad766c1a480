"""Transitions: the one table of what may happen to a job in which state, and what each event changes of the job.

Pure. Does not decide what happens, nor know where jobs are kept. The trap: an attempt in the history may be shared with
a record that was handed out, so a change makes a new one in its place.
"""

from __future__ import annotations

import signal
from typing import Optional

from . import events
from .events import Ending
from .job import COMPLETED, DEAD, FAILED, MAX_HISTORY, PENDING, PROCESSING, Job

TRANSITIONS: dict[type, tuple[tuple[str, ...], Optional[str]]] = {
    events.Started: ((PENDING, FAILED), PROCESSING),
    events.Located: ((PROCESSING,), PROCESSING),
    events.Succeeded: ((PROCESSING,), COMPLETED),
    events.Failed: ((PROCESSING,), FAILED),
    events.Died: ((PROCESSING,), DEAD),
    events.Released: ((PROCESSING,), PENDING),
    events.Retried: ((DEAD,), PENDING),
    events.Purged: ((DEAD, COMPLETED), None),
}
"""What may happen to a job in which states, and the state that it leads to (None: the job is gone). Enqueued makes
one.
"""


def describe(ending: Ending) -> str:
    """Why an attempt counts as failed, in a clause: what `show` and `dlq list` say."""
    if ending.detail:
        return ending.detail
    if ending.outcome == "signal":
        return f"killed by {_signal_name(ending.signal)}"
    code = ending.exit_code
    if code == 127:
        return "command not found (exit code 127)"
    if code == 126:
        return "not executable (exit code 126)"
    if code is not None and code > 128 and _signal_name(code - 128) != f"signal {code - 128}":
        return f"exit code {code} ({_signal_name(code - 128)})"
    return f"exit code {code}"


def _signal_name(number: int | None) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _start(job: Job, event: events.Started) -> None:
    job.attempts += 1
    job.due_ms = job.reason = None
    job.history = job.history[1 - MAX_HISTORY :]
    job.history.append(
        {
            "attempt": job.attempts,
            "run": job.revision,
            "worker": event.worker,
            "started_ms": event.at_ms,
        }
    )


def _locate(job: Job, event: events.Located) -> None:
    place = {"started_ms": event.at_ms, "log_file": event.log_file, "log_offset": event.log_offset}
    job.history[-1] = {**job.history[-1], **place}


def _end(job: Job, ending: Ending, reason: str | None) -> None:
    outcome, exit_code, number, ended_ms, duration_ms, log_file, log_offset, output_bytes, dropped_bytes, _ = ending
    job.history[-1] = {
        **job.history[-1],
        "started_ms": ended_ms - duration_ms,
        "outcome": outcome,
        "exit_code": exit_code,
        "signal": number,
        "ended_ms": ended_ms,
        "duration_ms": duration_ms,
        "log_file": log_file,
        "log_offset": log_offset,
        "output_bytes": output_bytes,
        "dropped_bytes": dropped_bytes,
        "reason": reason,
    }
    job.reason = reason


def _succeed(job: Job, event: events.Succeeded) -> None:
    _end(job, event.ending, None)


def _fail(job: Job, event: events.Failed) -> None:
    _end(job, event.ending, event.reason)
    job.losses += event.ending.outcome == "worker-lost"
    job.due_ms = event.due_ms


def _die(job: Job, event: events.Died) -> None:
    _end(job, event.ending, event.reason)


def _go_back(job: Job, event: events.Released) -> None:
    if event.begun:
        job.history[-1] = {**job.history[-1], "outcome": "released", "ended_ms": event.at_ms, "reason": event.reason}
    else:
        job.history = job.history[:-1]
    job.attempts -= 1


def _begin_again(job: Job, event: events.Retried) -> None:
    job.attempts = job.losses = 0
    job.reason = job.due_ms = None


CHANGES = {
    events.Started: _start,
    events.Located: _locate,
    events.Succeeded: _succeed,
    events.Failed: _fail,
    events.Died: _die,
    events.Released: _go_back,
    events.Retried: _begin_again,
}
"""How each changes the job it happens to; state and times are the engine's."""
