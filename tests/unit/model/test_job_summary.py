"""Job summaries: totals, groups, and the jobs at the top."""

from __future__ import annotations

import random
from typing import Any

from queuectl_core.model.job_summary import TOP_JOBS, JobSummary


def job(id: str, state: str = "completed", durations: tuple[int | None, ...] = (10,), **fields: object) -> Any:
    history = [{"duration_ms": ms, "cpu_ms": ms, "peak_bytes": ms and 1000 * ms} for ms in durations]
    return {"id": id, "state": state, "queue": "default", "attempts": len(durations), "history": history, **fields}


def summary_of(*jobs: Any) -> JobSummary:
    summary = JobSummary()
    for one in jobs:
        summary.add(one)
    return summary


def test_counts_jobs_by_result_and_all_attempts() -> None:
    total = summary_of(job("a"), job("b", "dead", (1, 2, 3)), job("c", "processing", (5, None))).total
    assert (total.jobs, total.completed, total.dead, total.retried, total.attempts) == (3, 1, 1, 2, 6)
    assert total.run_ms == total.cpu_ms == 10 + 6 + 5


def test_groups_jobs_by_queue_and_name() -> None:
    groups = summary_of(job("a", name="x"), job("b", queue="gpu", name="x"), job("c", name="x"), job("d")).groups
    assert {key: totals.jobs for key, totals in groups.items()} == {("default", "x"): 2, ("gpu", "x"): 1, ("default", ""): 1}


def test_the_top_has_the_greatest_values_in_order() -> None:
    random.seed(7)
    values = random.sample(range(1, 10_000), 200)
    summary = summary_of(*(job(f"j{ms}", durations=(1, ms)) for ms in values))
    best = sorted(values, reverse=True)[:TOP_JOBS]
    assert summary.top("duration_ms") == [(f"j{ms}", ms) for ms in best]
    assert summary.top("peak_bytes") == [(f"j{ms}", 1000 * ms) for ms in best]
    assert [value for _, value in summary.top("retries")] == [1] * TOP_JOBS


def test_a_job_without_a_value_is_at_no_top() -> None:
    assert summary_of(job("a", "processing", (None,))).top("duration_ms") == []
