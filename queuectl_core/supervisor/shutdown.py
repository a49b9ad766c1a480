"""Shutdown: the stop of a supervisor, from the first request to the end of its workers.

    RUN ──SIGTERM, stop──► FINISH_JOBS ──a second one, or stop --now──► END_JOBS
    any ──restart──► LEAVE_JOBS, for the next supervisor

Knows whom to tell and whom to kill. Does not know the loop.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from enum import IntEnum

from ..model.settings import Settings
from ..worker.messages import STOPPED_BY_HAND, Kill
from .log import log
from .orphan_tracker import OrphanTracker
from .worker_handle import KILL_WITHIN_S
from .worker_pool import Pool


class StopLevel(IntEnum):
    """What a supervisor does to its jobs before it ends. A higher level replaces a lower one."""

    RUN = 0
    FINISH_JOBS = 1
    END_JOBS = 2
    LEAVE_JOBS = 3


class Shutdown:
    """The stop of one supervisor."""

    def __init__(self, pool: Pool, orphans: OrphanTracker, settings: Settings) -> None:
        """Begin at `RUN`."""
        self._pool = pool
        self._orphans = orphans
        self._settings = settings
        self._asked = self.level = StopLevel.RUN
        self._culprit: str | None = None
        self._kill_at_s = math.inf

    def ask(self, level: StopLevel, culprit: str | None = None) -> None:
        """Ask for a level, which the next `run_due` reaches.

        `culprit` is the job that asks. Its attempt counts, or it would stop every new supervisor.
        """
        self._asked = max(self._asked, level)
        self._culprit = culprit or self._culprit

    def ask_by_signal(self) -> None:
        """Ask for the next level, up to `END_JOBS`."""
        self.ask(StopLevel.END_JOBS if self._asked else StopLevel.FINISH_JOBS)

    def is_complete(self, is_home_gone: bool) -> bool:
        """Return whether the supervisor can end.

        It does not wait for adopted runs of a home that is gone, because nobody can find out whether they live.
        """
        if self.level == StopLevel.LEAVE_JOBS:
            return True
        if self.level == StopLevel.RUN or self._pool.workers:
            return False
        return is_home_gone or not self._orphans.adopted

    def next_deadline(self) -> float:
        """Return when to kill a worker, or infinity."""
        return min([self._kill_at_s, *(worker.kill_at_s for worker in self._pool.draining)])

    def run_due(self) -> None:
        """Reach the level that was asked for, and kill the workers that do not end in time."""
        if self._asked > self.level:
            before, self.level = self.level, self._asked
            if self.level == StopLevel.LEAVE_JOBS:
                log("leaving; workers finish their jobs, and the next supervisor takes the results")
                return
            if before == StopLevel.RUN:
                self._finish_jobs()
            if self.level == StopLevel.END_JOBS:
                self._end_jobs()
        self._kill_overdue()

    def _finish_jobs(self) -> None:
        log("stopping; running jobs may finish", "STOPPING=1")
        self._pool.drain()

    def _end_jobs(self) -> None:
        log("stopping now; running jobs are ended and become pending")
        for worker in self._pool.busy():
            for run in reversed(worker.runs):
                worker.put(Kill(run.run, None if run.job_id == self._culprit else STOPPED_BY_HAND))
        for job_id in self._orphans.adopted:
            self._orphans.end_run(job_id)
        self._kill_at_s = time.monotonic() + float(self._settings.usable("grace")) + KILL_WITHIN_S

    def _kill_overdue(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._kill_at_s:
            self._kill_at_s = math.inf
            for pid in [*(worker.pid for worker in self._pool.busy()), *self._orphans.living_pids()]:
                _kill_worker(pid, "does not end its run")
        for worker in self._pool.draining:
            if now_s >= worker.kill_at_s:
                worker.kill_at_s = math.inf
                _kill_worker(worker.pid, "is idle but does not end")


def _kill_worker(pid: int, why: str) -> None:
    log(f"killing the worker with pid {pid}, which {why}")
    with contextlib.suppress(ProcessLookupError):  # it ended just now
        os.kill(pid, signal.SIGKILL)
