"""The pace of a batch as text for people."""

from __future__ import annotations

import pytest

from queuectl_core.cli.batch_pace import lines_of
from queuectl_core.model.records import BatchRecord, State

NONE: dict[State, int] = {"pending": 0, "processing": 0, "completed": 0, "failed": 0, "dead": 0}


def a_batch(jobs_per_s: float | None = None, left_s: float | None = None, **counts: int) -> BatchRecord:
    return {
        "batch": "b",
        "counts": {**NONE, **counts},  # type: ignore[typeddict-item]
        "started_at": None,
        "ended_at": None,
        "jobs_per_s": jobs_per_s,
        "left_s": left_s,
    }


@pytest.mark.parametrize(
    "jobs_per_s, text",
    [
        (None, "unknown"),
        (12.345, "12.3 jobs a second"),
        (0.5, "30 jobs a minute"),
        (0.001, "3.6 jobs an hour"),
        (0.0001, "8.64 jobs a day"),
    ],
)
def test_pace_has_the_shortest_unit_in_which_it_is_at_least_one(jobs_per_s: float | None, text: str) -> None:
    assert f"pace        {text}" in lines_of(a_batch(jobs_per_s))


def test_start_is_unknown_only_for_jobs_that_ended() -> None:
    assert lines_of(a_batch(pending=1))[0] == "started     not yet"
    assert lines_of(a_batch(dead=1))[0] == "started     unknown"


def test_an_unknown_time_left_has_a_cause() -> None:
    assert lines_of(a_batch(completed=8, failed=2))[-1] == "time left   unknown: 2 jobs wait for a retry"
    assert lines_of(a_batch(failed=1))[-1].endswith(": 1 job waits for a retry")
    assert lines_of(a_batch(failed=2), "all queues are paused")[-1].endswith(": all queues are paused")
    assert lines_of(a_batch(failed=2, pending=1))[-1].endswith(": no job runs now")
    assert lines_of(a_batch(processing=1), "all queues are paused")[-1].endswith(": no job has finished yet")


def test_time_left_is_told_while_it_is_not_zero() -> None:
    assert lines_of(a_batch(left_s=0.0))[-1].startswith("pace")
    assert lines_of(a_batch(left_s=90.0))[-1].startswith("time left   1 min 30 s (until 2")
    assert "unknown" in lines_of(a_batch())[-1]
