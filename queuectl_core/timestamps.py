"""Times: conversions between text and integer times in milliseconds since 1970, UTC.

Pure: formats and parses its arguments, and reads no clock.
"""

from __future__ import annotations

import time


def utc(at_ms: int) -> str:
    """Format a time in ms as `2025-11-04T10:30:00Z`, the form of RFC 3339 that every record uses."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms // 1000))


def utc_or_none(at_ms: int | None) -> str | None:
    """Format a time in ms, or return None for None."""
    return None if at_ms is None else utc(at_ms)


def from_utc(text: str) -> int:
    """Return the time in ms of text that `utc` formatted, to the whole second."""
    fields = text.rstrip("Z").replace("T", "-").replace(":", "-").split("-")
    year, month, day, hour, minute, second = map(int, fields)
    return (((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000


def _days(year: int, month: int, day: int) -> int:
    """Count the days since 1970-01-01 in the Gregorian calendar.

    Years are counted from March: the leap day is the last day, and every five months from March have 153 days.
    `calendar.timegm` does the same, but its import costs 2 ms.
    """
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    return year * 365 + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 1 - 719_468


def format_age(duration_ms: int) -> str:
    """Format a duration in ms for people, in whole seconds below a minute: `4 s`."""
    return f"{max(0, duration_ms) // 1000} s" if duration_ms < 60_000 else format_span(duration_ms)


def format_span(duration_ms: int) -> str:
    """Format a duration in ms for people: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    seconds = max(0, duration_ms) / 1000
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, whole = divmod(int(seconds), 60)
    if minutes == 0:
        return f"{whole} s"
    hours, minutes = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes} min {whole} s"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"


END_MS = 253_402_300_800_000
"""The year 10000, which RFC 3339 cannot express."""

_UNIT_S = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_duration_s(text: str) -> float | int | None:
    """Return the seconds in text like `90`, `90s`, `1.5h`, `1h30m`, `2d`; None for other text."""
    import re

    if not re.fullmatch(r"([0-9]+(\.[0-9]+)?(min|[smhdw]))+|[0-9]+(\.[0-9]+)?", text.strip(), re.ASCII):
        return None
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(min|[smhdw]?)", text.strip(), re.ASCII)
    total = sum(float(number) * _UNIT_S[unit] for number, unit in parts)
    if total == float("inf"):
        return None
    return int(total) if total == int(total) else total


def parse_rfc3339(text: str) -> int | None:
    """Return the ms of an instant like `2026-12-24T18:00Z` or `2026-12-24 18:00:30.5+01:00`; None for other text."""
    import datetime
    import re

    pattern = (
        r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2}(\.[0-9]+)?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})"
    )
    match = re.fullmatch(pattern, text.strip(), re.ASCII)
    if match is None:
        return None
    day, minute, second, fraction, zone = match.groups()
    zone = "+00:00" if zone in "Zz" else f"{zone[:3]}:{zone[-2:]}"
    try:
        at = datetime.datetime.fromisoformat(f"{day}T{minute}{(second or ':00')[:3]}{zone}")
    except ValueError:
        return None
    since = at - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    at_ms = since // datetime.timedelta(milliseconds=1) + int(float(fraction or 0) * 1000)
    return at_ms if 0 <= at_ms < END_MS else None
