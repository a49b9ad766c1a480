"""Daemon: how a supervisor comes to life: in the background, or as the foreground process of a service or a
container.

`start` returns once the new process has said over a pipe that lock, recovery, workers and socket are ready, or why
not. Knows processes and descriptors; what a supervisor does is its own affair. The trap: whatever descriptor stays
open in the background process keeps somebody's `$(queuectl worker start)` waiting.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable

from .. import errors
from ..errors import Busy, InvalidInput, QueueError, SupervisorFailed
from ..escapes import visible
from ..home import NOT_ALLOWED, Home
from ..service import orphans
from ..system import durable_files, interpreter, lockfile
from ..system.descriptors import close_all_but
from ..wire.client import connect

LOCK_WITHIN_S = 10.0
"""A command line may hold the writer lock for an instant, a stopping supervisor for longer."""

_NEEDED_LATER = (
    "queuectl_core.model.cron",
    "ctypes",
    "datetime",
    "encodings.ascii",
    "json",
    "multiprocessing.popen_fork",
    "re",
    "shutil",
    "tempfile",
    "traceback",
    "zoneinfo",
)

MAX_LOG_BYTES = 1024 * 1024


def start(home: Home, count: int) -> int:
    """Starts a supervisor in the background; its pid once it is ready. Raises the QueueError it ended with."""
    refuse_inside_a_run()
    readable, writable = os.pipe()
    try:
        child = os.fork()
    except OSError as fault:
        raise Busy(what=f"cannot start a process: {fault.strerror}") from fault
    if child == 0:
        try:
            os.close(readable)
            os.setsid()
            if os.fork() == 0:
                tell = tell_once(writable)
                try:
                    _become_background(home, writable)
                except OSError as fault:
                    tell({"error": errors.to_wire(home.failure(fault))})
                except QueueError as failure:
                    tell({"error": errors.to_wire(failure)})
                else:
                    run(home, count, tell)
        finally:
            os._exit(1)
    os.close(writable)
    _reap(child)
    with open(readable, "rb") as pipe:
        said = pipe.read()
    return parse_answer(home, said)


def refuse_inside_a_run() -> None:
    """Raises InvalidInput within a job: what it starts in the background is ended with it."""
    if orphans.is_inside_a_run():
        what = "a supervisor that a job starts in the background ends with the job"
        raise InvalidInput(what=f"{what}; start it outside the job, or use --foreground")


def _reap(child: int) -> None:
    """Waits for a child's end. Where our caller has SIGCHLD ignored, the kernel reaps it instead."""
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        pass


def parse_answer(home: Home, said: bytes) -> int:
    """The pid of a supervisor that has become ready. Raises what it said instead, or SupervisorFailed."""
    if not said:
        raise SupervisorFailed(why=f"it ended without a message; see {home.supervisor_log}")
    answer = json.loads(said)
    if "error" in answer:
        raise errors.from_wire(answer["error"])
    pid: int = answer["pid"]
    return pid


def run(home: Home, count: int, tell: Callable[[dict[str, object]], None], until_eof: bool = False) -> None:
    """Is the supervisor until it has stopped, then ends the process. `tell` hears whether it is ready, or why it
    ended.

    With `until_eof` it stops when standard input ends. It ends by `os._exit`: nothing may run after a failure of the
    journal, not even multiprocessing's own farewell, which would wait for workers that wait for our death.
    """
    status = errors.Defect.exit_status
    try:
        status = _supervise(home, count, tell, until_eof)
    except BaseException as fault:
        failure = _refusal(home, fault)
        status = failure.exit_status
        _complain(failure, tell)
    finally:
        os._exit(status)


