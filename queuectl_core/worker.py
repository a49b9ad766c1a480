"""Worker: a process that runs one command at a time for the supervisor, and outlives it if it must.

    dispatch queue --> Run --> spawn, wait, collect output --> result queue
                               (the supervisor is gone: --> run/INSTANCE.outcome, synced, for the next one)

One loop on poll(2): the dispatch queue, whose end is the supervisor's death; the child's death (SIGCHLD through a wakeup fd); its output.
Knows no journal, no store and no other worker. The trap: a forked worker begins with all of the supervisor's descriptors;
one kept by mistake keeps the writer lock, or hides the supervisor's death from another worker.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import time
from multiprocessing.queues import SimpleQueue
from typing import NamedTuple, Optional

from . import durable, lockfile, process_tree
from .events import Ending
from .home import Home
from .output import OutputWriter

STOPPED_BY_HAND = "stopped by hand"
_READ_BYTES = 64 * 1024


class Run(NamedTuple):
    """One attempt, as it is dispatched."""

    job_id: str
    attempt: int
    command: str
    cwd: str
    log_file: str
    log_offset: int
    max_output: int
    grace_s: float


class Kill(NamedTuple):
    """End the run under way and give the job back; `reason` goes into its history."""

    job_id: str
    reason: str


class Result(NamedTuple):
    """`ending` None: not counted, because of `reason`."""

    job_id: str
    ending: Optional[Ending]
    reason: Optional[str]


def main(instance: str, home_path: str, dispatch: SimpleQueue, results: SimpleQueue) -> None:
    """The target of the worker's process. Returns when told to, or when the supervisor is gone and its run has ended."""
    dispatch._writer.close()  # else the supervisor's death would not end the queue
    results._reader.close()
    _close_inherited({dispatch._reader.fileno(), results._writer.fileno()})
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    gc.freeze()  # what was inherited stays shared with the supervisor
    process_tree.become_subreaper()
    Worker(instance, Home(home_path), dispatch, results).serve()


