"""Descriptors: the descriptors that a new process closes, and signals that a loop can poll.

It does not know the purpose of a descriptor or the meaning of a signal.

Invariant: a new process closes every descriptor that it does not need. A descriptor left open by mistake keeps a lock,
or hides the death of this process from the other end.
Invariant: each signal in `signal_reader` has a Python handler. Without one, Python writes nothing to the wakeup
descriptor.
"""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
from collections.abc import Collection, Iterable

_MANY = 65_536
"""The number of descriptors to try if the limit is higher or unlimited."""


def close_all_but(kept: Iterable[int]) -> None:
    """Close every descriptor except the standard streams and these."""
    close_all(open_descriptors() - {0, 1, 2, *kept})


def open_descriptors() -> frozenset[int]:
    """Return the descriptors that this process has open."""
    try:
        # The list includes the descriptor that listdir itself used, which is closed now.
        listed: Iterable[int] = map(int, os.listdir("/dev/fd"))
    except OSError:  # no /proc, or no descriptor left
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        listed = iter(range(_MANY if soft == resource.RLIM_INFINITY else min(soft, _MANY)))
    return frozenset(filter(_is_open, listed))


def _is_open(descriptor: int) -> bool:
    """Return whether this is an open descriptor."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_GETFD)
    except OSError:
        return False
    return True


def close_all(descriptors: Iterable[int]) -> None:
    """Close those of these descriptors that are open."""
    for descriptor in descriptors:
        try:
            os.close(descriptor)
        except OSError:
            pass


def signal_reader(numbers: Collection[int]) -> int:
    """Return a descriptor that receives the number of each of these signals, one byte each.

    It replaces their handlers and unblocks them: a process inherits blocked signals from its parent.
    """
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    arrived = select.poll()
    arrived.register(readable, select.POLLIN)

    def write_number(number: int, frame: object) -> None:
        """Write the number if the interpreter could not, for lack of memory: otherwise the loop misses it.

        An error here must not end the code that the signal interrupted.
        """
        try:
            if not arrived.poll(0):
                os.write(writable, bytes((number,)))
        except OSError:  # most likely the number is there already; no second try, as two SIGTERM mean something else
            pass

    for number in numbers:
        signal.signal(number, write_number)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    return readable
