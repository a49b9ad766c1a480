"""Job columns: every field of a record is known, and facts have values for programs and texts for people."""

from __future__ import annotations

from typing import Any

import pytest

from queuectl_core.cli.job_columns import FIELDS, text_of, value_of
from queuectl_core.cli.screen import _narrow, cut
from queuectl_core.model import records
from queuectl_core.model.job import Job
from queuectl_core.timestamps import from_utc, utc
from queuectl_core.view.job_notes import reason_of
from tests.builders import NOW_MS


def a_record(**attempt: Any) -> Any:
    job = Job("a", 1, "true", "/", 3, 2, NOW_MS, "dead", updated_ms=NOW_MS + 9000)
    started: Any = {"attempt": 1, "worker": "w", "started_ms": NOW_MS + 2000, **attempt}
    job.history = [started]
    return job.record()


def test_every_field_of_a_record_is_known() -> None:
    assert set(records.JobRecord.__annotations__) - {"retries_after_s"} <= FIELDS


@pytest.mark.parametrize(
    "name, value, text",
    [
        ("duration", 1.5, "1.5 s"),
        ("cpu", 0.25, "0.2 s"),
        ("memory", 3 * 2**20, "3.0 MiB"),
        ("exit-code", 3, "3"),
        ("EXIT_CODE", 3, "3"),
        ("wait", 2.0, "2.0 s"),
        ("ended", utc(NOW_MS + 9000), utc(NOW_MS + 9000)),
        ("priority", 0, "0"),
    ],
)
def test_facts(name: str, value: object, text: str) -> None:
    job = a_record(outcome="exit", exit_code=3, duration_ms=1500, cpu_ms=250, peak_bytes=3 * 2**20)
    assert (value_of(name, "--sort")(job), text_of(name, "--sort")(job)) == (value, text)


def test_a_running_job_has_its_time_so_far() -> None:
    job = {**a_record(), "state": "processing"}
    so_far_s: Any = value_of("duration", "--sort")(job)
    assert so_far_s > 0 and value_of("ended", "--sort")(job) is None
    assert from_utc(job["history"][0]["started_at"]) == NOW_MS + 2000


@pytest.mark.parametrize(
    "widths, columns, narrowed",
    [
        ([5, 10, 8, 300], 80, [5, 10, 8, 51]),
        ([14, 10, 8, 5, 20, 300], 80, [14, 10, 8, 5, 20, 13]),
        ([36, 10, 8, 5, 60, 300], 80, [14, 10, 8, 5, 21, 12]),
        ([128, 10, 200], 80, [33, 10, 33]),
        ([4, 4], 80, [4, 4]),
        ([90, 90], 40, [18, 20]),
        ([7, 10, 20, 5, 16, 8, 8, 40], 80, [7, 9, 9, 5, 10, 8, 8, 10]),
    ],
)
def test_ids_and_commands_shrink_first(widths: list[int], columns: int, narrowed: list[int]) -> None:
    _narrow(widths, columns)
    assert widths == narrowed


@pytest.mark.parametrize(
    "columns, shown", [(20, "2026-12-24T18:30:00Z"), (19, "12-24T18:30:00Z"), (14, "18:30:00Z"), (8, "2026-12…")]
)
def test_a_short_time_loses_its_date_first(columns: int, shown: str) -> None:
    assert cut("2026-12-24T18:30:00Z", columns) == shown


@pytest.mark.parametrize(
    "reason, shown",
    [
        ("command not found (exit code 127)", "exit code 127 (command not found)"),
        ("exit code 3", "exit code 3"),
        ("canceled by hand", "canceled by hand"),
        (None, None),
    ],
)
def test_a_reason_begins_with_the_exit_code(reason: str | None, shown: str | None) -> None:
    job = a_record(outcome="exit", exit_code=127, duration_ms=1)
    job["reason"] = reason
    assert reason_of(job) == shown
