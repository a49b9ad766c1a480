"""ProcessTree: one run's command and everything it starts; how it is begun, ended, and known to be gone.

A run is `/bin/sh -c command` in a session of its own. Three things keep its processes together:
  - the process group, for signals while the shell lives;
  - on Linux, the worker is a child subreaper: what escapes with setsid or a double fork becomes the worker's child,
  so
    that "no child left" means that nothing of the run lives;
  - a lock, inherited by the whole tree: others can ask whether anything lives after the worker has died.
And QUEUECTL_WORKER in their environment says whose they are: of which worker, of which home.

Knows no jobs and no queues. The trap: a pid may be signalled only while nobody can have reaped it: here, only the
children of this process are, or (`end_tree_of`) a process held by a pidfd that was checked after it was opened.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Collection, Iterable
from typing import NamedTuple

from ..model import job_environment
from . import lockfile

_LOCK_FD = 19
"""Where a command has the lock, if it may have so many files: out of the way of a script's own `exec 3>`."""

_DEFAULT_SIGNALS = sorted({int(number) for number in signal.Signals} - {signal.SIGKILL, signal.SIGSTOP})
_PR_SET_CHILD_SUBREAPER = 36
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""The unit of ru_maxrss in getrusage(2)."""


Inherited = tuple[int, int, int]
"""What a command takes over beside its input: the descriptors of output and lock, and the number of the lock there."""


def can_find_processes() -> bool:
    """Whether this system shows what a run has started. On Linux that takes a mounted /proc."""
    return not sys.platform.startswith("linux") or os.path.exists("/proc/self/stat")


def become_subreaper() -> bool:
    """Orphans below this process become its children from now on. False where the system has no such thing."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        import ctypes
    except ImportError:  # a Python built without libffi
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def lock_descriptor() -> int:
    """The number that the lock has in a command's file table; below the limit that this process hands on."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _LOCK_FD if soft == resource.RLIM_INFINITY else min(_LOCK_FD, soft - 1)


def spawn(
    path: bytes, arguments: tuple[bytes, ...], environ: dict[bytes, bytes], stdin: int, inherited: Inherited
) -> int:
    """Starts the program in this process's working folder; returns its pid. Raises OSError.

    posix_spawn costs the same from a large process as from a small one. Python ignores SIGPIPE, a worker some more,
    and who knows what `worker start` was told to ignore: the command gets the defaults.
    """
    output, lock, lock_number = inherited
    return os.posix_spawn(
        path,
        arguments,
        environ,
        file_actions=(
            (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
            (os.POSIX_SPAWN_DUP2, lock, lock_number),
        ),
        setsid=True,
        setsigmask=(),
        setsigdef=_DEFAULT_SIGNALS,
    )


def children() -> frozenset[int]:
    """The children of this process now."""
    return frozenset(_children_but(frozenset()))


def signal_group(leader: int, number: int) -> None:
    """Signals the run whose shell, not yet reaped by this process, is `leader`."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):  # all gone, or (macOS) only zombies
        pass


class Reaped(NamedTuple):
    """A run's shell that has ended: its wait status, and the processor time and the most memory of it and of what it
    has waited for.
    """

    status: int
    cpu_ms: int
    peak_bytes: int


def reap(leader: int) -> tuple[Reaped | None, bool]:
    """Reaps whatever child has ended: `leader`, if it is among them, and whether others live on."""
    found = None
    try:
        while True:
            pid, status, used = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return found, True
            if pid == leader:
                cpu_ms = round((used.ru_utime + used.ru_stime) * 1000)
                found = Reaped(status, cpu_ms, used.ru_maxrss * _MAXRSS_BYTES)
    except ChildProcessError:
        return found, False


def end_rest(leader: int, lock_path: str, is_subreaper: bool, others: bool) -> None:
    """Ends what a run has left behind after its shell was reaped.

    `others`: whether this process had children besides the shell, as `reap` has said.
    """
    if not is_subreaper:
        if lockfile.is_held(lock_path):
            # As something of the run lives, its group most likely does, and keeps its number from being used again.
            signal_group(leader, signal.SIGKILL)
    elif others:
        end_orphans()


def end_orphans() -> None:
    """KILLs every child of this process until none is left.

    Children of those killed become ours in their turn. One that we may not kill, somebody else's by now, is waited
    for.
    """
    pause_s = 0.0005
    while reap(0)[1]:
        for pid in child_pids():
            _kill(pid)
        time.sleep(pause_s)  # they die at once, unless the kernel holds them
        pause_s = min(0.1, pause_s * 2)


