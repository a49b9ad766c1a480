"""Cron: five fields, and the next matching time over months, leap years and clock changes."""

from __future__ import annotations

import datetime

import pytest

from queuectl_core.model import cron

UTC = datetime.timezone.utc
zoneinfo = pytest.importorskip("zoneinfo")
try:
    BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
except zoneinfo.ZoneInfoNotFoundError:
    BERLIN = None
needs_zones = pytest.mark.skipif(BERLIN is None, reason="this system has no time zone database")


def times(text: str, after: str, count: int = 1, zone: datetime.tzinfo = UTC) -> list[str]:
    at_ms = round(datetime.datetime.fromisoformat(after).replace(tzinfo=zone).timestamp() * 1000)
    found = []
    for _ in range(count):
        next_ms = cron.next_after(cron.parse(text), at_ms, zone)
        assert next_ms is not None and next_ms > at_ms
        at_ms = next_ms
        found.append(datetime.datetime.fromtimestamp(at_ms / 1000, zone).strftime("%m-%d %H:%M%z"))
    return found


@pytest.mark.parametrize(
    "text, after, expected",
    [
        ("* * * * *", "2026-11-24T10:00:30", ["11-24 10:01+0000", "11-24 10:02+0000"]),
        ("*/15 * * * *", "2026-11-24T10:46", ["11-24 11:00+0000", "11-24 11:15+0000"]),
        ("30 2 * * *", "2026-12-31T02:30", ["01-01 02:30+0000", "01-02 02:30+0000"]),
        ("0 9-17/4 * * mon-fri", "2026-11-27T14:00", ["11-27 17:00+0000", "11-30 09:00+0000"]),
        ("0 0 1 jan,jul *", "2026-11-24T00:00", ["01-01 00:00+0000", "07-01 00:00+0000"]),
        ("0 0 29 2 *", "2026-11-24T00:00", ["02-29 00:00+0000", "02-29 00:00+0000"]),
        ("0 0 13 * 5", "2026-11-24T00:00", ["11-27 00:00+0000", "12-04 00:00+0000"]),
        ("0 0 * * 7", "2026-11-24T00:00", ["11-29 00:00+0000", "12-06 00:00+0000"]),
        ("5/20 * * * *", "2026-11-24T10:00", ["11-24 10:05+0000", "11-24 10:25+0000"]),
        ("@daily", "2026-11-24T10:00", ["11-25 00:00+0000", "11-26 00:00+0000"]),
        ("@weekly", "2026-11-24T10:00", ["11-29 00:00+0000", "12-06 00:00+0000"]),
    ],
)
def test_next_times(text: str, after: str, expected: list[str]) -> None:
    assert times(text, after, 2) == expected


@needs_zones
def test_skipped_time_moves_to_the_end_of_the_gap() -> None:
    assert times("30 2 * * *", "2026-03-28T12:00", 2, BERLIN) == ["03-29 03:00+0200", "03-30 02:30+0200"]
    assert times("*/15 2 * * *", "2026-03-29T00:00", 2, BERLIN) == ["03-29 03:00+0200", "03-30 02:00+0200"]


@needs_zones
def test_repeated_time_counts_once_unless_the_hour_is_a_star() -> None:
    assert times("30 2 * * *", "2026-10-24T12:00", 2, BERLIN) == ["10-25 02:30+0200", "10-26 02:30+0100"]
    every_half_hour = ["10-25 02:30+0200", "10-25 02:00+0100", "10-25 02:30+0100", "10-25 03:00+0100"]
    assert times("*/30 * * * *", "2026-10-25T02:20", 4, BERLIN) == every_half_hour


@needs_zones
def test_a_change_of_the_clocks_within_an_hour_skips_no_time() -> None:
    chatham = zoneinfo.ZoneInfo("Pacific/Chatham")  # 2:45 becomes 3:45, and 3:45 becomes 2:45
    assert times("50 3 * * *", "2029-09-29T12:00", 2, chatham) == ["09-30 03:50+1345", "10-01 03:50+1345"]
    assert times("50 3 * * *", "2025-04-05T12:00", 2, chatham) == ["04-06 03:50+1245", "04-07 03:50+1245"]


def test_impossible_time_is_none() -> None:
    assert cron.next_after(cron.parse("0 0 30 2 *"), 0, UTC) is None


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "x * * * *",
     "*/0 * * * *", "5-1 * * * *", "*-5 * * * *", "1,,2 * * * *", "-1 * * * *", "@often", "* * * * mon-xyz"],
)  # fmt: skip
def test_invalid_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        cron.parse(text)
