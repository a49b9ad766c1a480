"""Orphan tracker: runs without their supervisor (adopted) or without their worker (lost).

    adopted ──its worker ends or reports──► lost ──result read, or processes ended──► engine

Knows when to check. Does not know how to find out about a run; `orphans` does.

Invariant: the files of a worker stay until their events are synced and no other run of that worker is open.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from selectors import EVENT_READ, BaseSelector

from ..home import Home
from ..model import commands
from ..model.job import Job
from ..service import orphans
from ..service.orphans import OpenRun
from ..system import process_tree
from ..table.job_table import JobTable
from .log import log

Decide = Callable[[commands.Command], object]

CHECK_S = 0.1
"""Seconds between two checks.

No signal reports the end of a lost run's processes, or of an adopted worker without a pidfd.
"""


class OrphanTracker:
    """The adopted and lost runs of one supervisor."""

    def __init__(self, home: Home, table: JobTable, decide: Decide, selector: BaseSelector) -> None:
        """Begin with no runs. This process has no workers yet."""
        self._home = home
        self._table = table
        self._decide = decide
        self._selector = selector
        self.own_children = set(process_tree.orphans())
        """The children of this process that do not belong to lost runs: others that it had before, and its workers."""
        self.adopted: dict[str, OpenRun] = {}
        self.lost: dict[str, OpenRun] = {}
        self._removable: set[str] = set()
        self._to_end: set[str] = set()
        """Jobs whose adopted worker must be told to end the run."""
        self._must_check_adopted = False
        self._polls_adopted = False
        """Whether the system cannot report the end of an adopted worker."""

    def adopt_all(self) -> None:
        """Take over every open run in the table."""
        for run in orphans.find(self._table):
            if orphans.is_under_way(self._home, run):
                log(f"adopted {run.job_id}, still running on worker {run.instance}")
                self.adopted[run.job_id] = run
                self._watch(run.instance)
                if self._table.existing(run.job_id).cancel is not None:
                    self.end_run(run.job_id)
                # A worker continues a suspended run when it notices that its supervisor is gone.
                self._decide(commands.Continue([run.job_id], skip_ineligible=True))
            else:
                self.lost[run.job_id] = run

    def add_lost(self, job: Job) -> None:
        """Note that the worker of this job's run has died."""
        self.lost[job.id] = orphans.open_run(job)

    def release_files(self, instance: str) -> None:
        """Note that the files of this dead worker can be removed after the next sync."""
        self._removable.add(instance)

    def next_deadline(self) -> float:
        """Return when to check again for something that will not wake the loop, or infinity."""
        must_check = self.lost or (self.adopted and self._must_check_adopted)
        return time.monotonic() + CHECK_S if must_check else math.inf

    def run_due(self) -> None:
        """Decide on the runs that have ended since the last call."""
        if self._must_check_adopted:
            self._check_adopted()
        for job_id, run in list(self.lost.items()):
            job = self._table.existing(job_id)
            command = orphans.conclude(self._home, job, self._find_children)
            if command is not None:
                del self.lost[job_id]
                self.release_files(run.instance)
                self._decide(command)
                damage = orphans.damage_message(command)
                if damage is not None:
                    log(damage)

    def _find_children(self) -> list[int]:
        return process_tree.orphans(self.own_children)

    def has_files_to_remove(self) -> bool:
        """Return whether files of dead workers wait for the next sync."""
        return bool(self._removable)

    def remove_files(self) -> None:
        """Remove the files released by `release_files`. Call this only after everything is synced."""
        for instance in self._removable - self.instances():
            if not orphans.is_alive(self._home, instance):
                orphans.forget(self._home, instance)
        self._removable.clear()

    def instances(self) -> set[str]:
        """Return the workers that have an open run here."""
        return {run.instance for run in (*self.adopted.values(), *self.lost.values())}

    def count_workers(self) -> int:
        """Return how many workers of an earlier supervisor still work."""
        return len({run.instance for run in self.adopted.values()}) if self.adopted else 0

    def extra_slots(self) -> int:
        """Return how many places adopted runs take, in addition to one for each worker."""
        return sum(run.slots - 1 for run in self.adopted.values()) if self.adopted else 0

    def living_pids(self) -> list[int]:
        """Return the PIDs of adopted workers that are alive.

        The PID that a dead worker has written may belong to another process by now.
        """
        instances = {run.instance for run in self.adopted.values()}
        pids = [orphans.pid_of(self._home, one) for one in instances if orphans.is_alive(self._home, one)]
        return [pid for pid in pids if pid]

    def end_run(self, job_id: str) -> None:
        """Tell the adopted worker of this job, if there is one, to end the run.

        The order waits until the worker has left its results.
        Before that, the worker does not know that its supervisor is gone, and takes no order from another one.
        """
        if job_id in self.adopted:
            self._to_end.add(job_id)
            self._must_check_adopted = True

    def _watch(self, instance: str) -> None:
        """Watch for the end of a worker, without polling if the system can."""
        self._must_check_adopted = True  # it may end before the watch begins, so check once
        try:
            held = os.pidfd_open(orphans.pid_of(self._home, instance))
        except (AttributeError, OSError):
            self._polls_adopted = True
            return
        self._selector.register(held, EVENT_READ, lambda mask: self._end_watch(held))

    def _end_watch(self, held: int) -> None:
        self._selector.unregister(held)
        os.close(held)
        self._must_check_adopted = True

    def _check_adopted(self) -> None:
        """Move the adopted runs that have ended to the lost ones, and end those that must end.

        Check again until each worker has noticed that its supervisor is gone. Only then does it
        report its other runs.
        """
        self._must_check_adopted = self._polls_adopted
        for job_id, run in list(self.adopted.items()):
            if not orphans.is_under_way(self._home, run):
                self.lost[job_id] = self.adopted.pop(job_id)
            elif not orphans.has_reported(self._home, run.instance):
                self._must_check_adopted = True
            elif job_id in self._to_end:
                self._to_end.discard(job_id)
                orphans.kill_run(self._home, run)
