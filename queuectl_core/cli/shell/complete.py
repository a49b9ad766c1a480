"""`queuectl __complete -- WORD…`: what the last word of an unfinished call may become, for the completion of a shell.

It prints a line for each candidate: the word, and after a tab what it means.
"""

from __future__ import annotations

import signal

from ...api import Queue
from ...home import Home, expanded
from ..fast_args import Arguments
from ..screen import Screen, visible, write
from .candidates import candidates
from .live_values import WITHIN_S, LiveValues

TAKES_WORDS = True
SUMMARY = "Prints what the last word may become, for the completion of a shell."
EXAMPLES = ["queuectl __complete -- show ''"]


class _TooLate(Exception):
    """The shell has waited long enough."""


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the candidates, or nothing if they take too long."""

    def give_up(*_: object) -> None:
        raise _TooLate

    def live_of(home: str | None) -> LiveValues:
        signal.setitimer(signal.ITIMER_REAL, WITHIN_S)
        return LiveValues(queue.home if home is None else Home(expanded(home)))

    signal.signal(signal.SIGALRM, give_up)
    try:
        found = candidates(args.words or [""], live_of)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except _TooLate:
        return
    for word, text in found.items():
        if word.isprintable() and word:
            write(f"{word}\t{visible(text)}\n")
