"""Reasons: the texts that say why a job died without another run, and the cause that a reason tells.

Pure. Knows no Job.

Invariant: journals and stores have these texts, so a text that a version has written keeps its meaning.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from .records import Cause

CAUSES = ("failed", "canceled", "dependency_failed", "dependency_canceled")
"""Why a job is dead: its attempts failed, it was canceled, or this happened to a job that it waited for."""

FAILURES = ("failed", "dependency_failed")
"""The causes of jobs that nobody canceled."""

POSTPONED = ", which postpones it"
"""The last words of the reason of an attempt that does not count, because its exit code postpones the job."""

BY_HAND = "canceled by hand"
REPLACED = "replaced"
_CANCELED = ("canceled", REPLACED)
"""The first words of the reasons of canceled jobs."""

_AFTER = ", which it waited for, "


def replaced_by(id: str) -> str:
    """Return the reason of a job that another one replaces."""
    return f"{REPLACED} by job {id}"


def dependency_ended(id: str, reason: str | None) -> str:
    """Return the reason of a job that waited for this dead job. A `reason` of None means that it was removed."""
    how = "was removed"
    if reason is not None:
        how = "was canceled" if is_cancellation(reason) else "died"
    return f"job {id}{_AFTER}{how}"


def names(reason: str | None, id: str) -> bool:
    """Return whether a job with this reason died because of this one."""
    return (reason or "").startswith(f"job {id}{_AFTER}")


def cause_of(reason: str | None) -> Cause:
    """Return why a job with this reason is dead: one of CAUSES."""
    text = reason or ""
    if text.startswith(_CANCELED):
        return "canceled"
    if not (text.startswith("job ") and _AFTER in text):
        return "failed"
    return "dependency_failed" if text.endswith("died") else "dependency_canceled"


def is_cancellation(reason: str | None) -> bool:
    """Return whether a user ended the job, or a job that it waited for."""
    return cause_of(reason) not in FAILURES


def shortage_message(home_path: str, lack: str) -> str:
    """Return a sentence for people that says what the lack means for the home on this disk."""
    what = "has no free inodes" if lack == "inodes" else "is full"
    return f"the disk that holds {home_path} {what}: no job starts until there is room"
