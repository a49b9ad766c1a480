"""Timestamps: times and lengths of time as people read them."""

from __future__ import annotations

import pytest

from queuectl_core.timestamps import format_age, format_span, from_utc, utc, utc_or_none


def test_time_has_the_form_of_rfc_3339_in_utc() -> None:
    assert utc(1_762_252_200_000) == "2025-11-04T10:30:00Z"


def test_time_is_the_second_that_has_begun() -> None:
    assert utc(1_762_252_200_999) == "2025-11-04T10:30:00Z"


def test_no_time_stays_none_and_time_zero_does_not() -> None:
    assert utc_or_none(None) is None
    assert utc(0) == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize("seconds", [0, 1, 59, 951_782_400, 1_762_252_200, 4_102_444_799, 32_503_680_000])
def test_time_in_text_is_read_back(seconds: int) -> None:
    text = utc(seconds * 1000 + 999)
    assert text is not None and from_utc(text) == seconds * 1000


@pytest.mark.parametrize(
    "duration_ms, said",
    [
        (-5, "0.0 s"),
        (0, "0.0 s"),
        (1, "0.0 s"),
        (400, "0.4 s"),
        (1_000, "1.0 s"),
        (9_900, "9.9 s"),
        (10_000, "10 s"),
        (59_999, "59 s"),
        (60_000, "1 min 0 s"),
        (200_000, "3 min 20 s"),
        (3_599_999, "59 min 59 s"),
        (7_500_000, "2 h 5 min"),
        (86_399_999, "23 h 59 min"),
        (86_400_000, "1 d 0 h"),
        (273_600_000, "3 d 4 h"),
    ],
)
def test_span_is_said_in_the_units_that_matter(duration_ms: int, said: str) -> None:
    assert format_span(duration_ms) == said


@pytest.mark.parametrize(
    "duration_ms, said", [(-5, "0 s"), (999, "0 s"), (4_900, "4 s"), (59_999, "59 s"), (60_000, "1 min 0 s")]
)
def test_age_is_said_in_whole_seconds(duration_ms: int, said: str) -> None:
    assert format_age(duration_ms) == said
