"""Retry policy: how often a job is tried again, and how long it waits before each time.

Pure arithmetic. Does not know jobs, clocks or what a failure was. The trap: `base ** attempts` leaves the range of
a float for ordinary settings (2 ** 1100), so the cap is applied to the exponent's logarithm, before the power.
"""

from __future__ import annotations

import math
import zlib

MAX_RETRIES = 1000
MAX_BACKOFF_BASE = 3600.0
MAX_DELAY_S = 365 * 86400
"""No wait is longer than a year, whatever base and attempts say."""

MAX_LOSSES = 3
"""A job that took its worker down this many times is dead, whatever its `max_retries`: it is the likely cause."""


def delay_ms(base: float, attempts: int, max_s: float = MAX_DELAY_S, less: float = 0.0) -> int:
    """The wait after failed attempt number `attempts` (1 is the first): base ** attempts seconds, in ms, capped at
    `max_s`, and shortened by a share `less` from 0 to 1.
    """
    if max_s <= 0:
        return 0
    if base > 1 and attempts * math.log(base) >= math.log(max_s):
        delay_s = max_s
    else:
        delay_s = min(max_s, base**attempts)
    return round(delay_s * (1 - less) * 1000)


def scatter(seed: str) -> float:
    """A number from 0 to 1 that looks random and is always the same for the same text."""
    return zlib.crc32(seed.encode()) / 2**32


def is_spent(attempts: int, max_retries: int) -> bool:
    """True when no retry is left: `max_retries` 3 means at most four runs."""
    return attempts > max_retries
