"""Worker pool: the worker processes of one supervisor: started, handed work, drained, and their death noticed.

Each worker has a dispatch queue and a result queue of its own, for a process killed inside a shared queue keeps that
queue's lock for ever (cpython#96062); a dead worker's queues die with it. A worker whose runs are very short holds
some more, so that it never waits for the supervisor; it hands them back behind a long one, so that no job waits for
that.

Knows no jobs beyond the ids of what runs, and no storage. The trap: a forked child shares everything that is open
here; `worker.main` closes it, and whatever must die with the supervisor must not be needed by a worker.
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
from ..system import descriptors, durable_files, lockfile
from ..system.clock import now_ms
from ..timestamps import utc
from ..worker import messages, worker

if TYPE_CHECKING:
    from multiprocessing.context import ForkContext, SpawnContext
    from typing import Any

_START_METHOD = "fork" if sys.platform.startswith("linux") else "spawn"
"""fork costs 2 ms a worker and needs no helper process; the supervisor has one thread. macOS frameworks do not
survive it.
"""

_LONG_MS = 1_000_000
_SHORT_MS = worker.PATIENCE_S * 1000 / 2
_NO_SEMAPHORES = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSYS, *durable_files.FULL)
_MAX_WAITING_CHARACTERS = 64 * 1024
_QUEUE_BYTES = 1024 * 1024
_F_SETPIPE_SZ = 1031  # Linux; in the fcntl module from 3.10 on


EARLY_S = 5.0
"""A worker that dies younger than this, with no run finished, points at a fault of the machine or of ours."""

MAX_START_DELAY_S = 30.0


def _let_others_find_the_package() -> None:
    """A worker that is a new interpreter looks where `sys.path` of this one says: last of all beside the package."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parent = os.path.dirname(package)
    if parent not in sys.path:
        sys.path.append(parent)


def _widen(pipe: int) -> None:
    """Makes room for the longest commands, so that handing one over does not wait for a worker that is stopped."""
    if sys.platform.startswith("linux"):
        try:
            fcntl.fcntl(pipe, _F_SETPIPE_SZ, _QUEUE_BYTES)
        except OSError:  # over what this user may have
            pass


class StartDelay:
    """How long to wait before the next worker is started: not at all, until they die early one after the other."""

    def __init__(self) -> None:
        self._deaths = 0
        self._over_s = 0.0

    def note_death(self, age_s: float, finished_runs: int) -> float:
        """A worker has died, or could not be started; the wait that follows from it, in seconds."""
        self._deaths = self._deaths + 1 if age_s < EARLY_S and not finished_runs else 0
        delay_s = min(MAX_START_DELAY_S, 0.25 * 2**self._deaths) if self._deaths > 1 else 0.0
        self._over_s = time.monotonic() + delay_s
        return delay_s

    def left_s(self) -> float:
        return max(0.0, self._over_s - time.monotonic())

    def is_over(self) -> bool:
        return time.monotonic() >= self._over_s


