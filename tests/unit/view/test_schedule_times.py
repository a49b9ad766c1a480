"""Schedule times: the words for the times of a schedule, and the next ones."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from queuectl_core.view.schedule_times import in_words, next_times


def schedule(cron: str | None, every_s: float | None = None, next_run_at: str | None = "2026-12-24T02:30:00Z") -> Any:
    return {"cron": cron, "zone": "UTC" if cron else None, "every_s": every_s, "next_run_at": next_run_at}


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("30 2 * * *", "every day at 02:30, UTC"),
        ("@daily", "every day at 00:00, UTC"),
        ("@hourly", "every hour at :00, UTC"),
        ("*/15 * * * *", "every 15 minutes, UTC"),
        ("* * * * *", "every minute, UTC"),
        ("0 9 * * mon-fri", "Monday to Friday at 09:00, UTC"),
        ("0 9 * * 1,3", "every Monday and Wednesday at 09:00, UTC"),
        ("0 9 * * sun", "every Sunday at 09:00, UTC"),
        ("0 0 1 * *", "on day 1 of each month at 00:00, UTC"),
        ("0 9-17/2 * * *", "0 9-17/2 * * *, UTC"),
        ("0 0 1 1 *", "0 0 1 1 *, UTC"),
        ("*/7 * * * *", "*/7 * * * *, UTC"),
    ],
)
def test_times_have_words(cron: str, words: str) -> None:
    assert in_words(schedule(cron)) == words


def test_an_interval_has_words_and_times() -> None:
    every = schedule(None, 600)
    assert in_words(every) == "every 10 min 0 s"
    assert next_times(every, lambda name: None)[:2] == ["2026-12-24T02:30:00Z", "2026-12-24T02:40:00Z"]


def test_the_next_times_follow_the_first() -> None:
    times = next_times(schedule("30 2 * * *"), lambda name: datetime.timezone.utc)
    assert times == [f"2026-12-{day}T02:30:00Z" for day in range(24, 29)]


def test_a_paused_schedule_has_no_next_time() -> None:
    assert next_times(schedule("30 2 * * *", next_run_at=None), lambda name: None) == []
