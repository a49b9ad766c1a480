"""Value arguments: times, whole numbers and pauses as users write them on a command line.

It knows the clock of this machine, but no command.
Invariant: a time without a zone is local on the command line, and nowhere else.
Invariant: a time of day means its next occurrence here. Filters change that to the last one.
"""

from __future__ import annotations

from ..errors import InvalidInput

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ..model.queue_records import QueueLimits
    from .fast_args import Arguments, Option

PAUSE_OPTIONS: tuple[Option, ...] = (
    ("--for", "TIME", "end the pause after this time, like 2h"),
    ("--reason", "TEXT", "why, for `status` and `why`"),
)
"""The options of a pause of one queue or of all."""

TIMED_OUT = 124
"""The exit status after a timeout, as in timeout(1)."""

MAX_NUMBER = 10**18


def whole_number(text: str, flag: str, least: int = 0, most: int = MAX_NUMBER) -> int:
    """Return the whole number in a text.

    Raises: InvalidInput.
    """
    if text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most:
        return int(text)
    bounds = f", {least} or more" if most == MAX_NUMBER else f" from {least} to {most}"
    raise InvalidInput(what=f"{flag} must be a whole number{bounds}, not {text[:40]!r}")


def seconds_of(text: str, flag: str) -> float:
    """Return the seconds in a text like `90s`, `10m` or `2h`.

    Raises: InvalidInput.
    """
    from ..timestamps import parse_duration_s

    seconds = parse_duration_s(text)
    if seconds is None:
        raise InvalidInput(what=f"{flag} needs a time like 90s, 10m or 2h, not {text[:40]!r}")
    return float(seconds)


def instant(text: str) -> str:
    """Return a local time or date, like `18:30` or `2026-12-24`, as RFC 3339 in UTC.

    Text that is RFC 3339 already, and text that is no time, stays as it is.
    """
    import time

    from ..timestamps import parse_rfc3339, utc

    if parse_rfc3339(text) is not None:
        return text
    for pattern in ("%H:%M", "%H:%M:%S", "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"):
        try:
            local = time.strptime(text, pattern)
        except ValueError:
            continue
        at_s = _next_time_of_day(local) if pattern.startswith("%H") else time.mktime((*local[:8], -1))
        return utc(round(at_s * 1000))
    return text


def local_time(text: str) -> str:
    """Return a time that `utc` formatted as a local time with its zone, like `2026-12-24 18:30:00 CET`."""
    import time

    from ..timestamps import from_utc

    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(from_utc(text) / 1000))


def _next_time_of_day(local: tuple[int, ...]) -> float:
    """Return this time of today, or of tomorrow if it has passed today."""
    import time

    now_s = time.time()
    year, month, today = time.localtime(now_s)[:3]
    hour, minute, second = local[3:6]
    times = [time.mktime((year, month, day, hour, minute, second, 0, 0, -1)) for day in (today, today + 1)]
    return times[0] if times[0] > now_s else times[1]


def pause_of(args: Arguments) -> QueueLimits:
    """Return the rules of the pause that the options describe."""
    rules: QueueLimits = {"paused": True}
    if args.__dict__["for"] is not None:
        rules["pause_for"] = args.__dict__["for"]
    if args.reason is not None:
        rules["pause_reason"] = args.reason
    return rules


def until_clause(end: str | None) -> str:
    """Return a clause about the end of a pause, a time in UTC, or an empty text without one."""
    return f" until {local_time(end)}" if end else ""
