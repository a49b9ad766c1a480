"""Worker handle: one worker process of the supervisor, with its queues and its runs.

Each worker has its own dispatch queue and result queue.
A process that is killed inside a shared queue keeps the queue's lock forever, because of a bug in CPython.
The queues of a dead worker end with it.

Warning: a forked child shares every open descriptor, and `worker.main` closes them.
Invariant: no worker needs anything that must end with the supervisor.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import math
import multiprocessing
import os
import select
import sys
import time
from typing import Any

from ..errors import SupervisorFailed, in_words
from ..model.commands import Locate
from ..service import orphans
from ..system import descriptors, file_io, lockfile
from ..system.clock import now_ms
from ..worker import messages, worker
from ..worker.run_timer import LONG_RUN_S

KILL_WITHIN_S = 5.0
"""Seconds after which the supervisor kills a worker that does not obey.

If the worker must end its run, the time begins after the grace period.
If the worker is idle and must end, the time begins at once.
"""

_START_METHOD = "fork" if sys.platform.startswith("linux") else "spawn"
"""How worker processes start.

A fork takes 2 ms and needs no helper process. It is safe because the supervisor has one thread.
On macOS, system frameworks do not survive a fork.
"""

_LONG_MS = 1_000_000
_SHORT_MS = LONG_RUN_S * 1000 / 2
_REFUSED = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSYS)
_MAX_WAITING_SIZE = 64 * 1024
_QUEUE_BYTES = 1024 * 1024
_F_SETPIPE_SZ = 1031  # Linux; in the fcntl module from 3.10 on


class WorkerHandle:
    """One worker process.

    `runs` holds the current run, then those that wait in the worker.
    A `draining` worker gets no more runs.
    """

    def __init__(self, slot: int, conditions: worker.Conditions) -> None:
        """Start the worker. A failure leaves nothing behind.

        OSError means that the system lacks a resource.

        Raises: OSError, SupervisorFailed.
        """
        self.slot = slot
        self.instance = f"w{slot}-{os.urandom(3).hex()}"
        self.runs: list[messages.Run] = []
        self.since_ms = 0
        """When the current run began, or when the worker became idle."""
        self.draining = False
        self.finished = 0
        self.born_s = time.monotonic()
        self.kill_at_s = math.inf
        """When to kill the worker, which must end and has no runs."""
        self._waiting_size = 0
        self._last_run_ms = _LONG_MS
        with contextlib.ExitStack() as undo:
            self._dispatch = _new_queue(undo)
            self.results = _new_queue(undo)
            undo.callback(orphans.forget, conditions.home, self.instance)
            _widen(self._dispatch._writer.fileno())
            self._process = self._start(conditions)
            undo.pop_all()
        self.pid = int(self._process.pid)
        self.results._writer.close()  # so that a dead worker's queue ends and does not block
        self._dispatch._reader.close()
        self._arrived = select.poll()
        self._arrived.register(self.results._reader.fileno(), select.POLLIN)

    def _start(self, conditions: worker.Conditions) -> Any:
        """Start and return the process, and close the pipes that multiprocessing leaves open if that fails.

        A forked worker gets the lock from here, so that it never lives without it.

        Raises: OSError, SupervisorFailed.
        """
        lock = None
        if _START_METHOD == "fork":
            lock = lockfile.acquire(conditions.home.worker_lock(self.instance))
        else:
            _let_workers_find_the_package()
        args = self.instance, conditions, lock, self._dispatch, self.results
        name = f"queuectl worker {self.instance}"
        process = _context().Process(target=worker.main, args=args, name=name)
        before = descriptors.open_descriptors()
        try:
            process.start()
            return process
        except OSError:
            descriptors.close_all(descriptors.open_descriptors() - before)
            raise
        finally:
            if lock is not None:
                os.close(lock)

    @property
    def prefetch_limit(self) -> int:
        """Return how many runs the worker may hold: one, or as many as fit into `LONG_RUN_S`.

        If the waiting runs could fill the pipe of the queue, the answer is one, because a send must
        never block.
        """
        if self._last_run_ms > _SHORT_MS or self._waiting_size > _MAX_WAITING_SIZE:
            return 1
        return min(worker.MAX_PREFETCH, int(LONG_RUN_S * 1000 / max(1, self._last_run_ms)))

    def assign(self, run: messages.Run) -> None:
        """Count a run as one of the worker's. `put` hands it over."""
        if not self.runs:
            self.since_ms = now_ms()
        self.runs.append(run)
        self._waiting_size += run.size

    def drain(self) -> None:
        """Tell the worker to end after its current run.

        Raises: SupervisorFailed.
        """
        if not self.draining:
            self.draining = True
            self._expect_end()
            self.put(None)

    def put(self, message: messages.Order) -> bool:
        """Send runs, an order, or None to end the worker. Return False if it has just died.

        The end of its result queue reports the death.

        Raises: SupervisorFailed.
        """
        try:
            self._dispatch.put(message)
        except OSError as fault:
            _check_death(fault)
            return False
        return True

    def has_message(self) -> bool:
        """Return whether the worker has sent a message. This costs one system call."""
        return bool(self._arrived.poll(0))

    def take_message(self) -> messages.Result | Locate | None:
        """Return the next message of the worker, or None if it has died and its queue is closed.

        Raises: SupervisorFailed.
        """
        try:
            message = self.results.get()
        except (EOFError, OSError) as fault:
            _check_death(fault)
            return None
        if type(message) is Locate:
            self.since_ms, self._last_run_ms = message.began_ms, _LONG_MS
            return message
        result = messages.from_plain(message)
        self.drop(result.run)
        self._expect_end()
        self.finished += result.begun
        if result.ending is not None:
            self._last_run_ms, self.since_ms = result.ending.duration_ms, result.ending.ended_ms
        return result

    def drop(self, number: int) -> None:
        """Stop to count a run as one of the worker's."""
        for index, run in enumerate(self.runs):
            if run.run == number:
                self._waiting_size -= run.size
                del self.runs[index]
                return

    def _expect_end(self) -> None:
        if self.draining and not self.runs:
            self.kill_at_s = time.monotonic() + KILL_WITHIN_S

    def reap(self) -> None:
        """Reap the worker, whose process has ended. The caller removes its files in run/."""
        self._process.join()
        self._process.close()
        self._dispatch.close()
        self.results.close()


