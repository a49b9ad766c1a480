"""Worker pool: the worker processes of one supervisor, from start to end.

Each worker has its own dispatch queue and result queue.
A process that is killed inside a shared queue keeps the queue's lock forever, because of a bug in CPython.
The queues of a dead worker end with it.
A worker whose runs are very short holds several, so that it never waits for the supervisor.
If one of them takes long, the worker hands back the runs behind it.
Knows only the IDs of current runs. Does not know jobs or storage.

Warning: a forked child shares every open descriptor, and `worker.main` closes them.
Invariant: no worker needs anything that must end with the supervisor.
"""

from __future__ import annotations

import errno
import fcntl
import math
import multiprocessing
import os
import select
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import SupervisorFailed, in_words
from ..home import Home
from ..system import descriptors, file_io, lockfile
from ..system.clock import now_ms
from ..timestamps import utc
from ..worker import messages, worker

if TYPE_CHECKING:
    from multiprocessing.context import ForkContext, SpawnContext
    from typing import Any

_START_METHOD = "fork" if sys.platform.startswith("linux") else "spawn"
"""How worker processes start.

A fork takes 2 ms and needs no helper process. It is safe because the supervisor has one thread.
On macOS, system frameworks do not survive a fork.
"""

_LONG_MS = 1_000_000
_SHORT_MS = worker.PATIENCE_S * 1000 / 2
_NO_SEMAPHORES = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSYS, *file_io.FULL)
_MAX_WAITING_CHARACTERS = 64 * 1024
_QUEUE_BYTES = 1024 * 1024
_F_SETPIPE_SZ = 1031  # Linux; in the fcntl module from 3.10 on


EARLY_S = 5.0
"""Age in seconds below which the death of a worker without a finished run delays the next start."""

MAX_START_DELAY_S = 30.0


def _let_others_find_the_package() -> None:
    """Add the parent of the package to the end of `sys.path`, where a spawned worker looks for it."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parent = os.path.dirname(package)
    if parent not in sys.path:
        sys.path.append(parent)


def _widen(pipe: int) -> None:
    """Enlarge a pipe for the longest commands, so that a send does not wait for a stopped worker."""
    if sys.platform.startswith("linux"):
        try:
            fcntl.fcntl(pipe, _F_SETPIPE_SZ, _QUEUE_BYTES)
        except OSError:  # more than the limit of this user
            pass


class StartDelay:
    """The delay before the next worker starts. It is 0 until two workers in a row die early."""

    def __init__(self) -> None:
        self._deaths = 0
        self._over_s = 0.0

    def note_death(self, age_s: float, finished_runs: int) -> float:
        """Note that a worker has died or failed to start, and return the delay in seconds."""
        self._deaths = self._deaths + 1 if age_s < EARLY_S and not finished_runs else 0
        delay_s = min(MAX_START_DELAY_S, 0.25 * 2**self._deaths) if self._deaths > 1 else 0.0
        self._over_s = time.monotonic() + delay_s
        return delay_s

    def left_s(self) -> float:
        """Return the seconds that remain of the delay."""
        return max(0.0, self._over_s - time.monotonic())

    def is_over(self) -> bool:
        """Return whether the delay is over."""
        return time.monotonic() >= self._over_s


class Member:
    """One worker process.

    `runs` holds the current run, then those that wait in the worker. `characters` is their size.
    A `draining` worker gets no more runs.
    """

    def __init__(self, slot: int, instance: str) -> None:
        self.slot = slot
        self.instance = instance
        self.runs: list[messages.Run] = []
        self.characters = 0
        self.since_ms = 0
        self.last_run_ms = _LONG_MS
        self.draining = False
        self.finished = 0
        self._born_s = time.monotonic()
        self.process: multiprocessing.process.BaseProcess
        self.dispatch: messages.Channel
        self.results: messages.Channel
        self._arrived: select.poll

    def age_s(self) -> float:
        return time.monotonic() - self._born_s

    @property
    def pid(self) -> int:
        """Return the PID of the worker, which must have started."""
        pid = self.process.pid
        assert pid is not None  # the process has started
        return pid

    def close_queues(self) -> None:
        """Close the queues that exist. A worker that failed to start may have one or none."""
        for name in ("dispatch", "results"):
            if hasattr(self, name):
                getattr(self, name).close()

    def watch_results(self) -> None:
        """Prepare `has_message`, which then costs one system call.

        Call this when the result queue exists.
        """
        self._arrived = select.poll()
        self._arrived.register(self.results._reader.fileno(), select.POLLIN)

    def has_message(self) -> bool:
        """Return whether the worker has sent a message."""
        return bool(self._arrived.poll(0))

    def drop(self, number: int) -> None:
        """Remove a run from the worker's runs."""
        for n, run in enumerate(self.runs):
            if run.run == number:
                self.characters -= run.characters
                del self.runs[n]
                return

    def depth(self) -> int:
        """Return how many runs the worker may hold: one, or as many as fit into `PATIENCE_S`.

        If the waiting runs could fill the pipe of the queue, the answer is one, because a send must
        never block.
        """
        if self.last_run_ms > _SHORT_MS or self.characters > _MAX_WAITING_CHARACTERS:
            return 1
        return min(worker.AHEAD, int(worker.PATIENCE_S * 1000 / max(1, self.last_run_ms)))

    def record(self) -> dict[str, object]:
        """Return what `status` says about the worker."""
        run = self.runs[0] if self.runs else None
        return {
            "worker": self.instance,
            "pid": self.pid,
            "state": "draining" if self.draining else "busy" if run else "idle",
            "job": run.job_id if run else None,
            "attempt": run.attempt if run else None,
            "since": utc(self.since_ms) if run else None,
        }


