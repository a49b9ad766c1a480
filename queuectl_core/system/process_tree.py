"""ProcessTree: the start, the end, and the detection of one run's processes.

It does not know about jobs and queues.

A run is `/bin/sh -c command` in a session of its own. Three things keep its processes together:
  - The process group receives signals while the shell lives.
  - On Linux, the worker is a child subreaper. A process that escapes with setsid or a double fork becomes a child of
    the worker. If the worker has no child left, nothing of the run lives.
  - All processes of the run inherit a lock. After the worker has died, others can check whether one of them lives.

In addition, QUEUECTL_WORKER in their environment says which worker of which home started them.

Invariant: the module signals a PID only while nobody can have reaped it. That holds for children of this process. For
others, `end_tree_of` opens a pidfd first, and then checks that it is the right process.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time

from ..light_types import NamedTuple
from ..model import job_environment
from . import lockfile, proc_stat

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

_LOCK_FD = 19
"""The descriptor number of the lock in a command, if the file limit allows it. A script's own `exec 3>` does not
collide.
"""

_DEFAULT_SIGNALS = sorted({int(number) for number in signal.Signals} - {signal.SIGKILL, signal.SIGSTOP})
_PR_SET_CHILD_SUBREAPER = 36
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""The unit of ru_maxrss in getrusage(2)."""

Inherited = tuple[int, int, int]
"""The output descriptor, the lock descriptor, and the lock's number in the command."""


def can_find_processes() -> bool:
    """Return whether this system shows which processes a run started. Linux needs a mounted /proc."""
    return not sys.platform.startswith("linux") or os.path.exists("/proc/self/stat")


def become_subreaper() -> bool:
    """Make this process the parent of orphans below it; return False if the system cannot do that."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        import ctypes
    except ImportError:  # a Python built without libffi
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def lock_descriptor() -> int:
    """Return the lock's descriptor number in a command, below the file limit that the command inherits."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _LOCK_FD if soft == resource.RLIM_INFINITY else min(_LOCK_FD, soft - 1)


def spawn(
    path: bytes, arguments: tuple[bytes, ...], environ: dict[bytes, bytes], stdin: int, inherited: Inherited
) -> int:
    """Start the program in this process's working folder, and return its PID.

    posix_spawn costs the same from a large process as from a small one. The command gets the default signal handlers:
    Python ignores SIGPIPE, the worker ignores more, and so can the caller of `worker start`.

    Raises: OSError.
    """
    output, lock, lock_number = inherited
    copies = ((stdin, 0), (output, 1), (output, 2), (lock, lock_number))
    return os.posix_spawn(
        path,
        arguments,
        environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, old, new) for old, new in copies],
        setsid=True,
        setsigmask=(),
        setsigdef=_DEFAULT_SIGNALS,
    )


def signal_group(leader: int, number: int) -> None:
    """Send a signal to the run whose shell is `leader`. This process must not have reaped the shell."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):  # all processes are gone, or on macOS only zombies are left
        pass


class Reaped(NamedTuple):
    """The end of a run's shell: its wait status, processor time in milliseconds, and peak memory in bytes.

    Time and memory include the processes that the shell has waited for.
    """

    status: int
    cpu_ms: int
    peak_bytes: int


def reap(leader: int) -> tuple[Reaped | None, bool]:
    """Reap all ended children; return the end of `leader`, if it is among them, and whether others live."""
    reaped = None
    try:
        while True:
            pid, status, used = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return reaped, True
            if pid == leader:
                cpu_ms = round((used.ru_utime + used.ru_stime) * 1000)
                reaped = Reaped(status, cpu_ms, used.ru_maxrss * _MAXRSS_BYTES)
    except ChildProcessError:
        return reaped, False


def end_rest(leader: int, lock_path: str, is_subreaper: bool, others: bool) -> None:
    """End the processes that a run left behind after its shell was reaped.

    `others` says whether this process had children besides the shell, as `reap` returned it.
    """
    if is_subreaper:
        if others:
            _end_children()
    elif lockfile.is_held(lock_path):
        # A process of the run lives, so most likely its group does too. Then no other group has its number.
        signal_group(leader, signal.SIGKILL)


def _end_children() -> None:
    """Send KILL to every child of this process until none is left.

    The children of a killed process become children of this one. If this process has no permission to kill a child, it
    waits for the child to end.
    """
    pause_s = 0.0005
    while reap(0)[1]:
        for pid in proc_stat.children():
            _kill(pid)
        time.sleep(pause_s)  # a killed process ends at once, unless it waits in the kernel
        pause_s = min(0.1, pause_s * 2)


def end_tree_of(mark: str, lock_path: str, find_orphans: Callable[[], list[int]]) -> bool:
    """Send KILL to the processes that a dead worker's run left; return whether all of them are gone.

    It does not wait for them to end. It kills the processes that have the worker's mark in their environment, and all
    that belong to these. It also kills the orphans that this process inherited from the run, which `find_orphans`
    returns. Without /proc it finds no process, and returns False until the last holder of the lock ends by itself.
    """
    is_clear = not _kill_marked(os.fsencode(f"{job_environment.MARK}={mark}"))
    for pid in find_orphans():
        _kill(pid)
        os.waitpid(pid, os.WNOHANG)
    return is_clear and not find_orphans() and not lockfile.is_held(lock_path)


def orphans(known: Collection[int] = ()) -> list[int]:
    """Return the children of this process that are not in `known`; none in PID 1 of a container.

    PID 1 inherits the orphans of all processes, not only those of lost runs.
    """
    return [] if os.getpid() == 1 else [pid for pid in proc_stat.all_children() if pid not in known]


def _kill(pid: int) -> None:
    """Send KILL to a child. Without permission it does nothing: the caller waits for the child to end."""
    try:
        os.kill(pid, signal.SIGKILL)
    except (PermissionError, ProcessLookupError):
        pass


def marks_of(pids: Iterable[int]) -> set[str]:
    """Return the worker marks in the environments of these processes and of this one."""
    prefix = f"{job_environment.MARK}=".encode()
    words = (word for pid in pids for word in proc_stat.environ_of(pid))
    marks = {os.fsdecode(word[len(prefix) :]) for word in words if word.startswith(prefix)}
    return marks | {os.environ.get(job_environment.MARK, "")}


def reap_all_but(spared: Collection[int]) -> None:
    """Reap the children that have ended, except those in `spared`. Without /proc it finds none."""
    for pid in proc_stat.children():
        if pid not in spared:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def _kill_marked(mark: bytes) -> bool:
    """Send KILL to the processes that carry the mark, with all descendants and sessions.

    Return whether there was any. A descendant can have an environment without the mark. The function finds all of them
    before it kills one, because a death changes who belongs to whom.
    """
    processes = {pid: process for pid in proc_stat.pids() if (process := proc_stat.find(pid)) is not None}
    victims = {pid for pid in processes if mark in proc_stat.environ_of(pid)}
    grown = -1
    while victims and len(victims) != grown:
        grown = len(victims)
        victims |= {pid for pid, (parent, session, _) in processes.items() if {parent, session} & victims}
    victims.discard(os.getpid())
    for pid in victims:
        _kill_held(pid, processes[pid].started)
    return bool(victims)


def _kill_held(pid: int, started: str) -> None:
    """Send KILL to a process through a pidfd, if its start time is still `started`."""
    try:
        pidfd = os.pidfd_open(pid)
    except (OSError, AttributeError):  # the process has ended, or this system has no pidfd
        return
    try:
        process = proc_stat.find(pid)
        if process is not None and process.started == started:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except OSError:
        pass
    finally:
        os.close(pidfd)
