"""Job notes: what matters most about a job in its state, in a few words.

Pure.

Warning: texts of jobs come from users. The painter makes them safe.
"""

from __future__ import annotations

from ..timestamps import format_age, from_utc

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ..model.records import JobRecord


def reason_of(job: JobRecord) -> str | None:
    """Return why a job failed, the exit code first, so that a narrow table shows it."""
    reason = job["reason"]
    what, sign, code = (reason or "").partition(" (exit code ")
    return f"exit code {code.rstrip(')')} ({what})" if sign else reason


def note_at(job: JobRecord, now_ms: int) -> str:
    """Return the most useful fact about a job in its state at a time in ms."""
    due_at, reason = job["next_run_at"], reason_of(job)
    if job["state"] == "failed" and due_at is not None:
        wait_ms = from_utc(due_at) - now_ms
        return f"{reason}; retry in {format_age(wait_ms)}" if wait_ms > 0 else f"{reason}; retry due"
    if job["state"] == "processing":
        return f"{'suspended ' if job.get('suspended') else ''}on {job['worker']}"
    if job["state"] == "pending" and job.get("waits_for"):
        return f"after {', '.join(_blockers(job))}"
    if job["state"] == "pending" and due_at is not None:
        return f"at {due_at}"
    return reason or "-"


def _blockers(job: JobRecord) -> list[str]:
    """Return what a job waits for: jobs, and batches of which a job is in the way."""
    ids = [id for id in job["waits_for"] if "after_batch" not in job or id in job.get("after", ())]
    return ids + [f"batch {batch}" for batch in job.get("after_batch", ()) if len(ids) < len(job["waits_for"])]
