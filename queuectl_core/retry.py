"""Retry: how often a job is tried again, and how long it waits before each time.

Pure arithmetic. Does not know jobs, clocks or what a failure was. The trap: `base ** attempts` leaves the range of
a float for ordinary settings (2 ** 1100), so the cap is applied to the exponent's logarithm, before the power.
"""

from __future__ import annotations

import math

MAX_RETRIES = 1000
MAX_BACKOFF_BASE = 3600.0
MAX_DELAY_S = 365 * 86400
"""No wait is longer than a year, whatever base and attempts say."""

MAX_LOSSES = 3
"""A job that took its worker down this many times is dead, whatever its `max_retries`: it is the likely cause."""


def delay_ms(base: float, attempts: int) -> int:
    """The wait after failed attempt number `attempts` (1 is the first): base ** attempts seconds, in ms, capped at a
    year.
    """
    if base <= 1:
        return round(base**attempts * 1000)
    if attempts * math.log(base) >= math.log(MAX_DELAY_S):
        return MAX_DELAY_S * 1000
    return round(base**attempts * 1000)


def is_spent(attempts: int, max_retries: int) -> bool:
    """True when no retry is left: `max_retries` 3 means at most four runs."""
    return attempts > max_retries
