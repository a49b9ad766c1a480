"""Descriptors: what a new process lets go of, and how a process hears signals in its loop.

Knows neither what the descriptors stand for nor what the signals mean. The trap: a descriptor kept by mistake keeps a
lock, or hides from somebody that this process has died; a signal without a Python handler writes nothing to the
wakeup fd.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Collection, Iterable


def close_all_but(kept: Iterable[int]) -> None:
    """Closes everything above the standard streams but these."""
    spared = {0, 1, 2, *kept}
    for name in os.listdir("/dev/fd"):
        if int(name) not in spared:
            try:
                os.close(int(name))
            except OSError:  # the descriptor of this very listing
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
        """The interpreter has written the number, unless the system had no memory for it: then a wait went on."""
        if not arrived.poll(0):
            os.write(writable, bytes((number,)))

    for number in numbers:
        signal.signal(number, mend)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    return readable
