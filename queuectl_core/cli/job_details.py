"""Job details: one job on the screen, with all its attempts.

It knows the record of a job, but no command.
"""

from __future__ import annotations

from ..timestamps import format_span
from .screen import Screen, shown, visible

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ..model.records import AttemptRecord, JobRecord

_FIRST = ("id", "state", "command", "cwd")
_UNSAID: dict[str, object] = {"history": [], "worker": None, "queue": "default", "priority": 0, "cause": "failed"}
"""Values that `print_job` leaves out, because they are defaults or appear elsewhere."""


def print_job(job: JobRecord, screen: Screen) -> None:
    """Print a job as JSON with --json, or else its fields and a table of its attempts."""
    if screen.json:
        return screen.value(job)
    fields: dict[str, object] = dict(job)
    for field, value in {**{name: fields[name] for name in _FIRST}, **fields}.items():
        if field != "history" and value != _UNSAID.get(field):
            print_field(field, value, screen)
    if job["history"]:
        screen.line()
        screen.table(_ATTEMPT_COLUMNS, job["history"])
        if job["state"] in ("failed", "dead") and job["history"][-1]["output_bytes"]:
            screen.note(f"for its output, run `queuectl logs {job['id']}`")


def print_field(name: str, value: object, screen: Screen) -> None:
    """Print one field, unless its value is None."""
    if value is not None:
        screen.line(f"{name:13} {visible(shown(value))}")


def editable(job: JobRecord) -> dict[str, object]:
    """Return the fields of a job that can be changed, with None for those that have no value."""
    from ..model.job_spec import BASIC, FIXED_FIELDS, OPTIONS, PASSING_OPTIONS

    names = (name for name in (*BASIC, *OPTIONS) if name not in FIXED_FIELDS and name not in PASSING_OPTIONS)
    fields: dict[str, object] = {name: job.get(name) for name in names}
    if job["state"] != "dead":
        fields["at"] = job["next_run_at"]
    return fields


def _took(attempt: AttemptRecord) -> str | None:
    return None if attempt["duration_ms"] is None else format_span(attempt["duration_ms"])


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
    "ATTEMPT": "attempt",
    "WORKER": "worker",
    "STARTED": "started_at",
    "TOOK": _took,
    "CPU, MEMORY": _used,
    "OUTCOME": _outcome,
    "OUTPUT": _printed,
    "REASON": "reason",
}
