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

import contextlib
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
from typing import TYPE_CHECKING, NamedTuple

from .. import errors
from ..home import Home
from ..model.attempt import AttemptResult
from ..model.commands import Locate
from ..storage.reserve import Reserve
from ..system import descriptors, file_io, lockfile, process_tree
from ..system.clock import now_ms
from . import messages
from .command_line import start_failure
from .echo import Echo
from .messages import Kill, Result, Run, Signal
from .run_process import SCARCE, NotReady, RunProcess
from .run_timer import TERMINATING, RunTimer

if TYPE_CHECKING:
    from .messages import Channel

MAX_PREFETCH = 16
"""The most short runs that wait in a worker."""

HANDED_BACK = "handed back because the run before it takes long"
TOLD_TO_END = "the worker was told to end before it began"

SCARCE_WITHIN_S = 60.0
"""How long, in seconds, a worker retries a start while the system lacks processes, memory, or descriptors."""

REPORT_TRIES = 3
"""How often a worker tries to write its outcome file, one second apart, if its supervisor has all results anyway."""

_MAX_WAIT_S = 86_400.0
"""The longest single wait: poll(2) takes at most 2^31 ms. A longer wait consists of several."""


class Conditions(NamedTuple):
    """What all workers of a supervisor share: the home, and two limits of its commands.

    `max_files` is the soft RLIMIT_NOFILE. `echo` is the format in which output goes to standard error too, or empty.
    """

    home: Home
    umask: int
    max_files: int
    echo: str = ""


def main(
    instance: str, conditions: Conditions, lock: int | None, dispatch: Channel, results: Channel
) -> None:
    """Run the worker in a new process, until it is told to end or its supervisor is gone.

    Without a supervisor, it finishes the current run first. `lock` is the descriptor that holds the worker's lock; with
    None, the worker takes the lock here.
    """
    try:
        _become_worker(instance, conditions, lock, dispatch, results)
        Worker(instance, conditions, dispatch, results).serve()
    except Exception as fault:  # its run counts as lost, as if the worker had been killed
        why = errors.in_words(fault) if isinstance(fault, OSError) else errors.unforeseen(fault)
        print(f"queuectl: worker {instance} cannot continue: {why}", file=sys.stderr, flush=True)
        raise SystemExit(errors.Defect.exit_status) from None


def _become_worker(
    instance: str, conditions: Conditions, lock: int | None, dispatch: Channel, results: Channel
) -> None:
    """Prepare the new process: its lock, descriptors, signals, and limits.

    Raises: OSError, QueueError.
    """
    if lock is None:
        lock = lockfile.acquire(conditions.home.worker_lock(instance))
        assert lock is not None  # no other worker has this name
    os.write(lock, b"%d\n" % os.getpid())
    dispatch._writer.close()  # otherwise the death of the supervisor would not close the queue
    results._reader.close()
    descriptors.close_all_but({lock, dispatch._reader.fileno(), results._writer.fileno()})
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.umask(conditions.umask)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (conditions.max_files, hard))
    os.chdir("/")  # the supervisor's working folder can be on a disk that somebody wants to unmount
    gc.freeze()  # inherited memory stays shared with the supervisor
    gc.set_threshold(10_000)  # a run leaves no cycles behind