class Worker:
    def __init__(self, instance: str, home: Home, dispatch: SimpleQueue, results: SimpleQueue) -> None:
        self._instance = instance
        self._home = home
        self._dispatch = dispatch
        self._results = results
        self._orphaned = False
        self._terminated = False
        self._lock = lockfile.acquire(os.path.join(home.run, f"{instance}.lock"))
        os.write(self._lock, b"%d\n" % os.getpid())
        self._tree_lock = os.path.join(home.run, f"{instance}.tree")
        self._output = OutputWriter(home.logs)
        self._stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._environ = {**os.environ, process_tree.COOKIE: instance, "QUEUECTL_HOME": home.path}
        self._signals = _watch_signals()
        self._inbox = dispatch._reader.fileno()
        self._poll = select.poll()
        for descriptor in (self._inbox, self._signals):
            self._poll.register(descriptor, select.POLLIN)

    def serve(self) -> None:
        while not self._orphaned:
            if self._inbox not in self._wait(None):
                continue
            order = self._take_order()
            if isinstance(order, Run):
                self._report(self._serve_run(order))
            elif order is None and not self._orphaned:
                return

    def _take_order(self) -> Run | Kill | None:
        """What stands in the dispatch queue. None: told to end, or the queue's other end is closed: the supervisor is gone."""
        try:
            return self._dispatch.get()
        except (EOFError, OSError):
            self._orphaned = True
            self._poll.unregister(self._inbox)
            return None

    def _wait(self, timeout_s: float | None) -> set[int]:
        """The descriptors that are ready."""
        ready = {descriptor for descriptor, _ in self._poll.poll(None if timeout_s is None else timeout_s * 1000)}
        if self._signals in ready:
            self._terminated |= signal.SIGTERM in os.read(self._signals, 4096)
        return ready

    def _serve_run(self, run: Run) -> Result:
        began = time.monotonic()
        try:
            pid, pipe = self._begin(run)
        except (OSError, ValueError) as fault:
            return Result(run.job_id, _ending(began, "spawn-failed", detail=_why_not_begun(run, fault)), None)
        killed, status = self._attend(pid, pipe, run)
        process_tree.end_rest(pid, self._tree_lock)
        self._take_last_output(pipe)
        if killed is not None:
            return Result(run.job_id, None, killed)
        code = os.waitstatus_to_exitcode(status)
        output = self._output
        if code < 0:
            return Result(run.job_id, _ending(began, "signal", None, -code, output.kept_bytes, output.dropped_bytes), None)
        return Result(run.job_id, _ending(began, "exit", code, None, output.kept_bytes, output.dropped_bytes), None)

    def _begin(self, run: Run) -> tuple[int, int]:
        """Starts the command; its pid, and the pipe that its output comes through. Raises OSError."""
        self._output.begin(run.log_file, run.log_offset, run.max_output)
        os.chdir(run.cwd)
        environ = {**self._environ, "QUEUECTL_JOB_ID": run.job_id, "QUEUECTL_ATTEMPT": str(run.attempt)}
        pipe, child_end = os.pipe()
        try:
            pid = process_tree.spawn(run.command, environ, self._stdin, child_end, self._tree_lock)
        except BaseException:
            os.close(pipe)
            raise
        finally:
            os.close(child_end)
        os.set_blocking(pipe, False)
        return pid, pipe

    def _attend(self, pid: int, pipe: int, run: Run) -> tuple[str | None, int]:
        """Waits until the command has ended; why it was killed, if it was, and its wait status."""
        killed: str | None = None
        kill_at_s: float | None = None
        self._poll.register(pipe, select.POLLIN)
        while True:
            ready = self._wait(None if kill_at_s is None else max(0.0, kill_at_s - time.monotonic()))
            if pipe in ready and not self._pump(pipe):
                self._poll.unregister(pipe)
                pipe = -1
            if self._signals in ready:
                done, status, _ = os.wait4(pid, os.WNOHANG)
                if done:
                    break
            if killed is None and (self._inbox in ready or self._orphaned):
                killed = self._kill_reason(run)
                if killed is not None:
                    process_tree.signal_group(pid, signal.SIGTERM)
                    kill_at_s = time.monotonic() + run.grace_s
            if kill_at_s is not None and time.monotonic() >= kill_at_s:
                process_tree.signal_group(pid, signal.SIGKILL)
                kill_at_s = None
        if pipe >= 0:
            self._poll.unregister(pipe)
        return killed, status

    def _kill_reason(self, run: Run) -> str | None:
        order = None if self._orphaned else self._take_order()
        if self._orphaned:
            return STOPPED_BY_HAND if self._terminated else None
        return order.reason if isinstance(order, Kill) and order.job_id == run.job_id else None

    def _pump(self, pipe: int) -> bool:
        """Takes some output; False once there is none, and none can come."""
        try:
            data = os.read(pipe, _READ_BYTES)
        except BlockingIOError:
            return True
        self._output.write(data)
        return bool(data)

    def _take_last_output(self, pipe: int) -> None:
        """What stands in the pipe. Bounded, in case something has escaped and goes on writing."""
        try:
            for _ in range(16):
                data = os.read(pipe, _READ_BYTES)
                if not data:
                    break
                self._output.write(data)
        except BlockingIOError:
            pass
        finally:
            os.close(pipe)
        self._output.finish()

    def _report(self, result: Result) -> None:
        if self._orphaned:
            self._leave(result)
        else:
            self._results.put(result)

    def _leave(self, result: Result) -> None:
        """Nobody listens: the result waits on the disk for the next supervisor."""
        path = os.path.join(self._home.run, f"{self._instance}.outcome")
        durable.replace_file(path, json.dumps(result).encode())


def read_left_result(home: Home, instance: str) -> Result | None:
    """What a worker that had lost its supervisor has left, or None."""
    try:
        with open(os.path.join(home.run, f"{instance}.outcome"), "rb") as file:
            job_id, ending, reason = json.loads(file.read())
    except FileNotFoundError:
        return None
    return Result(job_id, None if ending is None else Ending(*ending), reason)


def _ending(
    began: float,
    outcome: str,
    code: int | None = None,
    number: int | None = None,
    kept: int = 0,
    dropped: int = 0,
    detail: str | None = None,
) -> Ending:
    duration_ms = round((time.monotonic() - began) * 1000)
    return Ending(outcome, code, number, time.time_ns() // 1_000_000, duration_ms, kept, dropped, detail)


def _why_not_begun(run: Run, fault: Exception) -> str:
    if isinstance(fault, OSError) and fault.filename == run.cwd:
        return f"cannot enter its folder {run.cwd}: {fault.strerror}"
    if isinstance(fault, BlockingIOError) and fault.filename is None and fault.errno is None:
        return "could not be started: processes of an earlier run are still alive"
    return f"could not be started: {getattr(fault, 'strerror', None) or fault}"


def _watch_signals() -> int:
    """A descriptor from which the numbers of SIGCHLD and SIGTERM can be read when they have arrived."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # without a Python handler, nothing is written
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    return readable


def _close_inherited(kept: set[int]) -> None:
    for name in os.listdir("/dev/fd"):
        descriptor = int(name)
        if descriptor > 2 and descriptor not in kept:
            try:
                os.close(descriptor)
            except OSError:  # the descriptor of this very listing
                pass
