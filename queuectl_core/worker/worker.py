"""Worker: a process that runs one command at a time for the supervisor, and can outlive it.

It knows no journal, no store, and no other worker.

    dispatch queue --> Run --> spawn, wait, collect output --> result queue
                               (without a supervisor: --> run/INSTANCE.outcome, synced, for the next supervisor)

Short runs wait here, so that the worker does not wait for the supervisor between them. Runs behind a long one go back
to the supervisor. One loop on poll(2) watches three sources: the dispatch queue, which closes when the supervisor dies;
SIGCHLD, through a wakeup descriptor; and the output.

Warning: the supervisor can be killed before it records a result in the queue, and before the worker reads a run in the
queue. Therefore `messages.WorkerReport` gives the state of every run.
"""

from __future__ import annotations

import errno
import gc
import math
import os
import pickle
import resource
import select
import signal
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from .. import errors
from ..errors import QueueError
from ..home import Home
from ..model import job_environment
from ..model.events import AttemptResult
from ..model.job_spec import DEFAULT_QUEUE
from ..storage.output_log import OutputWriter
from ..storage.reserve import Reserve
from ..system import descriptors, file_io, lockfile, process_tree
from ..system.clock import now_ms
from .command_line import SHELL, command_line, open_input, why_not_begun
from .messages import GONE, Kill, OutputLocation, Result, Run, Signal, encode_report, plain, revive_runs

if TYPE_CHECKING:
    from ..model.records import Options
    from .messages import Channel

AHEAD = 16
"""The most short runs that wait in a worker."""

STOPPED_BY_HAND = "stopped by hand"
HANDED_BACK = "handed back because the run before it takes long"

PATIENCE_S = 0.02
"""A run that takes longer, in seconds, is a long run. The worker reports at once where its output is. It hands back the
runs that wait behind it, because another worker can be idle.
"""

SCARCE_WITHIN_S = 60.0
"""How long, in seconds, a worker retries a start while the system lacks processes, memory, or descriptors."""

LEAVE_TRIES = 3
"""How often a worker tries to write its outcome file, one second apart, if its supervisor has all results anyway."""

_SCARCE = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
_READ_BYTES = 64 * 1024
_JOB_ID = job_environment.JOB_ID.encode()
_ATTEMPT = job_environment.ATTEMPT.encode()
_QUEUE = job_environment.QUEUE.encode()
_JOB_NAME = job_environment.JOB_NAME.encode()
_MAX_WAIT_S = 86_400.0
"""The longest single wait: poll(2) takes at most 2^31 ms. A longer wait consists of several."""


def main(  # noqa: PLR0913  # all that a new process is told
    instance: str,
    home_path: str,
    umask: int,
    max_files: int,
    lock: int | None,
    dispatch: Channel,
    results: Channel,
) -> None:
    """Run the worker in a new process, until it is told to end or its supervisor is gone.

    Without a supervisor, it finishes the current run first. `lock` is the descriptor that holds the worker's lock; with
    None, the worker takes the lock here.
    """
    home = Home(home_path)
    if lock is None:
        lock = lockfile.acquire(home.worker_lock(instance))
        assert lock is not None  # no other worker has this name
    os.write(lock, b"%d\n" % os.getpid())
    dispatch._writer.close()  # otherwise the death of the supervisor would not close the queue
    results._reader.close()
    descriptors.close_all_but({lock, dispatch._reader.fileno(), results._writer.fileno()})
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.umask(umask)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max_files, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    os.chdir("/")  # the supervisor's working folder can be on a disk that somebody wants to unmount
    gc.freeze()  # inherited memory stays shared with the supervisor
    gc.set_threshold(10_000)  # a run leaves no cycles behind
    try:
        Worker(instance, home, dispatch, results).serve()
    except Exception as fault:  # its run counts as lost, as if the worker had been killed
        why = errors.in_words(fault) if isinstance(fault, OSError) else errors.unforeseen(fault)
        print(f"queuectl: worker {instance} cannot continue: {why}", file=sys.stderr, flush=True)
        raise SystemExit(errors.Defect.exit_status) from None


