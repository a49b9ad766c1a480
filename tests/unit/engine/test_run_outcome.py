"""Run outcome: the state of a job after a run, by its exit code and the options of the job."""

from __future__ import annotations

import pytest

from queuectl_core.engine import run_outcome
from queuectl_core.model.attempt import AttemptResult
from queuectl_core.model.commands import Release
from queuectl_core.model.events import (
    Canceled,
    DeadLettered,
    Event,
    Failed,
    Released,
    Snoozed,
    Succeeded,
)
from queuectl_core.model.job import PROCESSING, Job
from tests.builders import NOW_MS, exited, lost


def a_job(**fields: object) -> Job:
    options = {name: fields.pop(name) for name in list(fields) if name not in Job.__slots__}
    history = [{"attempt": 1, "run": 5, "worker": "w1", "started_ms": NOW_MS}]
    known: dict[str, object] = {"attempts": 1, "history": history, "state": PROCESSING, "options": options, **fields}
    return Job("a", 1, "true", "/", known.pop("max_retries", 3), 2, NOW_MS, **known)  # type: ignore[arg-type]


def of(job: Job, ending: AttemptResult) -> Event:
    return run_outcome.of_ending(job, ending, NOW_MS, 0)


@pytest.mark.parametrize(
    "job, code, kind",
    [
        (a_job(), 0, Succeeded),
        (a_job(), 1, Failed),
        (a_job(max_retries=0), 1, DeadLettered),
        (a_job(fail_on=[2, 64]), 64, DeadLettered),
        (a_job(fail_on=[2, 64]), 1, Failed),
        (a_job(retry_on=[75]), 75, Failed),
        (a_job(retry_on=[75]), 1, DeadLettered),
        (a_job(snooze_on=[75]), 75, Snoozed),
        (a_job(snooze_on=[75], max_retries=0), 75, Snoozed),
        (a_job(cancel=15), 143, DeadLettered),
        (a_job(cancel=15), 0, Succeeded),
    ],
)
def test_exit_code_decides(job: Job, code: int, kind: type) -> None:
    assert type(of(job, exited(code))) is kind


def test_reason_explains_why_there_is_no_retry() -> None:
    assert of(a_job(fail_on=[2]), exited(2)).reason == "exit code 2, which fail_on excludes from retries"  # type: ignore[attr-defined]
    assert "which retry_on does not include" in of(a_job(retry_on=[75]), exited(1)).reason  # type: ignore[attr-defined]


def test_retry_on_affects_only_exit_codes() -> None:
    assert type(of(a_job(retry_on=[75]), lost())) is Failed
    assert type(of(a_job(retry_on=[75]), AttemptResult("signal", None, 9, NOW_MS, 5))) is Failed
    assert type(of(a_job(fail_on=[143]), AttemptResult("timeout", 143, None, NOW_MS, 5, detail="timed out"))) is Failed


def test_snooze_has_the_length_of_the_job() -> None:
    assert of(a_job(snooze_on=[75]), exited(75)).due_ms == NOW_MS + 60_000  # type: ignore[attr-defined]
    assert of(a_job(snooze_on=[75], snooze=5), exited(75)).due_ms == NOW_MS + 5000  # type: ignore[attr-defined]


def test_waits_are_exact_without_jitter_and_shorter_with_it() -> None:
    exact = [run_outcome.backoff_ms(a_job(), n) for n in range(1, 5)]
    assert exact == [2000, 4000, 8000, 16_000]
    scattered = [run_outcome.backoff_ms(a_job(jitter=0.5), n) for n in range(1, 5)]
    assert all(full / 2 <= wait <= full for full, wait in zip(exact, scattered))
    assert scattered != exact
    assert scattered == [run_outcome.backoff_ms(a_job(jitter=0.5), n) for n in range(1, 5)]


def test_no_wait_is_longer_than_the_limit_of_the_job() -> None:
    assert [run_outcome.backoff_ms(a_job(backoff_max=5), n) for n in (1, 2, 3, 900)] == [2000, 4000, 5000, 5000]
    assert run_outcome.backoff_ms(a_job(backoff_max=0), 3) == 0


def test_run_ended_by_hand_is_released_or_canceled() -> None:
    assert type(run_outcome.of_report(a_job(), Release("a", 1, "stopped by hand", True), NOW_MS, 0)) is Released
    canceled = run_outcome.of_report(a_job(cancel=2), Release("a", 1, "canceled", True), NOW_MS, 0)
    assert type(canceled) is Canceled and canceled.reason == "canceled while it ran (SIGINT)"