def _context() -> ForkContext | SpawnContext:
    if _START_METHOD == "fork":
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def why_no_queues() -> str | None:
    """Return why no worker can start on this system, or None if workers can start.

    The queues of a worker need semaphores, which some systems refuse.
    """
    try:
        for queue in [_queue(_context())]:
            queue.close()
        return None
    except SupervisorFailed as fault:
        return str(fault.fields["why"])
    except OSError as fault:
        return in_words(fault)


def _queue(context: multiprocessing.context.BaseContext) -> messages.Channel:
    """Return a new queue. SupervisorFailed means that the system has no semaphores.

    Raises: SupervisorFailed, OSError.
    """
    try:
        channel: Any = context.SimpleQueue()
        queue: messages.Channel = channel
        return queue
    except (OSError, ImportError) as fault:
        if isinstance(fault, OSError) and fault.errno not in _NO_SEMAPHORES:
            raise
        why = f"multiprocessing queues need semaphores, which this system refuses ({in_words(fault)})"
        raise SupervisorFailed(why=f"{why}; on Linux, make /dev/shm writable and free some space there") from fault


def _check_death(fault: EOFError | OSError) -> None:
    """Return if an error of a queue shows that its worker has died.

    Otherwise the worker may live, and nobody knows what it has received. The next supervisor adopts it.

    Raises: SupervisorFailed.
    """
    if isinstance(fault, OSError) and fault.errno not in (None, errno.EPIPE):  # None: it died within a message
        raise SupervisorFailed(why=f"the queue of a worker failed ({in_words(fault)})") from fault


def _begin_process(process: multiprocessing.process.BaseProcess) -> None:
    """Start a process, and close the pipes that multiprocessing leaves open if that fails.

    Raises: OSError.
    """
    before = descriptors.open_ones()
    try:
        process.start()
    except OSError:
        descriptors.close_all(descriptors.open_ones() - before)
        raise


