"""Retry policy: how often a job is retried, and the backoff before each retry.

Pure arithmetic. Knows no jobs, no clock, and no kinds of failure.

Warning: `base ** attempts` overflows a float for ordinary settings (2 ** 1100). So `delay_ms` compares
logarithms before it computes the power.
"""

from __future__ import annotations

import math
import zlib

MAX_RETRIES = 1000
MAX_BACKOFF_BASE = 3600.0
MAX_DELAY_S = 365 * 86400
"""The longest backoff: a year, whatever base and attempts are."""

MAX_LOSSES = 3
"""A job that lost its worker this many times is dead, whatever its `max_retries`: it is the likely cause."""


def delay_ms(base: float, attempts: int, max_s: float = MAX_DELAY_S, less: float = 0.0) -> int:
    """Return the backoff in ms after failed attempt number `attempts` (1 is the first).

    It is base ** attempts seconds, at most `max_s`, shortened by the share `less` from 0 to 1.
    """
    if max_s <= 0:
        return 0
    if base > 1 and attempts * math.log(base) >= math.log(max_s):
        delay_s = max_s
    else:
        delay_s = min(max_s, base**attempts)
    return round(delay_s * (1 - less) * 1000)


def jitter_fraction(seed: str) -> float:
    """Return a number from 0 to 1 that looks random, but is always the same for the same text."""
    return zlib.crc32(seed.encode()) / 2**32


def retries_exhausted(attempts: int, max_retries: int) -> bool:
    """Return whether no retry is left: `max_retries` 3 means at most four runs."""
    return attempts > max_retries
