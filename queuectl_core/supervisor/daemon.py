"""Daemon: the start of a supervisor, in the background or as the foreground process of a service.

`start` returns after the new process reports over a pipe that lock, recovery, workers, and socket are ready.
If the process fails, it reports why.
Knows processes and descriptors. Does not know what a supervisor does.

Invariant: the background process keeps no inherited descriptor open.
Otherwise, a shell would wait forever for the end of `$(queuectl worker start)`.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable

from .. import errors
from ..errors import Busy, InvalidInput, QueueError, SupervisorFailed
from ..escapes import visible
from ..home import NOT_ALLOWED, Home
from ..service import orphans
from ..system import file_io, interpreter, lockfile
from ..system.descriptors import close_all_but
from ..system.service_manager import ServiceManager
from ..wire.client import connect
from .foreground import Foreground
from .invocation import words_of

Report = Callable[[dict[str, object]], None]
"""A function that tells the starting process that the supervisor is ready, or why it is not."""

LOCK_WITHIN_S = 10.0
"""The longest wait for the writer lock, in seconds.

A command line holds it for a moment, a stopping supervisor for longer.
"""

_LATE_MODULES = (
    *("queuectl_core.model.cron", "ctypes", "datetime", "encodings.ascii", "json", "re"),
    *("multiprocessing.popen_fork", "shutil", "tempfile", "traceback", "zoneinfo"),
    *(f"queuectl_core.service.{name}" for name in ("batches", "id_words", "queries", "queue_pages")),
)
"""Modules that the supervisor and its workers need only after their start."""

MAX_LOG_BYTES = 1024 * 1024
"""Size in bytes from which the next start renames the supervisor's log."""


def start(home: Home, count: int) -> int:
    """Start a supervisor in the background, and return its PID when it is ready.

    Raises: QueueError.
    """
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
                report = report_once(writable)
                try:
                    _become_background(home, writable)
                except (OSError, QueueError) as fault:
                    failure = home.failure(fault) if isinstance(fault, OSError) else fault
                    report({"error": errors.to_wire(failure)})
                else:
                    run(home, count, report)
        finally:
            os._exit(1)
    os.close(writable)
    with contextlib.suppress(ChildProcessError):  # the caller ignores SIGCHLD, so the kernel has reaped it
        os.waitpid(child, 0)
    with open(readable, "rb") as pipe:
        return parse_answer(home, pipe.read())


def refuse_inside_a_run() -> None:
    """Refuse to start a supervisor inside a job, because it would end with the job.

    Raises: InvalidInput.
    """
    if orphans.is_inside_a_run():
        what = "a supervisor that a job starts in the background ends with the job"
        raise InvalidInput(what=f"{what}; start it outside the job, or use --foreground")


def parse_answer(home: Home, data: bytes) -> int:
    """Return the PID in the report of a new supervisor, or raise the error in it.

    Raises: SupervisorFailed.
    """
    if not data:
        raise SupervisorFailed(why=f"it ended without a message; see {home.supervisor_log}")
    answer = json.loads(data)
    if "error" in answer:
        raise errors.from_wire(answer["error"])
    return int(answer["pid"])