def end_tree_of(mark: str, lock_path: str, spared: frozenset[int] | None) -> bool:
    """KILLs what a dead worker's run has left, without waiting for it. True once nothing of it lives.

    That is whoever carries the worker's mark in its environment, with all that belongs to it; and, in a supervisor that
    is a subreaper, every child that is not `spared`. None: this process's children are none of our business. Without
    /proc nobody can be found: the answer stays False until what holds the lock has ended by itself.
    """
    left = _kill_marked(os.fsencode(f"{job_environment.MARK}={mark}"))
    if spared is not None and os.getpid() != 1:  # the first process of a container inherits everybody's orphans
        for pid in _children_but(spared):
            _kill(pid)
            os.waitpid(pid, os.WNOHANG)
        left = left or bool(_children_but(spared))
    return not left and not lockfile.is_held(lock_path)


def _kill(pid: int) -> None:
    """KILLs a child. One that runs as somebody else cannot be: then it is waited for."""
    try:
        os.kill(pid, signal.SIGKILL)
    except (PermissionError, ProcessLookupError):
        pass


def child_pids() -> list[int]:
    """The children of this process, zombies included; perhaps not all while some exit. None where there is no
    /proc.
    """
    me = os.getpid()
    try:
        with open(f"/proc/self/task/{me}/children") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return [pid for pid in _all_pids() if parent_pid(pid) == me]


def _children_but(spared: frozenset[int]) -> list[int]:
    """By the parents of all processes: the kernel's own list of children may lack some while others exit."""
    me = os.getpid()
    return [pid for pid in _all_pids() if pid not in spared and parent_pid(pid) == me]


def parent_pid(pid: int) -> int | None:
    fields = _stat_fields(pid)
    return None if fields is None else int(fields[1])


def ancestors() -> list[int]:
    """The parent of this process, its parent, and so on; the first alone where there is no /proc."""
    found = []
    pid: int | None = os.getppid()
    while pid:
        found.append(pid)
        pid = parent_pid(pid)
    return found


def marks_of(pids: Iterable[int]) -> set[str]:
    """The marks that this process and these bear in their environment."""
    prefix = f"{job_environment.MARK}=".encode()
    found = {os.fsdecode(word[len(prefix) :]) for pid in pids for word in _environ(pid) if word.startswith(prefix)}
    return found | {os.environ.get(job_environment.MARK, "")}


def reap_all_but(spared: Collection[int]) -> None:
    """Takes leave of the children that have ended, but of these. Where there is no /proc, nobody is found."""
    for pid in child_pids():
        if pid not in spared:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def start_time(pid: int) -> str | None:
    """A text that tells this process from a later one of the same pid; None when there is no such process."""
    if sys.platform.startswith("linux"):
        fields = _stat_fields(pid)
        return None if fields is None else fields[19]
    import subprocess

    env = {**os.environ, "LC_ALL": "C", "TZ": "UTC0"}  # the text must not depend on who asks
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    said = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    return said.stdout.strip() or None


def _stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on; the second, the name, may hold anything."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode("ascii").split()
    except OSError:
        return None


def _all_pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _kill_marked(cookie: bytes) -> bool:
    """KILLs who carries the cookie, all that descend from them, and the sessions that they lead; whether there was any.

    For a child may have a clean environment. Who belongs to whom is told before anybody is killed.
    """
    stats = {pid: fields for pid in _all_pids() if (fields := _stat_fields(pid)) is not None}
    victims = {pid for pid in stats if cookie in _environ(pid)}
    grown = -1
    while victims and len(victims) != grown:
        grown = len(victims)
        victims |= {pid for pid, fields in stats.items() if int(fields[1]) in victims or int(fields[3]) in victims}
    victims.discard(os.getpid())
    for pid in victims:
        _kill_held(pid, stats[pid][19])
    return bool(victims)


def _kill_held(pid: int, started: str) -> None:
    """KILLs a process by a pidfd, if it is still the one that has started then."""
    if not hasattr(os, "pidfd_open") or not hasattr(signal, "pidfd_send_signal"):
        return
    try:
        held = os.pidfd_open(pid)
    except OSError:
        return
    try:
        fields = _stat_fields(pid)
        if fields is not None and fields[19] == started:
            signal.pidfd_send_signal(held, signal.SIGKILL)
    except OSError:
        pass
    finally:
        os.close(held)


def _environ(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []
