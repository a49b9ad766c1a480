"""Unused input: whether somebody pipes data into a command that does not read it.

It does not know any command.
Invariant: input that the command only inherits does not count, as in a `while read` loop, under cron, or over ssh.
"""

from __future__ import annotations

import os
import select
import stat


def is_piped() -> bool:
    """Return whether standard input is a pipe with data, which the parent process does not read itself."""
    try:
        own = os.fstat(0)
        return stat.S_ISFIFO(own.st_mode) and _has_data() and not _is_inherited(own)
    except OSError:  # no standard input, or a parent that we cannot see: it belongs to another user, or has ended
        return False


def _has_data() -> bool:
    poll = select.poll()
    poll.register(0, select.POLLIN)
    return any(event & select.POLLIN for _, event in poll.poll(0))


def _is_inherited(own: os.stat_result) -> bool:
    """Return whether the parent has the same input, or is an ssh server, which passes on what its client has.

    Raises: OSError.
    """
    parent = f"/proc/{os.getppid()}"
    with open(f"{parent}/comm", "rb") as file:
        if file.read().startswith(b"sshd"):
            return True
    return os.path.samestat(own, os.stat(f"{parent}/fd/0"))
