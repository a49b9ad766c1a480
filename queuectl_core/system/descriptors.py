"""Descriptors: what a new process lets go of, and how a process hears signals in its loop.

Knows neither what the descriptors stand for nor what the signals mean. The trap: a descriptor kept by mistake keeps a
lock, or hides from somebody that this process has died; a signal without a Python handler writes nothing to the
wakeup fd.
"""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
from collections.abc import Collection, Iterable

_MANY = 65_536


def close_all_but(kept: Iterable[int]) -> None:
    """Closes everything above the standard streams but these."""
    close_all(open_ones() - {0, 1, 2, *kept})


def open_ones() -> frozenset[int]:
    """The descriptors that this process has open."""
    try:
        # With that of the listing itself, which is closed by now.
        listed: Iterable[int] = map(int, os.listdir("/dev/fd"))
    except OSError:  # no /proc, or no descriptor left
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        listed = iter(range(_MANY if soft == resource.RLIM_INFINITY else min(soft, _MANY)))
    return frozenset(filter(_is_open, listed))


def _is_open(descriptor: int) -> bool:
    try:
        fcntl.fcntl(descriptor, fcntl.F_GETFD)
    except OSError:
        return False
    return True


def close_all(descriptors: Iterable[int]) -> None:
    """Closes those of these descriptors that are open."""
    for descriptor in descriptors:
        try:
            os.close(descriptor)
        except OSError:
            pass


def signal_reader(numbers: Collection[int]) -> int:
    """A descriptor from which the numbers of these signals can be read, a byte each. Their handlers see to that
    alone. Whoever started this process may have had them blocked, which is inherited.
    """
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    arrived = select.poll()
    arrived.register(readable, select.POLLIN)

    def mend(number: int, frame: object) -> None:
        """The interpreter has written the number, unless the system had no memory for it: then a wait went on.

        Whatever fails here must not end what the signal has interrupted.
        """
        try:
            if not arrived.poll(0):
                os.write(writable, bytes((number,)))
        except OSError:  # the interpreter has most likely written it, and a second SIGTERM means another thing
            pass

    for number in numbers:
        signal.signal(number, mend)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    return readable
