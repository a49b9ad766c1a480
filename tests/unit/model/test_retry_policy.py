"""RetryPolicy: the wait before each retry, and the last retry."""

from __future__ import annotations

import pytest

from queuectl_core.model.retry_policy import (
    MAX_BACKOFF_BASE,
    MAX_DELAY_S,
    MAX_RETRIES,
    delay_ms,
    retries_exhausted,
)


def test_waits_are_the_powers_of_the_base() -> None:
    assert [delay_ms(2, attempts) for attempts in (1, 2, 3, 4)] == [2000, 4000, 8000, 16000]
    assert [delay_ms(1.5, attempts) for attempts in (1, 2, 3)] == [1500, 2250, 3375]


def test_base_zero_means_no_wait() -> None:
    assert delay_ms(0, 1) == delay_ms(0, MAX_RETRIES) == 0


def test_base_one_waits_a_second_each_time() -> None:
    assert {delay_ms(1, attempts) for attempts in range(1, 1100)} == {1000}


def test_base_below_one_waits_less_each_time() -> None:
    assert [delay_ms(0.5, attempts) for attempts in (1, 2, 1100)] == [500, 250, 0]


@pytest.mark.parametrize(
    "base, attempts", [(2, 1100), (2.0, 1100), (MAX_BACKOFF_BASE, MAX_RETRIES), (2, 25), (3600, 3)]
)
def test_no_wait_is_longer_than_a_year(base: float, attempts: int) -> None:
    assert delay_ms(base, attempts) == MAX_DELAY_S * 1000


@pytest.mark.parametrize("base", [1, 1.0000001, 1.1, 2, 2.5, 60, MAX_BACKOFF_BASE])
def test_no_wait_is_shorter_than_the_one_before_it(base: float) -> None:
    waits = [delay_ms(base, attempts) for attempts in range(1, MAX_RETRIES + 2)]
    assert waits == sorted(waits)
    assert waits[-1] <= MAX_DELAY_S * 1000


def test_a_wait_is_a_whole_number_of_milliseconds() -> None:
    assert all(type(delay_ms(base, 3)) is int for base in (0, 0.3, 1, 1.7, 2, 3600.0))


def test_three_retries_mean_at_most_four_runs() -> None:
    assert [retries_exhausted(attempts, 3) for attempts in (1, 2, 3, 4, 5)] == [False, False, False, True, True]


def test_no_retries_mean_one_run() -> None:
    assert retries_exhausted(1, 0)