class Worker:
    """The loop of a worker, with its current run and the runs that wait."""

    def __init__(self, instance: str, conditions: Conditions, dispatch: Channel, results: Channel) -> None:
        self._home = home = conditions.home
        self._outcome = home.outcome(instance)
        self._dispatch = dispatch
        self._results = results
        self._has_supervisor = True
        self._must_end = False
        self._terminated = False
        self._waiting: deque[Run] = deque()
        self._running: int | None = None
        """The number of the current run."""
        self._leader: int | None = None
        """The PID of the current run's shell."""
        self._suspended: set[int] = set()
        self._recent: deque[Result] = deque(maxlen=2 * MAX_PREFETCH)
        self._signals = descriptors.signal_reader((signal.SIGCHLD, signal.SIGTERM))
        self._orders = dispatch._reader.fileno()
        self._poll = select.poll()
        for descriptor in (self._orders, self._signals):
            self._poll.register(descriptor, select.POLLIN)
        echo = Echo(conditions.echo) if conditions.echo else None
        self._process = RunProcess(home, instance, self._poll, echo)

    def serve(self) -> None:
        """Serve runs and orders until the worker is told to end or the supervisor is gone."""
        while True:
            if self._waiting:
                run = self._waiting.popleft()
                self._running = run.run
                result = self._serve_run(run)
                self._running = None
                self._report(result)
            elif self._must_end:
                if self._has_supervisor:
                    self._write_report()  # the supervisor can be killed before it records the results
                return
            elif self._orders in self._wait():
                self._handle_order()

    def _handle_order(self) -> Kill | None:
        """Read one order and carry it out, but return an order to kill the current run."""
        try:
            order: messages.Order = self._dispatch.get()
        except (EOFError, OSError):  # the other end is closed
            self._on_supervisor_death()
            return None
        if isinstance(order, list):
            self._waiting.extend(map(Run._make, order))
        elif order is None:
            self._must_end = True
            self._hand_back(TOLD_TO_END)
        elif isinstance(order, Signal):
            self._signal_run(order)
        elif self._running == order.run:
            return order
        else:
            self._hand_back(order.reason or messages.STOPPED_BY_HAND, order.run)
        return None

    def _signal_run(self, order: Signal) -> None:
        """Send the signal to the current run, or record it for a run that waits here.

        The worker suspends a recorded run as soon as it begins.
        """
        if self._leader is not None and self._running == order.run:
            process_tree.signal_group(self._leader, order.signal)
        elif order.signal == signal.SIGCONT:
            self._suspended.discard(order.run)
        elif any(run.run == order.run for run in self._waiting):
            self._suspended.add(order.run)

    def _on_supervisor_death(self) -> None:
        """Record that the supervisor is gone, and read the rest of the queue so that no run gets lost."""
        if not self._has_supervisor:
            return
        self._has_supervisor, self._must_end = False, True
        self._terminated = False  # without a supervisor SIGTERM stops the run; an earlier one did not mean that
        if self._leader is not None:
            process_tree.signal_group(self._leader, signal.SIGCONT)  # nobody else can resume a suspended run now
        self._poll.unregister(self._orders)
        try:
            while not self._dispatch.empty():
                order = self._dispatch.get()
                if isinstance(order, list):
                    self._waiting.extend(map(Run._make, order))
        except (EOFError, OSError):
            pass
        unread = [run.not_begun(messages.SUPERVISOR_GONE) for run in self._waiting]
        self._recent = deque([*self._recent, *unread])
        self._waiting.clear()
        self._write_report()

    def _hand_back(self, reason: str, number: int | None = None) -> None:
        """Report the runs that wait here as not begun: all of them, or the one of this number."""
        waiting, self._waiting = self._waiting, deque()
        for run in waiting:
            if number in (None, run.run):
                self._report(run.not_begun(reason))
            else:
                self._waiting.append(run)

    def _wait(self, until_s: float = math.inf) -> set[int]:
        """Return the descriptors that are ready, at the latest at `until_s` of the monotonic clock."""
        timeout_s = min(max(0.0, until_s - time.monotonic()), _MAX_WAIT_S)
        ready = {descriptor for descriptor, _ in self._poll.poll(timeout_s * 1000)}
        if self._signals in ready:
            self._terminated |= signal.SIGTERM in os.read(self._signals, 4096)
        return ready

    def _serve_run(self, run: Run) -> Result:
        timeout_s = None if run.options is None else run.options.get("timeout")
        timer = RunTimer(time.monotonic(), timeout_s, run.grace_s)
        leader = self._begin(run, timer)
        if isinstance(leader, Result):
            return leader
        self._leader = leader
        if run.run in self._suspended:
            process_tree.signal_group(leader, signal.SIGSTOP)
        reaped = self._wait_for_end(leader, run, timer)
        self._suspended.discard(run.run)
        if not self._waiting:
            os.chdir("/")  # an idle worker must not keep a disk from being unmounted
        ending = self._ending_of(reaped, timer)
        return Result(run.job_id, run.run, ending, timer.reason, full=self._process.output.found_full)

    def _ending_of(self, reaped: process_tree.Reaped, timer: RunTimer) -> AttemptResult:
        code = os.waitstatus_to_exitcode(reaped.status)
        exit_code, number = (code, None) if code >= 0 else (None, -code)
        outcome, detail = "exit" if code >= 0 else "signal", None
        if timer.has_timed_out:
            outcome, detail = "timeout", f"timed out after {timer.timeout_s:g} s"
        return AttemptResult(outcome, exit_code, number, *self._times_and_output(timer), detail, *reaped[1:])

    def _times_and_output(self, timer: RunTimer) -> tuple[int, int, str, int, int, int]:
        """Return the middle fields of an `AttemptResult`."""
        duration_ms = round((time.monotonic() - timer.began_s) * 1000)
        output = self._process.output
        place = output.segment, output.start, output.kept_bytes, output.dropped_bytes
        return (now_ms(), duration_ms, *place)

    def _begin(self, run: Run, timer: RunTimer) -> int | Result:
        """Start the command. Return the PID of its shell, or the result of a run that cannot start.

        If the system lacks processes, memory, or descriptors for a while, the method tries again.
        """
        pause_s = 0.05
        while True:
            try:
                return self._process.start(run)
            except NotReady as fault:
                self._must_end = True
                self._hand_back(str(fault))
                return run.not_begun(str(fault))
            except (OSError, ValueError) as fault:
                is_scarce = getattr(fault, "errno", None) in SCARCE
                if not is_scarce or time.monotonic() > timer.began_s + SCARCE_WITHIN_S:
                    return self._not_started(run, fault, timer)
            self._hand_back(HANDED_BACK)
            ready = self._wait(time.monotonic() + pause_s)
            kill = self._handle_order() if self._orders in ready else None
            if kill is not None:
                return run.not_begun(kill.reason or messages.STOPPED_BY_HAND)
            if self._must_end:
                return run.not_begun(TOLD_TO_END)
            pause_s = min(5.0, pause_s * 2)

    def _not_started(self, run: Run, fault: Exception, timer: RunTimer) -> Result:
        """Return the result of a run that could not start. A full disk is not a failure of the job."""
        if getattr(fault, "errno", None) in file_io.FULL:
            return run.not_begun("the disk is full")._replace(full=True)
        why = start_failure(run, fault)
        ending = AttemptResult("spawn-failed", None, None, *self._times_and_output(timer), why)
        return Result(run.job_id, run.run, ending)

    def _wait_for_end(self, leader: int, run: Run, timer: RunTimer) -> process_tree.Reaped:
        """Wait until the command has ended, and return the end of its shell.

        If the run is killed or times out, the processes that the shell started get the same grace period as the shell.
        """
        reaped, has_others = None, False
        while reaped is None or (has_others and timer.state == TERMINATING):
            ready = self._wait(timer.next_deadline())
            if self._process.pipe in ready:
                self._process.read_output()
            if self._signals in ready:
                found, has_others = process_tree.reap(leader)
                if found is not None:
                    reaped = found
                    continue  # an order that arrives with the end of the shell comes too late
            kill = self._take_kill(ready, run)
            now_s = time.monotonic()
            if kill is not None:
                timer.terminate(now_s, kill.reason)
                _end_run(leader, kill.signal)
            number = timer.due_signal(now_s)
            if number is not None and reaped is None:
                _end_run(leader, number)
            self._note_long_run(run, timer, now_s)
        self._leader = None
        self._process.finish(leader, has_others)
        return reaped

    def _take_kill(self, ready: set[int], run: Run) -> Kill | None:
        """Return an order to end the current run. Without a supervisor, SIGTERM is such an order."""
        if self._orders in ready:
            return self._handle_order()
        if self._has_supervisor or not self._terminated:
            return None
        self._terminated = False  # each SIGTERM reaches the run once
        return Kill(run.run, messages.STOPPED_BY_HAND)

    def _note_long_run(self, run: Run, timer: RunTimer, now_s: float) -> None:
        """Report where the output of a long run is, and hand back the runs that wait behind it."""
        if timer.becomes_long(now_s) and self._has_supervisor:
            began_ms = now_ms() - round((now_s - timer.began_s) * 1000)
            output = self._process.output
            self._put(Locate(run.job_id, run.run, began_ms, output.segment, output.start))
        if timer.is_long:
            self._hand_back(HANDED_BACK)

    def _report(self, result: Result) -> None:
        """Send the result to the supervisor or, without one, write it to the outcome file for the next one."""
        self._recent.append(result)
        if self._has_supervisor:
            self._put(messages.to_plain(result))
        else:
            self._write_report()

    def _put(self, message: object) -> None:
        """Put a message into the queue without its lock, because no other process writes there."""
        try:
            self._results._writer.send_bytes(pickle.dumps(message))
        except OSError:
            self._on_supervisor_death()

    def _write_report(self) -> None:
        """Write the outcome file for the next supervisor: the current run, and the latest results.

        The supervisor can die before it records these results. Without a supervisor, the worker tries until there is
        room. Until then, its process and its lock stand for the result. With a supervisor, which has the results, it
        gives up after a few tries, because the supervisor waits for it to end.
        """
        tries = 0
        while not self._try_to_report():
            tries += 1
            if not self._has_supervisor:
                time.sleep(1.0)
            elif tries == REPORT_TRIES:
                return
            elif self._orders in self._wait(time.monotonic() + 1.0):
                self._handle_order()
                self._hand_back("its worker is about to end")

    def _try_to_report(self) -> bool:
        """Write the outcome file, unless there is nothing to write or the home no longer exists.

        If that fails, give up some of the reserve, and return False.
        """
        if self._running is None and not self._recent:
            return True
        report = messages.encode_report(self._running, self._recent)
        try:
            file_io.replace_file(self._outcome, report)
        except FileNotFoundError:  # the home no longer exists
            return True
        except OSError:
            with contextlib.suppress(OSError):  # for example on a read-only disk
                Reserve(self._home.reserve).give_up_some()
            return False
        return True


def _end_run(leader: int, number: int) -> None:
    """Send the run a signal to end. A suspended process handles it only after SIGCONT."""
    process_tree.signal_group(leader, number)
    process_tree.signal_group(leader, signal.SIGCONT)