class NotReady(Exception):
    """The worker lacks something that every run needs: another worker must run the job, which is not at fault."""


class Worker:
    """The loop of a worker, with the state of its current run and of the runs that wait."""

    def __init__(self, instance: str, home: Home, dispatch: Channel, results: Channel) -> None:
        self._instance = instance
        self._home = home
        self._dispatch = dispatch
        self._results = results
        self._is_subreaper = process_tree.become_subreaper()
        self._orphaned = False
        self._terminated = False
        self._ending = False
        self._long = False
        self._waiting: deque[Run] = deque()
        self._running: Run | None = None
        self._leader: int | None = None
        self._suspended: set[int] = set()
        self._recent: deque[Result] = deque(maxlen=2 * AHEAD)
        self._tree_lock = home.tree_lock(instance)
        self._lock_number = process_tree.lock_descriptor()
        self._output = OutputWriter(home.logs, instance)
        self._stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        ours = {job_environment.MARK: home.mark(instance), job_environment.HOME: home.path}
        all_of_it = {**job_environment.without_own(os.environ), **ours}
        self._environ = {os.fsencode(name): os.fsencode(value) for name, value in all_of_it.items()}
        self._signals = descriptors.signal_reader((signal.SIGCHLD, signal.SIGTERM))
        self._inbox = dispatch._reader.fileno()
        self._poll = select.poll()
        for descriptor in (self._inbox, self._signals):
            self._poll.register(descriptor, select.POLLIN)
        self._pipe, self._pipe_in = -1, -1

    def serve(self) -> None:
        """Serve runs and orders until the worker is told to end or the supervisor is gone."""
        while True:
            if self._waiting:
                run = self._running = self._waiting.popleft()
                result = self._serve_run(run)
                self._running = None
                self._report(result)
            elif self._ending:
                if not self._orphaned:
                    self._leave()  # the supervisor has the results, but can be killed before it records them
                return
            elif self._inbox in self._wait(None):
                self._take_order()

    def _take_order(self) -> Kill | None:
        """Read one order and carry it out, but return an order to kill the current run."""
        try:
            order: list[tuple[Any, ...]] | Kill | Signal | None = self._dispatch.get()
        except (EOFError, OSError):  # the other end is closed
            self._note_death()
            return None
        if isinstance(order, list):
            self._waiting.extend(revive_runs(order))
        elif order is None:
            self._ending = True
            self._hand_back("the worker was told to end before it began")
        elif isinstance(order, Signal):
            self._pass_on(order)
        elif self._running is not None and self._running.job_id == order.job_id:
            return order
        else:
            self._hand_back(order.reason or STOPPED_BY_HAND, order.job_id)
        return None

    def _pass_on(self, order: Signal) -> None:
        """Send the signal to the current run, or record it for a run that waits here.

        The worker suspends a recorded run as soon as it begins.
        """
        if self._leader is not None and self._running is not None and self._running.run == order.run:
            process_tree.signal_group(self._leader, order.signal)
        elif order.signal == signal.SIGCONT:
            self._suspended.discard(order.run)
        elif any(run.run == order.run for run in self._waiting):
            self._suspended.add(order.run)

    def _note_death(self) -> None:
        """Record that the supervisor is gone, and read the rest of the queue so that no run gets lost."""
        if self._orphaned:
            return
        self._orphaned = self._ending = True
        self._terminated = False  # without a supervisor SIGTERM stops the run; an earlier one did not mean that
        if self._leader is not None:
            process_tree.signal_group(self._leader, signal.SIGCONT)  # nobody else can resume a suspended run now
        self._poll.unregister(self._inbox)
        try:
            while not self._dispatch.empty():
                order = self._dispatch.get()
                if isinstance(order, list):
                    self._waiting.extend(revive_runs(order))
        except (EOFError, OSError):
            pass
        unbegun = [_unbegun(run, GONE) for run in self._waiting]
        self._waiting.clear()
        self._recent = deque([*self._recent, *unbegun])
        self._leave()

    def _hand_back(self, reason: str, job_id: str | None = None) -> None:
        """Report the runs that wait here as not begun: all of them, or the one of `job_id`."""
        waiting, self._waiting = self._waiting, deque()
        for run in waiting:
            if job_id is None or run.job_id == job_id:
                self._report(_unbegun(run, reason))
            else:
                self._waiting.append(run)

    def _wait(self, timeout_s: float | None) -> set[int]:
        """Return the descriptors that are ready, after at most `timeout_s` seconds."""
        events = self._poll.poll(None if timeout_s is None else min(timeout_s, _MAX_WAIT_S) * 1000)
        ready = {descriptor for descriptor, _ in events}
        if self._signals in ready:
            self._terminated |= signal.SIGTERM in os.read(self._signals, 4096)
        return ready

    def _serve_run(self, run: Run) -> Result:
        began_s, self._long = time.monotonic(), False
        pid = self._begin(run, began_s)
        if isinstance(pid, Result):
            return pid
        self._leader = pid
        if run.run in self._suspended:
            process_tree.signal_group(pid, signal.SIGSTOP)
        killed, timed_out, reaped, others = self._attend(pid, run, began_s)
        self._leader = None
        self._suspended.discard(run.run)
        process_tree.end_rest(pid, self._tree_lock, self._is_subreaper, others)
        self._take_last_output()
        self._close_pipe()
        if not self._waiting:
            os.chdir("/")  # an idle worker must not keep a disk from being unmounted
        ending = self._ending_of_run(run, began_s, reaped, timed_out and killed is None)
        return Result(*run[:2], ending, killed, full=self._output.found_full)

    def _ending_of_run(self, run: Run, began_s: float, reaped: process_tree.Reaped, timed_out: bool) -> AttemptResult:
        code = os.waitstatus_to_exitcode(reaped.status)
        number = None if code >= 0 else -code
        outcome, detail = "exit" if number is None else "signal", None
        if timed_out:
            assert run.options is not None  # a timeout is an option
            outcome, detail = "timeout", f"timed out after {run.options['timeout']:g} s"
        return self._ending_of(began_s, outcome, code if number is None else None, number, detail, reaped)

    def _ending_of(  # noqa: PLR0913  # the fields of an AttemptResult that are not the output's
        self,
        began_s: float,
        outcome: str,
        code: int | None = None,
        number: int | None = None,
        detail: str | None = None,
        reaped: process_tree.Reaped | None = None,
    ) -> AttemptResult:
        duration_ms = round((time.monotonic() - began_s) * 1000)
        out = self._output
        return AttemptResult(
            outcome,
            code,
            number,
            now_ms(),
            duration_ms,
            out.segment,
            out.start,
            out.kept_bytes,
            out.dropped_bytes,
            detail,
            *(reaped[1:] if reaped is not None else ()),
        )

    def _open_pipe(self) -> None:
        """Open the pipe for a run's output, unless it is open.

        This side keeps the write end open as well. Otherwise an end of file would wake the loop.

        Raises: OSError.
        """
        if self._pipe >= 0:
            return
        readable, writable = os.pipe()
        try:
            os.set_blocking(readable, False)
            self._poll.register(readable, select.POLLIN)
        except BaseException:  # a half-configured pipe would block every later read
            descriptors.close_all((readable, writable))
            raise
        self._pipe, self._pipe_in = readable, writable

    def _close_pipe(self) -> None:
        """Close the pipe after its run, so that no later run shares its flags or its remaining writers."""
        if self._pipe >= 0:
            self._poll.unregister(self._pipe)
            os.close(self._pipe)
            os.close(self._pipe_in)
            self._pipe = self._pipe_in = -1

    def _begin(self, run: Run, began_s: float) -> int | Result:
        """Start the command; return its PID, or the result of a run that cannot start.

        If the system lacks processes, memory, or descriptors for a while, the method tries again.
        """
        pause_s = 0.05
        while True:
            try:
                return self._spawn(run)
            except NotReady as fault:
                self._ending = True
                self._hand_back(str(fault))
                return _unbegun(run, str(fault))
            except (OSError, ValueError) as fault:
                is_scarce = getattr(fault, "errno", None) in _SCARCE
                if not is_scarce or time.monotonic() > began_s + SCARCE_WITHIN_S:
                    return self._result_without_process(run, fault, began_s)
            self._long = True
            self._hand_back(HANDED_BACK)
            kill = self._take_order() if self._inbox in self._wait(pause_s) else None
            if kill is not None:
                return _unbegun(run, kill.reason or STOPPED_BY_HAND)
            if self._ending:
                return _unbegun(run, "the worker was told to end before it began")
            pause_s = min(5.0, pause_s * 2)

    def _result_without_process(self, run: Run, fault: Exception, began_s: float) -> Result:
        """Return the result of a run that could not start. A full disk is not a failure of the job."""
        if getattr(fault, "errno", None) in file_io.FULL:
            return _unbegun(run, "the disk is full")._replace(full=True)
        return Result(*run[:2], self._ending_of(began_s, "spawn-failed", detail=why_not_begun(run, fault)))

    def _spawn(self, run: Run) -> int:
        lock = self._make_ready(run)
        inherited = self._pipe_in, lock, self._lock_number
        try:
            os.chdir(run.cwd.encode())
            self._environ[_JOB_ID] = run.job_id.encode()
            self._environ[_ATTEMPT] = b"%d" % run.attempt
            if run.options is not None:
                return self._spawn_with(run, run.options, inherited)
            arguments = (b"sh", b"-c", run.command.encode())
            return process_tree.spawn(SHELL, arguments, self._environ, self._stdin, inherited)
        finally:
            os.close(lock)

    def _make_ready(self, run: Run) -> int:
        """Prepare what every run needs, and return the descriptor that holds the lock of its processes.

        OSError means that the resource can be available again later.

        Raises: NotReady, OSError.
        """
        try:
            self._output.begin(run.max_output)
            self._open_pipe()
            lock = lockfile.acquire(self._tree_lock)
        except OSError as fault:
            if fault.errno in (*_SCARCE, *file_io.FULL):
                raise
            raise NotReady(f"its worker cannot use {fault.filename}: {fault.strerror}") from fault
        except QueueError as fault:
            raise NotReady(str(fault)) from fault
        if lock is None:
            raise NotReady("processes of an earlier run are still alive")
        return lock

    def _spawn_with(self, run: Run, options: Options, inherited: process_tree.Inherited) -> int:
        """Start the command of a job that has options, and return its PID."""
        path, arguments = command_line(run.command, options)
        given = job_environment.without_own(options.get("env", {}))
        environ = {**self._environ, **{name.encode(): value.encode() for name, value in given.items()}}
        environ[_QUEUE] = str(options.get("queue", DEFAULT_QUEUE)).encode()
        if "name" in options:
            environ[_JOB_NAME] = str(options["name"]).encode()
        stdin = open_input(options, os.path.join(self._home.run, f"{self._instance}.input"))
        try:
            return process_tree.spawn(path, arguments, environ, stdin or self._stdin, inherited)
        finally:
            if stdin is not None:
                os.close(stdin)

    def _attend(  # noqa: C901  # all that a run waits for, in one loop
        self, pid: int, run: Run, began_s: float
    ) -> tuple[str | None, bool, process_tree.Reaped, bool]:
        """Wait until the command has ended, and return how it ended.

        It returns the reason of the kill order (None if there is none), and whether the run timed out. It also returns
        the reaped shell, and whether this process has other children. If the run is killed or times out, the processes
        that the shell started get the same grace period as the shell.
        """
        killed: str | None = None
        kill_at_s: float | None = None
        timed_out = False
        timeout_s = None if run.options is None else run.options.get("timeout")
        end_at_s = began_s + timeout_s if timeout_s else None
        reaped: process_tree.Reaped | None = None
        others = False
        while True:
            ready = self._wait(self._pause_s(began_s, kill_at_s if kill_at_s is not None else end_at_s))
            if self._pipe in ready:
                self._output.write(os.read(self._pipe, _READ_BYTES))
            if self._signals in ready:
                found, others = process_tree.reap(pid)
                reaped = found or reaped
            if reaped is not None and (kill_at_s is None or not others):
                return killed, timed_out, reaped, others
            kill = self._take_order() if self._inbox in ready else None
            if kill is None and self._orphaned and self._terminated:
                self._terminated = False  # each SIGTERM reaches the run once
                kill = Kill(run.job_id, STOPPED_BY_HAND)
            if kill is not None and killed is None:
                killed, timed_out, end_at_s = kill.reason, False, None
                kill_at_s = self._end_run(pid, kill.signal, run.grace_s)
            elif kill is not None:
                process_tree.signal_group(pid, kill.signal)
            if end_at_s is not None and time.monotonic() >= end_at_s:
                timed_out, end_at_s = True, None
                kill_at_s = self._end_run(pid, signal.SIGTERM, run.grace_s)
            if kill_at_s is not None and time.monotonic() >= kill_at_s:
                if reaped is not None:
                    return killed, timed_out, reaped, others
                process_tree.signal_group(pid, signal.SIGKILL)
                kill_at_s = None
            if not self._long and time.monotonic() >= began_s + PATIENCE_S:
                self._long = True
                self._tell_place(run, began_s)
            if self._long:
                self._hand_back(HANDED_BACK)

    def _end_run(self, pid: int, number: int, grace_s: float) -> float:
        """Signal the run to end, and return when to kill it if it has not ended."""
        process_tree.signal_group(pid, number)
        process_tree.signal_group(pid, signal.SIGCONT)  # a suspended process does not handle the signal
        return time.monotonic() + grace_s

    def _pause_s(self, began_s: float, end_at_s: float | None) -> float | None:
        """Return the seconds until the next action is due in the current run, or None if no action is due."""
        due_s = end_at_s if self._long else min(began_s + PATIENCE_S, end_at_s or math.inf)
        return None if due_s is None else max(0.0, due_s - time.monotonic())

    def _tell_place(self, run: Run, began_s: float) -> None:
        if not self._orphaned:
            began_ms = now_ms() - round((time.monotonic() - began_s) * 1000)
            self._put(OutputLocation(run.job_id, run.run, began_ms, self._output.segment, self._output.start))

    def _take_last_output(self) -> None:
        """Read the rest of the pipe, within a limit: an escaped process can go on writing."""
        try:
            for _ in range(16):
                self._output.write(os.read(self._pipe, _READ_BYTES))
        except BlockingIOError:
            pass
        self._output.finish()

    def _report(self, result: Result) -> None:
        """Send the result to the supervisor or, without one, write it to the outcome file for the next one."""
        self._recent.append(result)
        if self._orphaned:
            self._leave()
        else:
            self._put(plain(result))

    def _put(self, message: object) -> None:
        """Put a message into the queue without its lock, because no other process writes there."""
        try:
            self._results._writer.send_bytes(pickle.dumps(message))
        except OSError:
            self._note_death()

    def _leave(self) -> None:
        """Write the outcome file for the next supervisor: the current run, and the latest results.

        The supervisor can die before it records these results. Without a supervisor, the worker tries until there is
        room. Until then, its process and its lock stand for the result. With a supervisor, which has the results, it
        gives up after a few tries, because the supervisor waits for it to end.
        """
        tries = 0
        while not self._is_word_left():
            tries += 1
            self._give_up_reserve()
            if self._orphaned:
                time.sleep(1.0)
            elif tries == LEAVE_TRIES:
                return
            elif self._inbox in self._wait(1.0):
                self._take_order()
                self._hand_back("its worker is about to end")
                if self._orphaned:
                    return  # _note_death has written the outcome file already

    def _is_word_left(self) -> bool:
        """Try to write the outcome file; return False if that fails.

        Return True also if there is nothing to write, or if the home no longer exists.
        """
        running = None if self._running is None else self._running.run
        if running is None and not self._recent:
            return True
        content = encode_report(running, list(self._recent))
        try:
            file_io.replace_file(self._home.outcome(self._instance), content)
        except FileNotFoundError:  # the home no longer exists
            return True
        except OSError:
            return False
        return True

    def _give_up_reserve(self) -> None:
        try:
            Reserve(self._home.reserve).give_up_some()
        except OSError:  # for example on a read-only disk
            pass


def _unbegun(run: Run, reason: str) -> Result:
    return Result(*run[:2], None, reason, begun=False)