def _context() -> Any:
    return multiprocessing.get_context(_START_METHOD)


def _let_workers_find_the_package() -> None:
    """Add the parent of the package to the end of `sys.path`, where a spawned worker looks for it."""
    folder = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
    if folder not in sys.path:
        sys.path.append(folder)


def queue_failure() -> str | None:
    """Return why no worker can start on this system, or None if workers can start.

    The queues of a worker need semaphores, which some systems refuse.
    """
    try:
        with contextlib.ExitStack() as undo:
            _new_queue(undo)
        return None
    except SupervisorFailed as fault:
        return str(fault.fields["why"])
    except OSError as fault:
        return in_words(fault)


def _new_queue(undo: contextlib.ExitStack) -> messages.Channel:
    """Return a new queue, which `undo` closes. SupervisorFailed means that the system has no semaphores.

    Raises: SupervisorFailed, OSError.
    """
    try:
        queue: messages.Channel = _context().SimpleQueue()
    except (OSError, ImportError) as fault:
        if isinstance(fault, OSError) and fault.errno not in (*_REFUSED, *file_io.FULL):
            raise
        why = f"multiprocessing queues need semaphores, which this system refuses ({in_words(fault)})"
        raise SupervisorFailed(why=f"{why}; on Linux, make /dev/shm writable and free some space there") from fault
    undo.callback(queue.close)
    return queue


def _widen(pipe: int) -> None:
    """Enlarge a pipe for the longest commands, so that a send does not wait for a stopped worker."""
    with contextlib.suppress(OSError):  # more than the limit of this user, or not Linux
        fcntl.fcntl(pipe, _F_SETPIPE_SZ, _QUEUE_BYTES)


def _check_death(fault: EOFError | OSError) -> None:
    """Return if an error of a queue shows that its worker has died.

    Otherwise the worker may live, and nobody knows what it has received. The next supervisor adopts it.

    Raises: SupervisorFailed.
    """
    if isinstance(fault, OSError) and fault.errno not in (None, errno.EPIPE):  # None: it died within a message
        raise SupervisorFailed(why=f"the queue of a worker failed ({in_words(fault)})") from fault