def run(home: Home, count: int, report: Report, foreground: Foreground | None = None) -> None:
    """Be the supervisor until it has stopped, then end the process.

    `report` receives whether the supervisor is ready, or why it ended.
    `foreground` says what a supervisor in the foreground does beside its work.
    The process ends with `os._exit`, because nothing else may run after a failure of the journal.
    For example, the exit handler of multiprocessing would wait for workers, which wait for this process to end.
    """
    status = errors.Defect.exit_status
    try:
        status = _supervise(home, count, report, foreground or Foreground(is_background=True))
    except BaseException as fault:
        failure = _as_error(home, fault)
        status = failure.exit_status
        report({"error": errors.to_wire(failure)})
        with contextlib.suppress(OSError):  # nobody reads standard error
            print(f"queuectl: {visible(str(failure))}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def _as_error(home: Home, fault: BaseException) -> QueueError:
    """Return the error to report for the exception that has ended a supervisor."""
    if isinstance(fault, QueueError):
        return fault
    if isinstance(fault, OSError):
        is_of_home = fault.errno in (*NOT_ALLOWED, *file_io.FULL)
        return home.failure(fault) if is_of_home else SupervisorFailed(why=errors.in_words(fault))
    if isinstance(fault, ImportError):
        return interpreter.lacks(fault)
    return errors.unforeseen(fault)


def _supervise(home: Home, count: int, report: Report, foreground: Foreground) -> int:
    manager = ServiceManager(os.environ)
    is_alone = foreground.is_service and manager.is_there
    next_words = words_of(home, count, foreground) if is_alone else []
    umask, limit = os.umask(0o077), resource.getrlimit(resource.RLIMIT_NOFILE)
    gc.set_threshold(10_000, 10, 1000)  # a full collection visits every waiting job, and jobs leave no cycles
    os.chdir("/")  # keeps no disk busy, and a Python started from here imports nothing from a user's folder
    home.prepare()
    lock = _take_lock(home)  # once the supervisor is ready, held until this process ends
    from .log import log, set_up
    from .supervisor import Supervisor

    set_up(foreground.log_format, manager if foreground.is_service else None)
    try:
        supervisor = Supervisor(home, lock, count, umask, foreground._replace(restarts_in_place=is_alone))
    except BaseException:
        lockfile.release(lock)  # before the failure is reported: `doctor` may run at once
        raise
    if foreground.until_eof:
        supervisor.stop_at_end_of(0)
    _import_late_modules()
    report({"pid": os.getpid()})
    log(f"ready: pid {os.getpid()}, {count} workers, home {home.path}", "READY=1", f"MAINPID={os.getpid()}")
    supervisor.run()
    if supervisor.next_count is not None:
        log("restarting in place")
        next_words[next_words.index("--count") + 1] = str(supervisor.next_count)
        os.umask(umask)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        os.execve(next_words[0], next_words, manager.environ(os.environ))
    log("stopped")
    return supervisor.exit_status


def _import_late_modules() -> None:
    """Import modules that are needed later, so that an upgrade in place cannot remove them first."""
    for name in _LATE_MODULES:
        with contextlib.suppress(ImportError):  # not every Python has it; the code that needs it reports that
            importlib.import_module(name)


def _take_lock(home: Home) -> int:
    """Wait in line for the writer lock, and return the descriptor that holds it.

    Raises: Busy.
    """
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
    """Detach from the terminal, close every inherited descriptor, and write messages to the log."""
    home.prepare()
    log = open_log(home)
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, target)
    close_all_but({kept})


def open_log(home: Home) -> int:
    """Open the supervisor's log for appending. Rename a large log first.

    Raises: OSError.
    """
    if os.path.exists(home.supervisor_log) and os.path.getsize(home.supervisor_log) > MAX_LOG_BYTES:
        os.rename(home.supervisor_log, f"{home.supervisor_log}.old")
    if os.path.lexists(home.supervisor_log) and os.lstat(home.supervisor_log).st_nlink > 1:
        os.unlink(home.supervisor_log)  # a hard link to another file, which must not be overwritten
    return file_io.open_owned(home.supervisor_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def report_once(pipe: int) -> Report:
    """Return a function that writes its first answer into the pipe and ignores later ones."""

    def report(answer: dict[str, object]) -> None:
        nonlocal pipe
        if pipe >= 0:
            with contextlib.suppress(OSError):  # the process that asked is gone
                os.write(pipe, json.dumps(answer).encode() + b"\n")
            _release(pipe)
            pipe = -1

    return report


def _release(descriptor: int) -> None:
    """Close a descriptor. Point a standard stream to the null device instead.

    Otherwise, the next file that opens would take the number of the standard stream.
    """
    if descriptor > 2:
        os.close(descriptor)
        return
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, descriptor)
    os.close(null)
