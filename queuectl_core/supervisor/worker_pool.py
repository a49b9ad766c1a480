"""Worker pool: the workers of one supervisor, the runs they get, and the results that come back.

A worker whose runs are very short holds several, so that it never waits for the supervisor.
If one of them takes long, the worker hands back the runs behind it.
Knows the ledger and the workers. Does not know clients.

Invariant: a run reaches a worker only after the event that started it was written.
"""

from __future__ import annotations

import math
import selectors
import time
from collections.abc import Callable, Sequence
from signal import SIGCONT, SIGSTOP
from typing import Any

from .. import timestamps
from ..errors import QueueError, in_words
from ..model import commands, events
from ..model.job import Job
from ..service import orphans
from ..service.ledger import Ledger
from ..service.orphans import OpenRun
from ..system.clock import JumpWatch
from ..worker import messages
from ..worker.messages import Kill, Run, Signal
from ..worker.worker import MAX_PREFETCH, Conditions
from .log import log
from .orphan_tracker import OrphanTracker
from .room import Room
from .worker_handle import WorkerHandle

ROOM_CHECK_S = 1.0
"""Seconds between two checks whether a full disk has room again."""

EARLY_S = 5.0
"""Age in seconds below which the death of a worker without a finished run delays the next start."""

MAX_START_DELAY_S = 30.0

_ORDERING = frozenset((events.CancelRequested, events.Suspended, events.Continued))
"""The events that make an order for a worker."""


