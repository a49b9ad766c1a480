"""PidFile: who the supervisor is, for people and for `worker stop`: the pid, then a text that tells it from a later
process of the same pid.

Knows processes, not what a supervisor is. The trap: a pid alone may by now be anybody's; never signal one that
`read` did not vouch for.
"""

from __future__ import annotations

import os

from . import durable_files, process_tree


def write(path: str) -> None:
    """Names this process. Raises OSError."""
    me = os.getpid()
    durable_files.replace_file(path, f"{me}\n{process_tree.start_time(me)}\n".encode(), synced=False)


def read(path: str) -> int | None:
    """The pid, if the process that wrote the file still lives; None otherwise."""
    try:
        with open(path, "rb", opener=durable_files.owned) as file:
            first, second = file.read(256).decode("utf-8", "replace").split("\n")[:2]
        pid = int(first)
    except (FileNotFoundError, ValueError):
        return None
    return pid if pid > 0 and process_tree.start_time(pid) == second else None


def remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
