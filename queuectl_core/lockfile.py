"""Locks on files: who holds one is alive. `flock`; the writer lock is never unlinked, a worker's only when it is
dead.

Knows nothing of what a lock stands for. The traps: a flock belongs to the open file description, so a forked child
shares it until it closes its copy; and unlinking a locked file would let two hold "the" lock.
"""

from __future__ import annotations

import fcntl
import os


def acquire(path: str) -> int | None:
    """A descriptor that holds the lock until it is closed, or None while somebody else holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_held(path: str) -> bool:
    """Whether somebody holds the lock now; a file that is not there is held by nobody."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # not to wait for a FIFO
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
