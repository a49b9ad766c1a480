"""Batch pace: how fast the jobs of a batch finish, and when the rest is done, as text for people.

It does not know any command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..system.clock import now_ms
from ..timestamps import format_span, utc

if TYPE_CHECKING:
    from ..model.records import BatchRecord

_UNITS = (("a second", 1), ("a minute", 60), ("an hour", 3600), ("a day", 86_400))


def lines_of(batch: BatchRecord, held: str = "") -> list[str]:
    """Return the first start, the pace, and the end or the time left. `held` says why no job starts."""
    has_ended = batch["counts"]["completed"] or batch["counts"]["dead"]  # an imported job has no start here
    lines = [f"started     {batch['started_at'] or ('unknown' if has_ended else 'not yet')}"]
    if batch["ended_at"] is not None:
        lines.append(f"ended       {batch['ended_at']}")
    lines.append(f"pace        {_pace(batch['jobs_per_s'])}")
    left_s = batch["left_s"]
    if left_s is None:
        lines.append(f"time left   unknown: {_why_unknown(batch, held)}")
    elif left_s:
        left_ms = round(left_s * 1000)
        lines.append(f"time left   {format_span(left_ms)} (until {utc(now_ms() + left_ms)})")
    return lines


def _why_unknown(batch: BatchRecord, held: str) -> str:
    """Return why the time left is unknown, in a clause."""
    counts = batch["counts"]
    if counts["processing"]:
        return "no job has finished yet"
    if held or counts["pending"] or not counts["failed"]:
        return held or "no job runs now"
    return "1 job waits for a retry" if counts["failed"] == 1 else f"{counts['failed']} jobs wait for a retry"


def _pace(jobs_per_s: float | None) -> str:
    """Return the pace in the shortest unit in which it is at least 1."""
    if jobs_per_s is None:
        return "unknown"
    unit, seconds = next((unit for unit in _UNITS if jobs_per_s * unit[1] >= 1), _UNITS[-1])
    return f"{jobs_per_s * seconds:.3g} jobs {unit}"