class Member:
    """One worker process. `runs`: what it is busy with, then what waits there; `characters`: of their commands.
    `draining`: it gets no more.
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
        pid = self.process.pid
        assert pid is not None  # it has been started
        return pid

    def close_queues(self) -> None:
        """Closes what there is of them: a worker that could not be started may have one, or none."""
        for name in ("dispatch", "results"):
            if hasattr(self, name):
                getattr(self, name).close()

    def watch_results(self) -> None:
        """To be called once the result queue is there: `has_message` may then be asked at the cost of a system call."""
        self._arrived = select.poll()
        self._arrived.register(self.results._reader.fileno(), select.POLLIN)

    def has_message(self) -> bool:
        return bool(self._arrived.poll(0))

    def drop(self, number: int) -> None:
        """Take this run from it."""
        for n, run in enumerate(self.runs):
            if run.run == number:
                self.characters -= run.characters
                del self.runs[n]
                return

    def depth(self) -> int:
        """How many runs it may hold: one, or as many short ones as are done within the patience for one.

        And not so long ones that the queue's pipe could fill up: handing over must never block.
        """
        if self.last_run_ms > _SHORT_MS or self.characters > _MAX_WAITING_CHARACTERS:
            return 1
        return min(worker.AHEAD, int(worker.PATIENCE_S * 1000 / max(1, self.last_run_ms)))

    def record(self) -> dict[str, object]:
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
    """Why no worker can be started here: the semaphores that its queues need cannot be had. None: they can."""
    try:
        for queue in [_queue(_context())]:
            queue.close()
        return None
    except SupervisorFailed as fault:
        return str(fault.fields["why"])
    except OSError as fault:
        return in_words(fault)


def _queue(context: multiprocessing.context.BaseContext) -> messages.Channel:
    """Raises SupervisorFailed where there are no semaphores; OSError."""
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
    """Let pass what says that the worker at the other end of a queue has died.

    Raises:
        SupervisorFailed: it may live, and nobody knows what it has heard. The next supervisor adopts it.
    """
    if isinstance(fault, OSError) and fault.errno not in (None, errno.EPIPE):  # None: dead in the middle of a message
        raise SupervisorFailed(why=f"the queue of a worker failed ({in_words(fault)})") from fault


def _begin_process(process: multiprocessing.process.BaseProcess) -> None:
    """Starts it. Raises OSError; multiprocessing then leaves the pipes open that it has made for the process."""
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
    def __init__(self, home: Home, umask: int, max_files: int) -> None:
        """`umask` and `max_files` (the soft RLIMIT_NOFILE) are what commands run with; our own may be others."""
        self._home = home
        self._umask = umask
        self._max_files = max_files
        self._context = _context()
        if _START_METHOD == "spawn":
            _let_others_find_the_package()
        self.members: dict[str, Member] = {}
        self.leaving: dict[str, float] = {}
        """Since when (`time.monotonic`) each member that is to end has had nothing to run any more."""

    def start_one(self) -> Member:
        """A new worker in the lowest free slot. Raises OSError when the system has no more to give; SupervisorFailed.

        A failure leaves nothing behind.
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
        # Taken before the fork and shared with the child: there is no moment in which the worker lives without it.
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
        member.results._writer.close()  # so that a dead worker's queue ends instead of blocking
        member.dispatch._reader.close()
        member.watch_results()

    def with_room(self) -> Iterator[Member]:
        """Who can be given a run now, as often as each can: the idle first, then those whose runs are so short that
        the next should be at hand.
        """
        depths = [(member, member.depth()) for member in self.members.values() if not member.draining]
        for held in range(max((depth for _, depth in depths), default=0)):
            for member, depth in depths:
                if depth > held and len(member.runs) == held and (not held or member.depth() > held):
                    yield member

    def room(self) -> int:
        """How many workers are idle, and not kept so for runs that take the place of several."""
        idle = sum(not member.runs and not member.draining for member in self.members.values())
        return idle - sum(member.runs[0].slots - 1 for member in self.members.values() if member.runs)

    def is_flowing(self) -> bool:
        """Whether every worker has so many runs waiting, so that none will miss the supervisor for a moment."""
        enough = worker.AHEAD * 3 // 4
        return bool(self.members) and all(len(member.runs) >= enough for member in self.members.values())

    def busy(self) -> list[Member]:
        return [member for member in self.members.values() if member.runs]

    def promise(self, member: Member, run: messages.Run) -> None:
        """The run is the member's; `send` hands it over."""
        if not member.runs:
            member.since_ms = now_ms()
        member.runs.append(run)
        member.characters += run.characters

    def send(self, member: Member, given: list[messages.Run]) -> bool:
        """Hands over runs that were promised. False when the member has just died, without having seen them.

        Raises SupervisorFailed.
        """
        try:
            member.dispatch.put(messages.plain_runs(given))
        except OSError as fault:
            _check_death(fault)
            for run in given:
                member.drop(run.run)
            return False
        return True

    def take_message(self, member: Member) -> messages.Result | messages.Place | None:
        """What the worker reports; None when its end of the queue is closed: it has died. Raises SupervisorFailed."""
        try:
            message = member.results.get()
        except (EOFError, OSError) as fault:
            _check_death(fault)
            return None
        if type(message) is messages.Place:
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
        """Ends what the member runs, and takes back what waits; its results then say `reason`. The attempt of the job
        `culprit` counts.
        """
        for run in reversed(member.runs):
            self._tell(member, messages.Kill(run.job_id, None if run.job_id == culprit else reason))

    def kill_run_of(self, job_id: str, reason: str, number: int) -> bool:
        """Ends the run of this job; False when nobody here has it."""
        member, _ = self._holder_of(job_id)
        if member is not None:
            self._tell(member, messages.Kill(job_id, reason, number))
        return member is not None

    def signal_run_of(self, job_id: str, number: int) -> bool:
        """Stops it, or lets it go on."""
        member, run = self._holder_of(job_id)
        if member is not None and run is not None:
            self._tell(member, messages.Signal(run.run, number))
        return member is not None

    def _holder_of(self, job_id: str) -> tuple[Member | None, messages.Run | None]:
        """Who runs this job, or has it waiting."""
        for member in self.members.values():
            for run in member.runs:
                if run.job_id == job_id:
                    return member, run
        return None, None

    def drain(self, member: Member) -> None:
        """The member ends after the run under way."""
        if not member.draining:
            member.draining = True
            if not member.runs:
                self.leaving[member.instance] = time.monotonic()
            self._tell(member, None)

    def _tell(self, member: Member, order: messages.Kill | messages.Signal | None) -> None:
        try:
            member.dispatch.put(order)
        except OSError as fault:  # it has just died, which the end of its result queue tells
            _check_death(fault)

    def staying(self) -> int:
        """How many workers there are, without those on their way out."""
        return sum(not member.draining for member in self.members.values())

    def shrink(self, count: int) -> None:
        """Drains workers until only `count` are left, idle ones first."""
        staying = sorted((m for m in self.members.values() if not m.draining), key=lambda m: (not m.runs, m.slot))
        for member in staying[count:]:
            self.drain(member)

    def forget(self, member: Member) -> None:
        """The member's process has ended: reaps it. What it has left in run/ is the caller's to remove."""
        member.process.join()
        member.process.close()
        member.close_queues()
        del self.members[member.instance]
        self.leaving.pop(member.instance, None)

    def take_overdue(self, within_s: float) -> list[Member]:
        """Members that were to end and have not, `within_s` after their last run; each is given once."""
        now_s = time.monotonic()
        found = [instance for instance, since_s in self.leaving.items() if now_s >= since_s + within_s]
        for instance in found:
            self.leaving[instance] = math.inf
        return [self.members[instance] for instance in found]

    def overdue_in_s(self, within_s: float) -> float:
        """Until `take_overdue` gives a member; infinite when none is to end."""
        return min(self.leaving.values(), default=math.inf) + within_s - time.monotonic()

    def pids(self) -> frozenset[int]:
        return frozenset(member.pid for member in self.members.values())
