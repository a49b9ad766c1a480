"""Time arguments: how a person writes times on a command line. Times without a zone are local here, and nowhere else.

Knows the clock of this machine, no command. The trap: a time of day is the next one, or the last, as who asks means it.
"""

from __future__ import annotations

from ..errors import InvalidInput

TIMED_OUT = 124
"""As timeout(1) has it."""


def seconds_of(text: str, flag: str) -> float:
    """Raises InvalidInput."""
    from ..timestamps import parse_duration_s

    found = parse_duration_s(text)
    if found is None:
        raise InvalidInput(what=f"{flag} needs a time like 90s, 10m or 2h, not {text[:40]!r}")
    return float(found)


def instant(text: str) -> str:
    """`18:30`, a date and time, with or without a zone, as RFC 3339 in UTC; what is none of these as it is."""
    import time

    from ..timestamps import parse_rfc3339, utc

    if parse_rfc3339(text) is not None:
        return text
    for pattern in ("%H:%M", "%H:%M:%S", "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"):
        try:
            found = time.strptime(text, pattern)
        except ValueError:
            continue
        if pattern.startswith("%H"):
            return _next_time_of_day(found)
        at_s = time.mktime((*found[:8], -1))
        return utc(round(at_s * 1000))
    return text


def _next_time_of_day(found: tuple[int, ...]) -> str:
    """Today, or tomorrow where that is over."""
    import time

    from ..timestamps import utc

    now_s = time.time()
    today = time.localtime(now_s)
    for day in (today.tm_mday, today.tm_mday + 1):
        at_s = time.mktime((today.tm_year, today.tm_mon, day, found[3], found[4], found[5], 0, 0, -1))
        if at_s > now_s:
            break
    return utc(round(at_s * 1000))
