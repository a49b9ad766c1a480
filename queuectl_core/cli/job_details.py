"""Job details: one job on the screen, with all its attempts.

It knows the record of a job, but no command.
"""

from __future__ import annotations

from ..model.reasons import POSTPONED
from ..system.clock import now_ms
from ..timestamps import format_span, from_utc
from .screen import Screen, shown, visible

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.records import AttemptRecord, JobRecord

_FIRST = ("id", "state", "command", "cwd")
_UNSAID: dict[str, object] = {"history": [], "worker": None, "queue": "default", "priority": 0, "cause": "failed"}
"""Values that `print_job` leaves out, because they are defaults or appear elsewhere."""

_TIMES = ("delay", "timeout", "grace", "backoff_max", "snooze", "limit_cpu")
"""Fields in seconds."""


def print_job(job: JobRecord, screen: Screen) -> None:
    """Print a job as JSON with --json, or else its fields and a table of its attempts."""
    if screen.json:
        return screen.value(job)
    fields: dict[str, object] = dict(job)
    origins = job.get("defaults", {})
    for field, value in {**{name: fields[name] for name in _FIRST}, **fields}.items():
        if field not in ("history", "defaults") and value != _UNSAID.get(field):
            print_field(field, value, screen, origins.get(field))
    if job["history"]:
        screen.line()
        numbers = dict(zip(map(id, job["history"]), attempt_numbers(job["history"])))
        screen.table({"ATTEMPT": lambda attempt: numbers[id(attempt)], **_ATTEMPT_COLUMNS}, job["history"])
        if job["state"] in ("failed", "dead") and job["history"][-1]["output_bytes"]:
            screen.note(f"for its output, run `queuectl logs {job['id']}`")


def print_field(name: str, value: object, screen: Screen, origin: str | None = None) -> None:
    """Print one field, unless its value is None. `origin` says where a value that the job did not set is from."""
    if name == "env" and isinstance(value, dict):  # values can be secrets
        value = ", ".join(value)
    if isinstance(value, (int, float)) and name in (*_TIMES, "limit_mem"):
        value = format_size(value) if name == "limit_mem" else format_span(round(value * 1000))
    if value is not None:
        screen.line(f"{name:13} {visible(shown(value))}{f'  (from {origin})' if origin else ''}")


def format_size(size: float) -> str:
    """Format a number of bytes for people: `512 MiB`, `1.5 GiB`."""
    unit, factor = ("GiB", 2**30) if size >= 2**30 else ("MiB", 2**20)
    return f"{round(size / factor, 1):.10g} {unit}"


def editable(job: JobRecord) -> dict[str, object]:
    """Return the fields of a job that can be changed, with None for those that have no value."""
    from ..model.job_spec import BASIC, FIXED_FIELDS, OPTIONS, PASSING_OPTIONS

    names = (name for name in (*BASIC, *OPTIONS) if name not in FIXED_FIELDS and name not in PASSING_OPTIONS)
    fields: dict[str, object] = {name: job.get(name) for name in names}
    if job["state"] != "dead":
        fields["at"] = job["next_run_at"]
    return fields


def took_ms(attempt: AttemptRecord) -> int | None:
    """Return how long an attempt took; while it runs, how long it has run so far."""
    if attempt["outcome"] is None:
        return max(0, now_ms() - from_utc(attempt["started_at"]))
    return attempt["duration_ms"]


def attempt_numbers(history: Sequence[AttemptRecord]) -> list[str]:
    """Return the number of each attempt, marked where a retry by hand began to count from 1 again.

    An attempt that did not count, because it was released or snoozed, has the number of the next one.
    """
    before = [None, *history[:-1]]
    marks = [" (retried)" if last and _begins_again(last, attempt) else "" for last, attempt in zip(before, history)]
    return [f"{attempt['attempt']}{mark}" for attempt, mark in zip(history, marks)]


def _begins_again(last: AttemptRecord, attempt: AttemptRecord) -> bool:
    if attempt["attempt"] != last["attempt"]:
        return attempt["attempt"] < last["attempt"]
    return last["outcome"] != "released" and not (last["reason"] or "").endswith(POSTPONED)


def _took(attempt: AttemptRecord) -> str | None:
    ms = took_ms(attempt)
    return None if ms is None else format_span(ms)


def _used(attempt: AttemptRecord) -> str | None:
    cpu_ms, peak_bytes = attempt["cpu_ms"], attempt["peak_bytes"]
    if cpu_ms is None or peak_bytes is None:
        return None
    return f"{format_span(cpu_ms)}, {peak_bytes / 2**20:.1f} MiB"


def _outcome(attempt: AttemptRecord) -> str:
    codes = {"exit": attempt["exit_code"], "signal": attempt["signal"]}
    outcome = attempt["outcome"] or "running"
    return f"{outcome} {codes[outcome]}" if outcome in codes else outcome


def _printed(attempt: AttemptRecord) -> str | None:
    size, dropped = attempt["output_bytes"], attempt["dropped_bytes"]
    printed = None if size is None else f"{size} B"
    return f"{printed} ({dropped} dropped)" if dropped else printed


_ATTEMPT_COLUMNS = {
    "WORKER": "worker",
    "STARTED": "started_at",
    "TOOK": _took,
    "CPU, MEMORY": _used,
    "OUTCOME": _outcome,
    "OUTPUT": _printed,
    "REASON": "reason",
}
