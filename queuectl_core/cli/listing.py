"""Listing: a page of jobs as a table, or all of them as JSON. What `list` and `dlq list` have in common."""

from __future__ import annotations

from collections.abc import Callable

from ..api import Queue
from ..clock import now_ms
from ..errors import InvalidInput
from ..timestamps import age, from_utc
from .render import Screen

TABLE_LIMIT = 100
"""So many jobs stand in a table, unless --limit says otherwise."""

Column = tuple[str, Callable[[dict[str, object]], object]]


def show(queue: Queue, state: str | None, limit: int | None, columns: list[Column], screen: Screen) -> int:
    """The jobs in `state` (None: all). `limit` None: the table's own; 0: all."""
    if screen.json:
        screen.values(queue.list(state, limit or 0))
        return 0
    limit = TABLE_LIMIT if limit is None else limit
    jobs = list(queue.list(state, limit and limit + 1))
    shown = jobs[:limit] if limit else jobs
    names = [name for name, _ in columns]
    colour_column = names.index("STATE") if "STATE" in names else None
    screen.table(names, [[value(job) for _, value in columns] for job in shown], colour_column)
    if len(shown) < len(jobs):
        screen.note(f"only the first {limit} are shown; --limit 0 shows all")
    return 0


def age_of(job: dict[str, object]) -> str:
    """How long the job has been as it is."""
    return age(now_ms() - from_utc(job["updated_at"]))


def note_of(job: dict[str, object]) -> str:
    """The most useful fact about a job in its state."""
    if job["state"] == "failed":
        wait_ms = from_utc(job["next_run_at"]) - now_ms()
        return f"{job['reason']}; again in {age(wait_ms)}" if wait_ms > 0 else f"{job['reason']}; due"
    if job["state"] == "processing":
        return f"on {job['worker']}"
    if job["state"] == "pending" and job.get("waits_for"):
        return f"after {', '.join(job['waits_for'])}"
    if job["state"] == "pending" and job["next_run_at"] is not None:
        return f"at {job['next_run_at']}"
    return str(job["reason"] or "-")


def limit_of(text: str) -> int:
    """What --limit says. Raises InvalidInput."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(what=f"--limit must be a whole number from 0 on, not {text[:40]!r}")
    return int(text)
