"""Spells: durations in a few characters, and when the text of one changes.

Pure.
"""

from __future__ import annotations

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


def clock(ms: int) -> str:
    """Return how long something runs: `4s`, `3m20s`, `2h05m`, `3d04h`."""
    if ms < MINUTE_MS:
        return f"{max(0, ms) // 1000}s"
    if ms < HOUR_MS:
        return f"{ms // MINUTE_MS}m{ms % MINUTE_MS // 1000:02}s"
    if ms < DAY_MS:
        return f"{ms // HOUR_MS}h{ms % HOUR_MS // MINUTE_MS:02}m"
    return f"{ms // DAY_MS}d{ms % DAY_MS // HOUR_MS:02}h"


def age(ms: int) -> str:
    """Return how long ago something was, in one unit: `4s`, `3m`, `2h`, `3d`."""
    for unit_ms, unit in ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "m")):
        if ms >= unit_ms:
            return f"{ms // unit_ms}{unit}"
    return f"{max(0, ms) // 1000}s"


def clock_changes_in_ms(ms: int) -> int:
    """Return in how many ms the text of `clock` changes."""
    unit_ms = next((unit for most, unit in ((HOUR_MS, 1000), (DAY_MS, MINUTE_MS)) if ms < most), HOUR_MS)
    return unit_ms - max(0, ms) % unit_ms


def age_changes_in_ms(ms: int) -> int:
    """Return in how many ms the text of `age` changes."""
    unit_ms = next((unit for unit in (DAY_MS, HOUR_MS, MINUTE_MS) if ms >= unit), 1000)
    return unit_ms - max(0, ms) % unit_ms


def age_falls_in_ms(ms: int) -> int:
    """Return in how many ms the text of `age` changes for a duration that falls."""
    unit_ms = next((unit for unit in (DAY_MS, HOUR_MS, MINUTE_MS) if ms >= unit), 1000)
    return max(0, ms) % unit_ms + 1
