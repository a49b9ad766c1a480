"""Cron: recurring times in the five fields of crontab(5), and the next time.

    minute hour day-of-month month day-of-week      * 5 1-5 */15 1,15 10-50/10; jan-dec, sun-sat, 7 is sun
    @hourly @daily @weekly @monthly @yearly

As in Vixie cron, a day matches if day of month or day of week matches, unless one of the two begins with `*`. Then both
must match.
When clocks go forward, the skipped times run once, at the end of the gap. When clocks go back, a time runs only the
first time, unless the hour is `*`.

Pure: the caller passes the time zone.

Warning: a day has 23 to 25 hours. So the search counts in UTC and compares in the time zone.
"""

from __future__ import annotations

import datetime
import re
from typing import NamedTuple

_FIELDS = (
    ("minute", 0, 59, ""),
    ("hour", 0, 23, ""),
    ("day of month", 1, 31, ""),
    ("month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"),
    ("day of week", 0, 7, "sun mon tue wed thu fri sat"),
)
"""The name of each field, its bounds, and the names of its values."""

_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_LOOK_AHEAD = datetime.timedelta(days=9 * 366)
"""The search limit: the next 29 February is at most eight years away."""

_MINUTE = datetime.timedelta(minutes=1)
_UTC = datetime.timezone.utc


class Cron(NamedTuple):
    """The values that match in each field.

    `any_hour` means that the hour is `*`; `any_day` and `any_weekday` mean that the field begins with `*`.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_hour: bool
    any_day: bool
    any_weekday: bool

    def fits_day(self, at: datetime.datetime) -> bool:
        """Return whether the day of a local time matches."""
        in_month, in_week = at.day in self.days, at.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return in_month and in_week
        return in_month or in_week

    def fits(self, at: datetime.datetime) -> bool:
        """Return whether a local time matches, to the minute."""
        return at.month in self.months and self.fits_day(at) and at.hour in self.hours and at.minute in self.minutes


def expanded(text: str) -> str:
    """Return the five fields of a nickname, or the text itself."""
    return _NICKNAMES.get(text.strip().lower(), text)


def parse(text: str) -> Cron:
    """Parse five fields or a nickname.

    Raises: ValueError with a clause.
    """
    words = expanded(text).split()
    if len(words) != 5:
        raise ValueError(f"needs five fields (minute hour day-of-month month day-of-week), not {len(words)}")
    fields = [_parse_field(n, word.lower()) for n, word in enumerate(words)]
    minutes, hours, days, months = fields[:4]
    weekdays = frozenset(day % 7 for day in fields[4])
    any_day, any_weekday = words[2].startswith("*"), words[4].startswith("*")
    return Cron(minutes, hours, days, months, weekdays, words[1] == "*", any_day, any_weekday)


def _parse_field(n: int, text: str) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/([0-9]{1,3}))?", part, re.ASCII)
        name, low, high, _ = _FIELDS[n]
        if match is None or (match[1] == "*" and match[2]):
            raise ValueError(f"has an invalid {name} {part!r}")
        if match[1] != "*":
            low = _value(n, match[1])
            if match[2] or not match[3]:
                high = _value(n, match[2] or match[1])
        step = int(match[3] or 1)
        if low > high or not step:
            raise ValueError(f"has an invalid {name} {part!r}")
        values.update(range(low, high + 1, step))
    return frozenset(values)


def _value(n: int, text: str) -> int:
    field, low, high, names = _FIELDS[n]
    if text in names.split():
        return names.split().index(text) + low
    if not text.isdigit() or len(text) > 9 or not low <= int(text) <= high:
        raise ValueError(f"{field} must be from {low} to {high}, not {text[:40]!r}")
    return int(text)


def next_after(cron: Cron, after_ms: int, zone: datetime.tzinfo | None) -> int | None:
    """Return the first matching time after `after_ms`, in ms since 1970, or None if none is within nine years.

    `zone` None means UTC.
    """
    zone = zone or _UTC
    at = datetime.datetime.fromtimestamp(after_ms // 60_000 * 60, _UTC) + _MINUTE
    end = at + _LOOK_AHEAD
    while at < end:
        local = at.astimezone(zone)
        if _gap_fits(cron, at, local, zone):
            return round(at.timestamp() * 1000)
        if local.month not in cron.months or not cron.fits_day(local):
            at = max(_midnight_after(local, zone), at + _MINUTE)
        elif local.hour not in cron.hours or (local.fold and not cron.any_hour):
            at += datetime.timedelta(minutes=15 - local.minute % 15)  # some clocks change at a quarter of an hour
        elif local.minute not in cron.minutes:
            at += _MINUTE
        else:
            return round(at.timestamp() * 1000)
    return None


def _midnight_after(local: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
    day = local.date() + datetime.timedelta(days=1)
    return datetime.datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(_UTC)


def _gap_fits(cron: Cron, at: datetime.datetime, local: datetime.datetime, zone: datetime.tzinfo) -> bool:
    """Return whether the clocks went forward to this minute, and skipped one that matches."""
    before = (at - _MINUTE).astimezone(zone).replace(tzinfo=None)
    skipped = local.replace(tzinfo=None) - before
    if not _MINUTE < skipped <= datetime.timedelta(hours=3):
        return False
    minutes = skipped // _MINUTE
    return not cron.any_hour and any(cron.fits(before + n * _MINUTE) for n in range(1, minutes))
