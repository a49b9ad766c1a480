"""PidFile: the file that says which process is the supervisor, for people and for `worker stop`.

It holds the PID and a start time, which distinguishes the process from a later one with the same PID. The module knows
processes, but not what a supervisor is.

Invariant: signal only a PID that `read` returns. Another process can have the PID in the file by now.
"""

from __future__ import annotations

import os

from . import file_io, proc_stat


def write(path: str) -> None:
    """Write the PID and the start time of this process.

    Raises: OSError.
    """
    me = os.getpid()
    file_io.replace_file(path, f"{me}\n{proc_stat.start_time(me)}\n".encode(), synced=False)


def read(path: str) -> int | None:
    """Return the PID if the process that wrote the file is alive; None otherwise."""
    try:
        first, started = file_io.read(path, 256).decode("utf-8", "replace").split("\n")[:2]
        pid = int(first)
    except (FileNotFoundError, ValueError):
        return None
    return pid if pid > 0 and proc_stat.start_time(pid) == started else None
