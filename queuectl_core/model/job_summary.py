"""Job summaries: what ran, failed, and was retried, and which jobs took the most, from records of jobs.

Pure. It reads each record once and keeps only totals and the jobs at the top.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from .states import COMPLETED, DEAD

if TYPE_CHECKING:
    from .records import AttemptRecord, JobRecord

TOP_JOBS = 5
"""The number of jobs at each top."""

TOPS = ("duration_ms", "peak_bytes", "retries")
"""What the top jobs are compared by: the longest attempt, the most memory of one, the number of retries."""


class JobSummary:
    """The totals of the jobs that you add."""

    def __init__(self) -> None:
        self.total = Totals()
        self.groups: dict[tuple[str, str], Totals] = {}
        """The totals of each named queue and name of jobs; the name is empty for jobs without one."""
        self.uncounted = 0
        """The number of attempts that are not in the totals: a retry by hand counts from 0 again."""
        self._tops: dict[str, list[tuple[int, str]]] = {what: [] for what in TOPS}

    def add(self, job: JobRecord) -> None:
        """Add a job that has run at least once."""
        self.uncounted += max(0, len(job["history"]) - job["attempts"])
        group = self.groups.setdefault((job["queue"], job.get("name", "")), Totals())
        for totals in (self.total, group):
            totals.add(job)
        for what, top in self._tops.items():
            value = _greatest(job, what)
            if value:
                heapq.heappush(top, (value, job["id"]))
                if len(top) > TOP_JOBS:
                    heapq.heappop(top)

    def top(self, what: str) -> list[tuple[str, int]]:
        """Return the ID and the value of each job at the top, the greatest value first."""
        return [(id, value) for value, id in sorted(self._tops[what], reverse=True)]


class Totals:
    """The numbers of jobs and attempts. Times are in milliseconds."""

    def __init__(self) -> None:
        self.jobs = self.completed = self.dead = self.retried = self.attempts = 0
        self.run_ms = self.cpu_ms = 0

    def add(self, job: JobRecord) -> None:
        """Add one job to the totals."""
        self.jobs += 1
        self.completed += job["state"] == COMPLETED
        self.dead += job["state"] == DEAD
        self.retried += job["attempts"] > 1
        self.attempts += job["attempts"]
        self.run_ms += sum(attempt["duration_ms"] or 0 for attempt in job["history"])
        self.cpu_ms += sum(attempt["cpu_ms"] or 0 for attempt in job["history"])


def _greatest(job: JobRecord, what: str) -> int:
    if what == "retries":
        return max(0, job["attempts"] - 1)
    return max((_value(attempt, what) for attempt in job["history"]), default=0)


def _value(attempt: AttemptRecord, what: str) -> int:
    return (attempt["duration_ms"] if what == "duration_ms" else attempt["peak_bytes"]) or 0