def _remove_file(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


class Pool:
    """The workers of one supervisor."""

    def __init__(self, home: Home, umask: int, max_files: int) -> None:
        """Begin with no workers.

        Commands run with `umask` and `max_files` (the soft RLIMIT_NOFILE). The supervisor may have others.
        """
        self._home = home
        self._umask = umask
        self._max_files = max_files
        self._context = _context()
        if _START_METHOD == "spawn":
            _let_others_find_the_package()
        self.members: dict[str, Member] = {}
        self.leaving: dict[str, float] = {}
        """Since when (`time.monotonic`) each member that must end has had no runs."""

    def start_one(self) -> Member:
        """Start a worker in the lowest free slot. A failure leaves nothing behind.

        OSError means that the system lacks a resource.

        Raises: OSError, SupervisorFailed.
        """
        taken = {member.slot for member in self.members.values()}
        slot = next(n for n in range(1, len(taken) + 2) if n not in taken)
        member = Member(slot, f"w{slot}-{os.urandom(3).hex()}")
        try:
            self._start(member)
        except BaseException:
            member.close_queues()
            _remove_file(self._home.worker_lock(member.instance))
            raise
        self.members[member.instance] = member
        return member

    def _start(self, member: Member) -> None:
        member.dispatch, member.results = _queue(self._context), _queue(self._context)
        # Taken before the fork and shared with the child, so that the worker never lives without it.
        lock = lockfile.acquire(self._home.worker_lock(member.instance)) if _START_METHOD == "fork" else None
        _widen(member.dispatch._writer.fileno())
        member.process = self._context.Process(
            target=worker.main,
            args=(
                member.instance,
                self._home.path,
                self._umask,
                self._max_files,
                lock,
                member.dispatch,
                member.results,
            ),
            name=f"queuectl worker {member.instance}",
        )
        try:
            _begin_process(member.process)
        finally:
            if lock is not None:
                os.close(lock)
        member.results._writer.close()  # so that a dead worker's queue ends and does not block
        member.dispatch._reader.close()
        member.watch_results()

    def with_room(self) -> Iterator[Member]:
        """Yield the workers that may get a run now, each as often as it has room.

        Idle workers come first, then those whose runs are so short that the next must be ready.
        """
        depths = [(member, member.depth()) for member in self.members.values() if not member.draining]
        for held in range(max((depth for _, depth in depths), default=0)):
            for member, depth in depths:
                if depth > held and len(member.runs) == held and (not held or member.depth() > held):
                    yield member

    def room(self) -> int:
        """Return how many workers are idle, minus those kept idle for runs that take several places."""
        idle = sum(not member.runs and not member.draining for member in self.members.values())
        return idle - sum(member.runs[0].slots - 1 for member in self.members.values() if member.runs)

    def is_flowing(self) -> bool:
        """Return whether every worker has enough runs waiting for a moment without the supervisor."""
        enough = worker.AHEAD * 3 // 4
        return bool(self.members) and all(len(member.runs) >= enough for member in self.members.values())

    def busy(self) -> list[Member]:
        return [member for member in self.members.values() if member.runs]

    def promise(self, member: Member, run: messages.Run) -> None:
        """Assign a run to a worker. `send` hands it over."""
        if not member.runs:
            member.since_ms = now_ms()
        member.runs.append(run)
        member.characters += run.characters

    def send(self, member: Member, given: list[messages.Run]) -> bool:
        """Hand over promised runs. Return False if the worker has just died and has not seen them.

        Raises: SupervisorFailed.
        """
        try:
            member.dispatch.put(messages.plain_runs(given))
        except OSError as fault:
            _check_death(fault)
            for run in given:
                member.drop(run.run)
            return False
        return True

    def take_message(self, member: Member) -> messages.Result | messages.OutputLocation | None:
        """Return the next message of a worker, or None if it has died and its queue is closed.

        Raises: SupervisorFailed.
        """
        try:
            message = member.results.get()
        except (EOFError, OSError) as fault:
            _check_death(fault)
            return None
        if type(message) is messages.OutputLocation:
            member.since_ms, member.last_run_ms = message.began_ms, _LONG_MS
            return message
        result = messages.revive(message)
        member.drop(result.run)
        member.finished += result.begun
        if member.draining and not member.runs:
            self.leaving[member.instance] = time.monotonic()
        if result.ending is not None:
            member.last_run_ms, member.since_ms = result.ending.duration_ms, result.ending.ended_ms
        return result

    def kill_runs(self, member: Member, reason: str, culprit: str | None) -> None:
        """End the current run of a worker, and take back the waiting ones.

        The results say `reason`, except for the job `culprit`, whose attempt counts.
        """
        for run in reversed(member.runs):
            self._tell(member, messages.Kill(run.job_id, None if run.job_id == culprit else reason))

    def kill_run_of(self, job_id: str, reason: str, number: int) -> bool:
        """End the run of this job with a signal. Return False if no worker here has it."""
        member, _ = self._holder_of(job_id)
        if member is not None:
            self._tell(member, messages.Kill(job_id, reason, number))
        return member is not None

    def signal_run_of(self, job_id: str, number: int) -> bool:
        """Stop or continue the run of this job with a signal. Return False if no worker here has it."""
        member, run = self._holder_of(job_id)
        if member is not None and run is not None:
            self._tell(member, messages.Signal(run.run, number))
        return member is not None

    def _holder_of(self, job_id: str) -> tuple[Member | None, messages.Run | None]:
        """Return the worker that runs this job or has it waiting, and the run."""
        for member in self.members.values():
            for run in member.runs:
                if run.job_id == job_id:
                    return member, run
        return None, None

    def drain(self, member: Member) -> None:
        """Tell a worker to end after its current run."""
        if not member.draining:
            member.draining = True
            if not member.runs:
                self.leaving[member.instance] = time.monotonic()
            self._tell(member, None)

    def _tell(self, member: Member, order: messages.Kill | messages.Signal | None) -> None:
        try:
            member.dispatch.put(order)
        except OSError as fault:  # it has just died; the end of its result queue reports that
            _check_death(fault)

    def staying(self) -> int:
        """Return how many workers there are, without those that are draining."""
        return sum(not member.draining for member in self.members.values())

    def shrink(self, count: int) -> None:
        """Drain workers until only `count` remain, idle ones first."""
        staying = sorted((m for m in self.members.values() if not m.draining), key=lambda m: (not m.runs, m.slot))
        for member in staying[count:]:
            self.drain(member)

    def forget(self, member: Member) -> None:
        """Reap a worker whose process has ended. The caller removes its files in run/."""
        member.process.join()
        member.process.close()
        member.close_queues()
        del self.members[member.instance]
        self.leaving.pop(member.instance, None)

    def take_overdue(self, within_s: float) -> list[Member]:
        """Return each worker, once, that must end and has not `within_s` after its last run."""
        now_s = time.monotonic()
        found = [instance for instance, since_s in self.leaving.items() if now_s >= since_s + within_s]
        for instance in found:
            self.leaving[instance] = math.inf
        return [self.members[instance] for instance in found]

    def overdue_in_s(self, within_s: float) -> float:
        """Return the seconds until `take_overdue` has a worker, or infinity if none must end."""
        return min(self.leaving.values(), default=math.inf) + within_s - time.monotonic()

    def pids(self) -> frozenset[int]:
        return frozenset(member.pid for member in self.members.values())
