"""Schedule times: when a schedule adds its job, in words, and its next times.

Pure: the caller passes the time zones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import QueueError
from ..model import cron
from ..timestamps import format_span, from_utc, utc

if TYPE_CHECKING:
    import datetime

    from ..model.queue_records import ScheduleRecord

NEXT_TIMES = 5

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WEEKDAYS = {
    "*": "every day",
    "1-5": "Monday to Friday",
    "mon-fri": "Monday to Friday",
    "0,6": "Saturday and Sunday",
}


def next_times(
    schedule: ScheduleRecord, zone_of: Callable[[str], datetime.tzinfo | None]
) -> list[str]:
    """Return the next five times of a schedule, or none while it is paused.

    `zone_of` finds a time zone by name.
    """
    first = schedule["next_run_at"]
    if first is None:
        return []
    every_s, zone_name = schedule["every_s"], schedule["zone"]
    if every_s is not None:
        start_ms = from_utc(first)
        return [utc(start_ms + round(n * every_s * 1000)) for n in range(NEXT_TIMES)]
    try:
        zone, times = zone_of(zone_name or "UTC"), cron.parse(schedule["cron"] or "")
    except (QueueError, ValueError):
        return [first]
    found = [from_utc(first)]
    while (
        len(found) < NEXT_TIMES
        and (following := cron.next_after(times, found[-1], zone)) is not None
    ):
        found.append(following)
    return list(map(utc, found))


def in_words(schedule: ScheduleRecord) -> str:
    """Return when a schedule adds its job. Times that have no simple words appear as they are."""
    if schedule["every_s"] is not None:
        return f"every {format_span(round(schedule['every_s'] * 1000))}"
    text, zone = schedule["cron"] or "", schedule["zone"] or "UTC"
    said = _words_of(text.strip().lower())
    return f"{said or text}, {zone}"


def _words_of(text: str) -> str | None:
    fields = cron.expanded(text).split()
    if len(fields) != 5:
        return None
    minute, hour, day, month, weekday = fields
    if month != "*" or (day != "*" and weekday != "*"):
        return None
    days = _days_of(weekday) if day == "*" else _day_of_month(day)
    return None if days is None else _within_a_day(minute, hour, days)


def _within_a_day(minute: str, hour: str, days: str) -> str | None:
    """Return times within a day in words, on `days`."""
    more = "" if days == "every day" else f", {days}"
    step = re.fullmatch(r"\*/([0-9]{1,2})", minute)
    if hour == "*" and minute == "*":
        return f"every minute{more}"
    if hour == "*" and step and 60 % int(step[1]) == 0:
        return f"every {step[1]} minutes{more}"
    if hour == "*" and minute.isdigit():
        return f"every hour at :{int(minute):02}{more}"
    if hour.isdigit() and minute.isdigit():
        return f"{days} at {int(hour):02}:{int(minute):02}"
    return None


def _day_of_month(day: str) -> str | None:
    return f"on day {day} of each month" if day.isdigit() else None


def _days_of(weekday: str) -> str | None:
    """Return days of the week in words."""
    if weekday in _WEEKDAYS:
        return _WEEKDAYS[weekday]
    numbers = [
        _DAY_NAMES.index(name) if name in _DAY_NAMES else name for name in weekday.split(",")
    ]
    if not all(str(number).isdigit() and int(number) < len(_DAYS) for number in numbers):
        return None
    return "every " + " and ".join(_DAYS[int(number)] for number in numbers)
