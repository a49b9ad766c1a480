"""Job details: one job on the screen, with all its attempts.

It knows the record of a job, but no command.
"""

from __future__ import annotations

from ..timestamps import format_span
from .screen import Screen, shown, visible

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model.records import AttemptRecord, JobRecord

_FIRST = ("id", "state", "command", "cwd")
_UNSAID: dict[str, object] = {"history": [], "worker": None, "queue": "default", "priority": 0}
"""Values that `print_job` leaves out, because they are defaults or appear elsewhere."""


def print_job(job: JobRecord, screen: Screen) -> None:
    """Print the fields of a job, and a table of its attempts."""
    fields: Mapping[str, object] = job
    for field in (*_FIRST, *(name for name in fields if name not in _FIRST)):
        value = fields[field]
        if value is not None and field != "history" and value != _UNSAID.get(field):
            screen.line(f"{field:13} {visible(shown(value))}")
    if job["history"]:
        screen.line()
        head = ["ATTEMPT", "WORKER", "STARTED", "TOOK", "CPU, MEMORY", "OUTCOME", "OUTPUT", "REASON"]
        screen.table(head, [_attempt_row(attempt) for attempt in job["history"]])
        if job["state"] in ("failed", "dead") and job["history"][-1]["output_bytes"]:
            screen.note(f"for its output, run `queuectl logs {job['id']}`")


def _attempt_row(attempt: AttemptRecord) -> list[object]:
    took = None if attempt["duration_ms"] is None else format_span(attempt["duration_ms"])
    printed = None if attempt["output_bytes"] is None else f"{attempt['output_bytes']} B"
    cpu_ms, peak_bytes = attempt["cpu_ms"], attempt["peak_bytes"]
    used = "-" if cpu_ms is None or peak_bytes is None else f"{format_span(cpu_ms)}, {peak_bytes / 2**20:.1f} MiB"
    if attempt["dropped_bytes"]:
        printed = f"{printed} ({attempt['dropped_bytes']} dropped)"
    return [
        attempt["attempt"],
        attempt["worker"],
        attempt["started_at"],
        took,
        used,
        _outcome(attempt),
        printed,
        attempt["reason"],
    ]


def _outcome(attempt: AttemptRecord) -> str:
    if attempt["outcome"] is None:
        return "running"
    if attempt["outcome"] == "exit":
        return f"exit {attempt['exit_code']}"
    return f"signal {attempt['signal']}" if attempt["outcome"] == "signal" else str(attempt["outcome"])
