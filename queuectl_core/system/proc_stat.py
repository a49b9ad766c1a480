"""ProcStat: the processes of this system, as Linux shows them in /proc. Other systems show none, except to `ps`.

It does not know about runs and workers. It only looks, and ends no process.
"""

from __future__ import annotations

import os
import sys

from ..light_types import NamedTuple


class Process(NamedTuple):
    """One process: the PID of its parent, the ID of its session, and its start time in clock ticks since boot."""

    parent: int
    session: int
    started: str


def find(pid: int) -> Process | None:
    """Return a process, or None if it does not exist."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field, the name, can contain spaces and parentheses.
            fields = file.read().rpartition(b")")[2].decode("ascii").split()
    except OSError:
        return None
    return Process(int(fields[1]), int(fields[3]), fields[19])


def pids() -> list[int]:
    """Return the PIDs of all processes; an empty list if there is no /proc."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def environ_of(pid: int) -> list[bytes]:
    """Return the variables of a process, as NAME=VALUE; an empty list if this process may not read them."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


def children() -> list[int]:
    """Return the children of this process, zombies included. The list can be incomplete while some of them exit."""
    me = os.getpid()
    try:
        with open(f"/proc/self/task/{me}/children") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return all_children()


def all_children() -> list[int]:
    """Return all children of this process, zombies included: it checks the parent of every process."""
    me = os.getpid()
    return [pid for pid in pids() if parent_of(pid) == me]


def parent_of(pid: int) -> int | None:
    """Return the PID of a process's parent, or None if the process does not exist."""
    process = find(pid)
    return None if process is None else process.parent


def ancestors() -> list[int]:
    """Return the parent of this process, its parent, and so on; only the first if there is no /proc."""
    above = []
    pid: int | None = os.getppid()
    while pid:
        above.append(pid)
        pid = parent_of(pid)
    return above


def start_time(pid: int) -> str | None:
    """Return a text that distinguishes this process from a later one with the same PID.

    Return None if the process does not exist.
    """
    if sys.platform.startswith("linux"):
        process = find(pid)
        return None if process is None else process.started
    import subprocess

    env = {**os.environ, "LC_ALL": "C", "TZ": "UTC0"}  # the text must be the same for every caller
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    return done.stdout.strip() or None