class Pool:
    """The workers of one supervisor."""

    def __init__(
        self,
        conditions: Conditions,
        ledger: Ledger,
        tracker: OrphanTracker,
        clock: JumpWatch,
        selector: selectors.BaseSelector,
    ) -> None:
        """Begin with no workers."""
        self._conditions = conditions
        self._ledger = ledger
        self._tracker = tracker
        self._clock = clock
        self._selector = selector
        self.workers: dict[str, WorkerHandle] = {}
        self.draining: dict[WorkerHandle, None] = {}
        """The workers that get no more runs."""
        self._room = Room()
        self.wanted = 0
        """How many workers to have, including adopted ones."""
        self._early_deaths = 0
        self._start_at_s = 0.0
        self._to_send: dict[WorkerHandle, list[Run]] = {}
        self._held_until_s = 0.0
        self.found_none_at_ms = 0
        """The time of the last decision that found no job. Jobs due by then wait for something else."""

    def pids(self) -> frozenset[int]:
        """Return the PIDs of all workers."""
        return frozenset(worker.pid for worker in self.workers.values())

    def busy(self) -> list[WorkerHandle]:
        """Return the workers that have runs."""
        return [worker for worker in self.workers.values() if worker.runs]

    def _count(self) -> int:
        """Return how many workers there are, with adopted ones, but without those that are draining."""
        return len(self.workers) - len(self.draining) + self._tracker.count_workers()

    # Starts and ends of workers

    def next_start_s(self) -> float:
        """Return when a worker can start, or infinity if there are enough."""
        return self._start_at_s if self._count() < self.wanted else math.inf

    def fill_up(self) -> None:
        """Start workers until there are enough.

        If two workers in a row die early or cannot start, the next start waits.
        """
        while time.monotonic() >= self.next_start_s():
            try:
                self._start_one()
            except (OSError, QueueError) as fault:
                delay_s = self._note_death(0.0, 0)
                log(f"cannot start a worker ({in_words(fault)}); retrying in {delay_s:g} s")

    def _start_one(self) -> None:
        taken = {worker.slot for worker in self.workers.values()}
        slot = next(n for n in range(1, len(taken) + 2) if n not in taken)
        self.add(WorkerHandle(slot, self._conditions))

    def add(self, worker: WorkerHandle) -> None:
        """Add a worker that has just started."""
        self.workers[worker.instance] = worker
        self._room.note(worker)
        self._tracker.own_children.add(worker.pid)
        reader = worker.results._reader
        self._selector.register(reader, selectors.EVENT_READ, lambda mask: self._take_messages(worker))

    def _note_death(self, age_s: float, finished_runs: int) -> float:
        """Note that a worker has died or failed to start, and return the delay of the next start in seconds."""
        self._early_deaths = self._early_deaths + 1 if age_s < EARLY_S and not finished_runs else 0
        delay_s = min(MAX_START_DELAY_S, 0.25 * 2**self._early_deaths) if self._early_deaths > 1 else 0.0
        self._start_at_s = time.monotonic() + delay_s
        return delay_s

    def scale(self, wanted: int) -> None:
        """Start workers, or drain them, idle ones first."""
        self.wanted = wanted
        self.fill_up()
        staying = [worker for worker in self.workers.values() if not worker.draining]
        staying.sort(key=lambda worker: (not worker.runs, worker.slot))
        for worker in staying[max(0, wanted - self._tracker.count_workers()) :]:
            self._drain(worker)

    def drain(self) -> None:
        """Drain all workers.

        Raises: SupervisorFailed.
        """
        for worker in self.workers.values():
            self._drain(worker)

    def _drain(self, worker: WorkerHandle) -> None:
        worker.drain()
        self.draining[worker] = None
        self._room.note(worker)

    def _reap(self, worker: WorkerHandle) -> None:
        """Clean up after a worker that has ended, as ordered or not."""
        self._selector.unregister(worker.results._reader)
        worker.reap()
        del self.workers[worker.instance]
        self.draining.pop(worker, None)
        self._room.forget(worker)
        self._tracker.own_children.discard(worker.pid)
        for run in worker.runs[1:]:
            self._settle(run.not_begun(messages.WORKER_DIED))
        for run in worker.runs[:1]:
            log(f"worker {worker.instance} (pid {worker.pid}) died while running {run.job_id}")
            self._tracker.add_lost(self._ledger.table.existing(run.job_id))
        if not worker.runs:
            self._tracker.release_files(worker.instance)
        if not worker.draining:
            self._note_death(time.monotonic() - worker.born_s, worker.finished)

    def worker_records(self) -> list[dict[str, object]]:
        """Return a `WorkerRecord` for each adopted run, each lost run, and each worker."""
        records = []
        for state, runs in (("adopted", self._tracker.adopted), ("lost", self._tracker.lost)):
            for run in runs.values():
                pid = orphans.pid_of(self._conditions.home, run.instance)
                records.append(_record(run.instance, pid, state, run, run.since_ms))
        for worker in sorted(self.workers.values(), key=lambda worker: worker.slot):
            current = worker.runs[0] if worker.runs else None
            state = "idle" if current is None else "busy"
            if worker.draining:
                state = "draining"
            records.append(_record(worker.instance, worker.pid, state, current, worker.since_ms))
        return records

    # Runs

    def prefetched(self) -> set[str]:
        """Return the IDs of the jobs whose runs wait in workers behind their current ones: they do not run yet."""
        return {run.job_id for worker in self.busy() for run in worker.runs[1:]}

    def slots(self) -> dict[str, int]:
        """Return how many places all workers have, and how many of them runs take, as `overview_records.Slots`."""
        total = self._count()
        return {"total": total, "used": max(0, total - max(0, self._free_slots()))}

    def is_saturated(self) -> bool:
        """Return whether every worker has enough runs waiting for a moment without the supervisor."""
        enough = MAX_PREFETCH * 3 // 4
        return bool(self.workers) and all(len(worker.runs) >= enough for worker in self.workers.values())

    def _free_slots(self) -> int:
        """Return how many places are free. Adopted runs keep the places that they took."""
        return self._room.free_slots() - self._tracker.extra_slots()

    def next_dispatch_s(self) -> float:
        """Return when a run may begin, or when to check a full disk again."""
        now_s = time.monotonic()
        if self._ledger.is_short or now_s < self._held_until_s:
            return now_s + ROOM_CHECK_S
        now_ms = self._clock.now_ms()
        due_ms = self._ledger.engine.next_due_ms(now_ms) if self._free_slots() > 0 else None
        if due_ms is None or due_ms <= self.found_none_at_ms:
            return math.inf
        return now_s + (due_ms - now_ms) / 1000

    def dispatch(self) -> None:
        """Decide on the next runs of the workers that have room. `send` hands them over.

        On a full disk nothing begins, because the ends of runs could not be recorded.
        """
        if time.monotonic() < self._held_until_s or not self._ledger.has_room():
            return
        free, workers, now_ms = self._free_slots(), self._count(), self._clock.now_ms()
        for held, waiting in enumerate(self._room.holding):
            while waiting and (held or free > 0):
                worker = next(reversed(waiting))
                run = self._begin(worker, commands.Dispatch(worker.instance, 1 if held else free, workers), now_ms)
                if run is None:
                    self.found_none_at_ms = now_ms
                    return
                free -= 0 if held else run.slots

    def _begin(self, worker: WorkerHandle, dispatch: commands.Dispatch, now_ms: int) -> Run | None:
        """Decide on the next run of a worker, and return it, or None if no job can run."""
        job: Job | None = self._ledger.decide(dispatch, now_ms)
        if job is None:
            return None
        run = self._run_of(job)
        worker.assign(run)
        self._room.note(worker)
        self._to_send.setdefault(worker, []).append(run)
        return run

    def _run_of(self, job: Job) -> Run:
        settings = self._ledger.engine.settings
        max_output, grace_s = settings.usable("max-output"), float(settings.usable("grace"))
        given = job.options.items()
        options: Any = {name: value for name, value in given if name in messages.EXECUTION}
        grace_s = job.options.get("grace", grace_s)
        run = job.running()
        if "slot" in run:
            options["slot"] = run["slot"]
        return Run(job.id, run["run"], job.attempts, job.command, job.cwd, max_output, grace_s, options or None)

    def send(self) -> None:
        """Hand the runs of `dispatch` to the workers. Call this after the decisions are written.

        Raises: SupervisorFailed.
        """
        to_send, self._to_send = self._to_send, {}
        for worker, runs in to_send.items():
            if not worker.put([tuple(run) for run in runs]):
                for run in runs:
                    worker.drop(run.run)
                    self._room.note(worker)
                    self._settle(run.not_begun(messages.WORKER_DIED))

    def _take_messages(self, worker: WorkerHandle) -> None:
        """Take all messages of a worker that have arrived, the last of which can be its end.

        Raises: SupervisorFailed.
        """
        while worker.has_message():
            message = worker.take_message()
            if message is None:
                self._reap(worker)
                return
            self._room.note(worker)
            if isinstance(message, commands.Locate):
                self._ledger.decide(message, self._clock.now_ms())
            else:
                self._settle(message)

    def _settle(self, result: messages.Result) -> None:
        """Decide on a result. If the worker found the disk full, begin nothing for a while.

        A check of the disk by this process may say otherwise.
        """
        if result.full:
            self._ledger.note_full_disk()
            self._held_until_s = time.monotonic() + ROOM_CHECK_S
        self._ledger.decide(result.to_command(), self._clock.now_ms())

    def on_events(self, happened: Sequence[events.Event]) -> None:
        """End, stop, or continue runs as the events say.

        Raises: SupervisorFailed.
        """
        if _ORDERING.isdisjoint(map(type, happened)):
            return
        for event in happened:
            if isinstance(event, events.CancelRequested):
                if not self._order(event.id, Kill, "canceled", event.signal):
                    self._tracker.end_run(event.id)
            elif isinstance(event, events.Suspended):
                if not self._order(event.id, Signal, SIGSTOP):  # its worker takes no orders
                    command = commands.Continue([event.id], skip_ineligible=True)
                    self._ledger.decide(command, self._clock.now_ms())
            elif isinstance(event, events.Continued):
                self._order(event.id, Signal, SIGCONT)

    def _order(self, job_id: str, kind: Callable[..., Kill | Signal], *fields: object) -> bool:
        """Give the run of this job an order. Return False if no worker here has it."""
        for worker in self.busy():
            for run in worker.runs:
                if run.job_id == job_id:
                    worker.put(kind(run.run, *fields))
                    return True
        return False


def _record(
    instance: str, pid: int, state: str, run: Run | OpenRun | None, since_ms: int
) -> dict[str, object]:
    record: dict[str, object] = {"worker": instance, "pid": pid, "state": state}
    if run is None:
        return {**record, "job": None, "attempt": None, "since": None}
    return {**record, "job": run.job_id, "attempt": run.attempt, "since": timestamps.utc(since_ms)}
