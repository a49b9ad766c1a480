"""`queuectl summary`: what ran lately, what failed, and which jobs took the most."""

from __future__ import annotations

from ...api import Queue
from ...model.job_summary import JobSummary, Totals
from ...timestamps import format_span, utc
from ..fast_args import Arguments
from ..filters import instant_ms
from ..screen import Screen

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...model.records import JobRecord

SUMMARY = """Sums up the jobs that ran since a time, by queue and name. Shows how many completed, died, or were retried,
and which took the most time, memory, and retries. Removed jobs don't count."""
EXAMPLES = ["queuectl summary", "queuectl summary --since 1d", "queuectl summary --since 18:30 --json"]
OPTIONS = (("--since", "WHEN", "2h (ago), 18:30 or 2026-12-24; default: 1d"),)
ONCE = ("--since",)

_COLUMNS = {
    "QUEUE": "queue",
    "NAME": "name",
    "JOBS": "jobs",
    "COMPLETED": "completed",
    "DEAD": "dead",
    "RETRIED": "retried",
    "ATTEMPTS": "attempts",
    "RUN": lambda totals: format_span(totals["run_ms"]),
    "CPU": lambda totals: format_span(totals["cpu_ms"]),
}
_TOPS: dict[str, tuple[str, Callable[[int], str]]] = {
    "duration_ms": ("longest attempts", format_span),
    "peak_bytes": ("most memory", lambda value: f"{value / 2**20:.0f} MiB"),
    "retries": ("most retries", str),
}


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the summary."""
    since = utc(instant_ms(args.since or "1d", "--since"))
    summary = JobSummary()
    for job in _jobs_since(queue, since):
        summary.add(job)
    groups = [{"queue": queue, "name": name or None, **vars(totals)} for (queue, name), totals in _sorted(summary)]
    total = vars(summary.total)
    if screen.json:
        tops = {what: [{"id": id, what: value} for id, value in summary.top(what)] for what in _TOPS}
        return screen.value({"since": since, "total": total, "groups": groups, "top": tops})
    if len(groups) != 1:
        groups.append({"queue": "all", "name": None, **total})
    screen.line(f"since {since}:")
    screen.table(_COLUMNS, groups)
    if summary.uncounted:
        screen.line(f"not in ATTEMPTS: {summary.uncounted} before a retry by hand, or that don't count")
    for what, (title, shown) in _TOPS.items():
        top = ", ".join(f"{id} {shown(value)}" for id, value in summary.top(what))
        if top:
            screen.line(f"{title}: {top}")


def _jobs_since(queue: Queue, since: str) -> Iterator[JobRecord]:
    """Yield the jobs with an attempt that runs, or that ended since that time."""
    for state in ("processing", "failed", "dead", "completed"):
        for job in queue.list(state):
            if state in ("dead", "completed") and job["updated_at"] < since:
                break  # these are listed newest first
            if any((attempt["ended_at"] or since) >= since for attempt in job["history"]):
                yield job


def _sorted(summary: JobSummary) -> list[tuple[tuple[str, str], Totals]]:
    return sorted(summary.groups.items(), key=lambda item: -item[1].jobs)
