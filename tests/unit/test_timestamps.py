"""Timestamps: times and durations as people read them."""

from __future__ import annotations

import pytest

from queuectl_core.timestamps import format_age, format_span, from_utc, utc, utc_or_none


def test_time_has_the_form_of_rfc_3339_in_utc() -> None:
    assert utc(1_762_252_200_000) == "2025-11-04T10:30:00Z"


def test_time_is_rounded_down_to_seconds() -> None:
    assert utc(1_762_252_200_999) == "2025-11-04T10:30:00Z"


def test_none_stays_none_and_zero_is_a_time() -> None:
    assert utc_or_none(None) is None
    assert utc(0) == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize("seconds", [0, 1, 59, 951_782_400, 1_762_252_200, 4_102_444_799, 32_503_680_000])
def test_time_in_text_round_trips(seconds: int) -> None:
    text = utc(seconds * 1000 + 999)
    assert text is not None and from_utc(text) == seconds * 1000


@pytest.mark.parametrize(
    "duration_ms, text",
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
def test_span_has_its_two_largest_units(duration_ms: int, text: str) -> None:
    assert format_span(duration_ms) == text


@pytest.mark.parametrize(
    "duration_ms, text", [(-5, "0 s"), (999, "0 s"), (4_900, "4 s"), (59_999, "59 s"), (60_000, "1 min 0 s")]
)
def test_age_is_in_whole_seconds(duration_ms: int, text: str) -> None:
    assert format_age(duration_ms) == text
