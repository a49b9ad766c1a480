"""Job details: the numbers of attempts."""

from __future__ import annotations

from typing import Any

import pytest

from queuectl_core.cli.job_details import attempt_numbers, print_field
from queuectl_core.cli.screen import Screen, flush
from queuectl_core.model.reasons import POSTPONED

EXIT, RELEASED, SNOOZED = ("exit", "exit code 1"), ("released", "stopped"), ("exit", f"exit code 75{POSTPONED}")


@pytest.mark.parametrize(
    ("attempts", "shown"),
    [
        ([], []),
        ([(1, EXIT), (2, EXIT), (3, EXIT)], ["1", "2", "3"]),
        ([(1, EXIT), (2, EXIT), (1, EXIT), (2, EXIT), (1, (None, None))], ["1", "2", "1 (retried)", "2", "1 (retried)"]),
        ([(1, EXIT), (1, EXIT)], ["1", "1 (retried)"]),
        ([(1, RELEASED), (1, SNOOZED), (1, EXIT), (2, RELEASED), (2, EXIT)], ["1", "1", "1", "2", "2"]),
        ([(98, EXIT), (99, EXIT)], ["98", "99"]),
    ],
)
def test_a_later_round_of_attempts_is_marked(attempts: list[tuple[int, Any]], shown: list[str]) -> None:
    history: list[Any] = [{"attempt": n, "outcome": outcome, "reason": why} for n, (outcome, why) in attempts]
    assert attempt_numbers(history) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("limit_mem", 2**30, "limit_mem     1 GiB\n"),
        ("limit_mem", 3 * 2**29, "limit_mem     1.5 GiB\n"),
        ("limit_mem", 2**20, "limit_mem     1 MiB\n"),
        ("timeout", 300, "timeout       5 min 0 s\n"),
        ("snooze", 0.5, "snooze        0.5 s\n"),
        ("priority", 300, "priority      300\n"),
    ],
)
def test_people_read_sizes_and_times_with_units(
    name: str, value: float, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_field(name, value, Screen(False, False))
    flush()
    assert capsys.readouterr().out == shown
