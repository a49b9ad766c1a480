"""Run timer: when one run counts as long, times out, and must be killed.

    running ──timeout or order──► terminating ──grace period is over──► killed

Pure: the caller gives the time and sends the signals.

Invariant: a run times out only if no order has ended it.
"""

from __future__ import annotations

import math
from signal import SIGKILL, SIGTERM

LONG_RUN_S = 0.02
"""A run that takes longer, in seconds, is a long run.

The worker then reports where the output is.
It also hands back the runs that wait behind it, because another worker can be idle.
"""

RUNNING, TERMINATING, KILLED = "running", "terminating", "killed"


class RunTimer:
    """The state of one run, and the time of the next change."""

    def __init__(self, began_s: float, timeout_s: float | None, grace_s: float) -> None:
        """Begin with a run that started at `began_s`. `timeout_s` is None or 0 if it has no timeout."""
        self.began_s = began_s
        self.timeout_s = timeout_s or math.inf
        self.state = RUNNING
        self.reason: str | None = None
        """The reason in the order that has ended the run. None if the attempt counts."""
        self.has_timed_out = False
        self.is_long = False
        self._grace_s = grace_s
        self._ends_at_s = began_s + self.timeout_s

    def next_deadline(self) -> float:
        """Return when the next change is due, or infinity."""
        long_at_s = math.inf if self.is_long else self.began_s + LONG_RUN_S
        return min(long_at_s, self._ends_at_s)

    def becomes_long(self, now_s: float) -> bool:
        """Return whether the run is a long run from now on. Return True only once."""
        if self.is_long or now_s < self.began_s + LONG_RUN_S:
            return False
        self.is_long = True
        return True

    def terminate(self, now_s: float, reason: str | None) -> None:
        """Begin the grace period of an order. An earlier order with a reason stays in force."""
        if self.reason is None:
            self.state, self.reason, self.has_timed_out = TERMINATING, reason, False
            self._ends_at_s = now_s + self._grace_s

    def due_signal(self, now_s: float) -> int | None:
        """Return the signal that is due because a timeout or a grace period is over, or None."""
        if now_s < self._ends_at_s:
            return None
        if self.state == RUNNING:
            self.terminate(now_s, None)
            self.has_timed_out = True
            return SIGTERM
        self.state, self._ends_at_s = KILLED, math.inf
        return SIGKILL