def _refusal(home: Home, fault: BaseException) -> QueueError:
    """What to say of the exception that has ended a supervisor."""
    if isinstance(fault, QueueError):
        return fault
    if isinstance(fault, OSError):
        is_of_home = fault.errno in (*NOT_ALLOWED, *durable_files.FULL)
        return home.failure(fault) if is_of_home else SupervisorFailed(why=errors.in_words(fault))
    if isinstance(fault, ImportError):
        return interpreter.lacks(fault)
    return errors.unforeseen(fault)


def _supervise(home: Home, count: int, tell: Callable[[dict[str, object]], None], until_eof: bool) -> int:
    umask = os.umask(0o077)
    gc.set_threshold(10_000, 10, 1000)  # a full collection looks at every waiting job, and that work leaves no cycles
    os.chdir("/")  # no disk is kept busy, and no Python that is started from here imports from a folder of a user's
    home.prepare()
    lock = _take_lock(home)  # never released once it is ready: it is free when this process has ended
    from .supervisor import Supervisor, say

    try:
        supervisor = Supervisor(home, lock, count, umask)
    except BaseException:
        lockfile.release(lock)  # whoever hears of the failure may ask `doctor` at once
        raise
    if until_eof:
        supervisor.stop_at_end_of(0)
    _import_what_comes_later()
    tell({"pid": os.getpid()})
    say(f"ready: pid {os.getpid()}, {count} workers, home {home.path}")
    supervisor.run()
    say("stopped")
    return 0


def _import_what_comes_later() -> None:
    """What supervisor and workers import at need, so that an upgrade in place does not take it away from them."""
    for name in _NEEDED_LATER:
        try:
            importlib.import_module(name)
        except ImportError:  # not every Python has it; whoever needs it says so
            pass


def _complain(failure: QueueError, tell: Callable[[dict[str, object]], None]) -> None:
    tell({"error": errors.to_wire(failure)})
    try:
        print(f"queuectl: {visible(str(failure))}", file=sys.stderr, flush=True)
    except OSError:  # nobody reads it
        pass


def _take_lock(home: Home) -> int:
    """Stands in line with the command lines. The descriptor that holds the writer lock. Raises Busy."""
    line, deadline_s = lockfile.Line(), time.monotonic() + LOCK_WITHIN_S
    line.wait_s = 0.02
    while True:
        lock = line.take(home.lock)
        if lock is not None:
            return lock
        client = connect(home.socket, deadline_s=1.0)
        if client is not None:
            client.close()
            raise Busy(what=f"a supervisor is already running for {home.path}")
        if time.monotonic() > deadline_s:
            raise Busy(what=f"another process holds {home.lock}")


def _become_background(home: Home, kept: int) -> None:
    """Lets go of the terminal and every descriptor; messages go to the supervisor's log."""
    home.prepare()
    log = open_log(home)
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, target)
    close_all_but({kept})


def open_log(home: Home) -> int:
    """The supervisor's log, to be appended to; a large one is put aside first. Raises OSError."""
    if os.path.exists(home.supervisor_log) and os.path.getsize(home.supervisor_log) > MAX_LOG_BYTES:
        os.rename(home.supervisor_log, f"{home.supervisor_log}.old")
    if os.path.lexists(home.supervisor_log) and os.lstat(home.supervisor_log).st_nlink > 1:
        os.unlink(home.supervisor_log)  # another name of some other file, to which we would write
    return durable_files.owned(home.supervisor_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def tell_once(pipe: int) -> Callable[[dict[str, object]], None]:
    """Writes the first answer into the pipe and closes it; later ones have nobody to hear them."""
    pipes = [pipe]

    def tell(answer: dict[str, object]) -> None:
        if pipes:
            writable = pipes.pop()
            try:
                os.write(writable, json.dumps(answer).encode() + b"\n")
            except OSError:  # whoever asked is gone
                pass
            _let_go(writable)

    return tell


def _let_go(descriptor: int) -> None:
    """Closes it; a standard stream leads nowhere then, for the next file that is opened would take its place."""
    if descriptor > 2:
        os.close(descriptor)
        return
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, descriptor)
    os.close(null)
