"""Orphan tracker: runs that go on without their supervisor (adopted), and those whose worker is gone (lost), until all
is over.

    adopted ──its worker ends, or has left word──► lost ──harvested, or what lives of it ended──► the engine is told

Knows when to look; what is found of a run, and what follows, is `orphans`'s affair. The trap: what a worker has left
may be forgotten only after the events it led to have been synced, and when no other run of that worker is open.
"""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable

from ..home import Home
from ..model import commands
from ..model.job import Job
from ..service import orphans
from ..service.orphans import OpenRun
from ..table.job_table import JobTable


class Strays:
    def __init__(
        self,
        home: Home,
        table: JobTable,
        selector: selectors.BaseSelector,
        spared: Callable[[], frozenset[int]],
    ) -> None:
        """`spared` are children of this process that have nothing to do with lost runs: its workers, and those that
        it had before.
        """
        self._home = home
        self._table = table
        self._selector = selector
        self._spared = spared
        self.adopted: dict[str, OpenRun] = {}
        self.lost: dict[str, OpenRun] = {}
        self._harvested: list[str] = []
        self._to_end: set[str] = set()
        """Jobs whose adopted worker is to be told to end the run."""
        self._looks_at_adopted = False
        self._polls_adopted = False

    def find(self) -> list[OpenRun]:
        """Takes over every run that is open in the table; returns those that are still under way."""
        for run in orphans.find(self._table):
            if orphans.is_under_way(self._home, run):
                self.adopted[run.job_id] = run
                self._watch(run.instance)
            else:
                self.lost[run.job_id] = run
        return list(self.adopted.values())

    def lose(self, job: Job) -> None:
        """The worker of this job's run has died."""
        self.lost[job.id] = orphans.open_run(job)

    def harvest(self, instance: str) -> None:
        """What this dead worker has left is of no use once everything is synced."""
        self._harvested.append(instance)

    def look(self) -> list[commands.Command]:
        """What is to be decided of runs that are over now."""
        if self._looks_at_adopted or self._polls_adopted:
            self._look_after_adopted()
        decided = []
        for job_id, run in list(self.lost.items()):
            command = orphans.conclude(self._home, self._table.existing(job_id), self._spared())
            if command is not None:
                del self.lost[job_id]
                decided.append(command)
                self._harvested.append(run.instance)
        return decided

    def must_look_again(self) -> bool:
        """Whether nothing will wake the loop for what there is still to see."""
        return bool(self.lost or self._looks_at_adopted or (self.adopted and self._polls_adopted))

    def has_harvested(self) -> bool:
        return bool(self._harvested)

    def forget_harvested(self) -> None:
        """All that they led to is synced."""
        for instance in set(self._harvested) - self.instances():
            if not orphans.is_alive(self._home, instance):
                orphans.forget(self._home, instance)
        self._harvested.clear()

    def instances(self) -> set[str]:
        """The workers of which a run is open."""
        return {run.instance for run in (*self.adopted.values(), *self.lost.values())}

    def workers(self) -> int:
        """How many workers of an earlier supervisor are still at work."""
        return len({run.instance for run in self.adopted.values()})

    def places(self) -> int:
        """How many places their runs take beyond those of these workers."""
        return sum(run.slots - 1 for run in self.adopted.values())

    def living_pids(self) -> list[int]:
        """Of adopted workers that live, for the pid that a dead one has written may be anybody's by now."""
        living = {run.instance for run in self.adopted.values() if orphans.is_alive(self._home, run.instance)}
        return [pid for pid in (orphans.pid_of(self._home, instance) for instance in living) if pid]

    def end_all(self) -> None:
        """Adopted workers end their runs and give the jobs back."""
        for job_id in self.adopted:
            self.end(job_id)

    def end(self, job_id: str) -> None:
        """The adopted worker that runs this job, if one does, ends the run once it has left word: before, it does not
        know yet that its supervisor is gone, and takes no order from another.
        """
        if job_id in self.adopted:
            self._to_end.add(job_id)
            self._looks_at_adopted = True

    def _watch(self, instance: str) -> None:
        """Waits for the worker's end without polling, where the system can."""
        self._looks_at_adopted = True  # it may end before it is held: look once
        try:
            held = os.pidfd_open(orphans.pid_of(self._home, instance))
        except (AttributeError, OSError):
            self._polls_adopted = True
            return
        self._selector.register(held, selectors.EVENT_READ, lambda mask: self._end_watch(held))

    def _end_watch(self, held: int) -> None:
        self._selector.unregister(held)
        os.close(held)
        self._looks_at_adopted = True

    def _look_after_adopted(self) -> None:
        """Until the worker has noticed that its supervisor is gone, what it says of its other runs is still to
        come.
        """
        self._looks_at_adopted = False
        for job_id, run in list(self.adopted.items()):
            if not orphans.is_under_way(self._home, run):
                self.lost[job_id] = self.adopted.pop(job_id)
            elif not orphans.has_left_word(self._home, run.instance):
                self._looks_at_adopted = True
            elif job_id in self._to_end:
                self._to_end.discard(job_id)
                orphans.kill_run(self._home, run)
