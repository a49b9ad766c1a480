"""A clock that is wrong for a moment: nothing runs too early, nothing is removed, and `--at`
follows the right clock.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest

from queuectl_core.system import clock
from queuectl_core.timestamps import from_utc, utc
from tests.faults.wrong_clock import WrongClock, needs_wrong_clock
from tests.homes import CommandLine, short_folder, until

pytestmark = needs_wrong_clock

DAY_S = 86_400
YEAR_S = 365 * DAY_S


@pytest.fixture
def wrong() -> Iterator[WrongClock]:
    with short_folder() as folder:
        yield WrongClock(folder)


@pytest.fixture
def with_wrong_clock(queuectl: CommandLine, wrong: WrongClock) -> CommandLine:
    """Return a command line whose processes have the clock of `wrong`."""
    queuectl.environ.update(wrong.environ)
    return queuectl


def seconds_until(at: object) -> float:
    return from_utc(str(at)) / 1000 - time.time()


@pytest.mark.parametrize("ahead_s", [YEAR_S, -YEAR_S])
@pytest.mark.parametrize("call", [["enqueue", "--id", "x", "--delay", "1h", "--command", "true"], ["status"]], ids=["enqueue", "status"])  # fmt: skip
def test_one_call_with_a_wrong_clock_moves_no_job(
    with_wrong_clock: CommandLine, wrong: WrongClock, ahead_s: int, call: list[str]
) -> None:
    at = str(utc(round((time.time() + 7200) * 1000)))
    with_wrong_clock.ok("enqueue", "--id", "a", "--delay", "1h", "--command", "true")
    with_wrong_clock.ok("enqueue", "--id", "b", "--at", at, "--command", "true")
    wrong.set(ahead_s)
    with_wrong_clock.ok(*call)
    wrong.set(0)
    with_wrong_clock.ok("worker", "start")
    with_wrong_clock.ok("run", "--", "true")
    assert with_wrong_clock.counts()["pending"] == (3 if call[0] == "enqueue" else 2)
    assert 3500 < seconds_until(with_wrong_clock.job("a")["next_run_at"]) < 3605
    assert with_wrong_clock.job("b")["next_run_at"] == at
    if call[0] == "enqueue":
        assert 3500 < seconds_until(with_wrong_clock.job("x")["next_run_at"]) < 3605


def test_the_second_call_corrects_the_wrong_clock_of_the_first(with_wrong_clock: CommandLine, wrong: WrongClock) -> None:
    wrong.set(YEAR_S)
    at = str(utc(round((time.time() + 7200) * 1000)))
    with_wrong_clock.ok("enqueue", "--id", "a", "--delay", "1h", "--command", "true")
    with_wrong_clock.ok("enqueue", "--id", "b", "--at", at, "--command", "true")
    wrong.set(0)
    with_wrong_clock.ok("enqueue", "--id", "c", "--command", "true")
    assert 3500 < seconds_until(with_wrong_clock.job("a")["next_run_at"]) < 3605
    assert with_wrong_clock.job("b")["next_run_at"] == at
    with_wrong_clock.ok("worker", "start")
    with_wrong_clock.until_state("c", "completed")
    assert with_wrong_clock.job("a")["state"] == "pending"


def test_a_job_runs_at_its_time_after_the_clock_is_corrected(
    with_wrong_clock: CommandLine, wrong: WrongClock
) -> None:
    """Set the clock forward by an hour while the supervisor runs."""
    wrong.set(-3600)
    with_wrong_clock.ok("worker", "start")
    at = str(utc(round((time.time() + 2) * 1000)))
    with_wrong_clock.ok("enqueue", "--id", "a", "--at", at, "--command", "true")
    with_wrong_clock.ok("enqueue", "--id", "b", "--delay", "1h", "--command", "true")
    wrong.set(0)
    with_wrong_clock.ok("status")  # wakes the supervisor, which otherwise checks once a minute
    job = with_wrong_clock.until_state("a", "completed")
    assert -1 <= (from_utc(str(job["history"][0]["started_at"])) - from_utc(at)) / 1000 < 15
    assert 3500 < seconds_until(with_wrong_clock.job("b")["next_run_at"]) < 3605


@pytest.mark.parametrize("moment", ["while it runs", "at its start"])
def test_a_clock_a_month_ahead_for_seconds_removes_nothing(
    with_wrong_clock: CommandLine, wrong: WrongClock, moment: str
) -> None:
    with_wrong_clock.ok("config", "set", "log-retention", str(2 * DAY_S))
    with_wrong_clock.ok("config", "set", "retention", str(2 * DAY_S))
    with_wrong_clock.ok("enqueue", "--id", "good", "--command", "echo good")
    with_wrong_clock.ok("enqueue", "--id", "dead", "--max-retries", "0", "--command", "echo dead; exit 1")
    with_wrong_clock.ok("enqueue", "--id", "tried", "--backoff-base", "3000", "--command", "echo tried; exit 1")
    with_wrong_clock.ok("worker", "start")
    for id, state in (("good", "completed"), ("dead", "dead"), ("tried", "failed")):
        with_wrong_clock.until_state(id, state)
    if moment == "at its start":
        with_wrong_clock.ok("worker", "stop")
    wrong.set(30 * DAY_S)
    if moment == "at its start":
        with_wrong_clock.ok("worker", "start")
    with_wrong_clock.ok("config", "set", "retention", str(DAY_S))  # starts the cleanup at once
    with_wrong_clock.ok("config", "set", "log-retention", str(DAY_S))
    for _ in range(3):
        with_wrong_clock.ok("run", "--", "true")
    wrong.set(0)
    with_wrong_clock.ok("run", "--", "true")
    for id, state in (("good", "completed"), ("dead", "dead"), ("tried", "failed")):
        assert with_wrong_clock.job(id)["state"] == state and with_wrong_clock.ok("logs", id) == f"{id}\n"


def age_anchor(queuectl: CommandLine, hours: float) -> None:
    """Age the clock file, as if the clock had been steady for `hours`."""
    path = os.path.join(queuectl.home, "clock")
    with open(path) as file:
        boot, up_ms, steady_ms, ahead_ms = json.load(file)
    found = clock.since_boot()
    assert found is not None and found[1] > hours * 3_600_000, "the machine has not run for so long"
    with open(path, "w") as file:
        json.dump([boot, up_ms - round(hours * 3_600_000), steady_ms - round(hours * 3_600_000), 0], file)


def test_logs_of_dead_and_failed_jobs_outlive_their_age_but_not_the_size(queuectl: CommandLine) -> None:
    found = clock.since_boot()
    if found is None or found[1] < 1.2 * 3_600_000:
        pytest.skip("needs a boot clock, and a machine that has run for an hour")
    logs = os.path.join(queuectl.home, "logs")
    for id, more in (("good", ""), ("dead", "; exit 1"), ("tried", "; exit 1")):
        base = ["--backoff-base", "3000"] if id == "tried" else ["--max-retries", "0"]
        queuectl.ok("enqueue", "--id", id, *base, "--command", f"echo {id}{more}")
        queuectl.ok("worker", "start")  # each in its own segment
        until(lambda: queuectl.job(id)["history"], lambda: "it to run")
        until(lambda: queuectl.job(id)["state"] not in ("pending", "processing"), lambda: "it to end")
        queuectl.ok("worker", "stop")
    for name in os.listdir(logs):
        os.utime(os.path.join(logs, name), (time.time() - 100 * DAY_S,) * 2)
    age_anchor(queuectl, 1.1)
    queuectl.ok("worker", "start")
    until(lambda: len(os.listdir(logs)) == 2, lambda: f"the removal of the log of the completed job: {os.listdir(logs)}")
    assert queuectl.ok("logs", "dead") == "dead\n" and queuectl.ok("logs", "tried") == "tried\n"
    assert "is no longer kept (see config log-retention" in queuectl.refused(1, "logs", "good")
    queuectl.ok("config", "set", "log-retention-bytes", "1")
    until(lambda: not os.listdir(logs), lambda: f"the removal of all logs: {os.listdir(logs)}")


@pytest.mark.parametrize("content", ["", "[]", "{}", '["x", 1, 2, 3]', '[1, "a", null, 2]', "\0" * 100])
def test_a_damaged_clock_file_is_ignored(queuectl: CommandLine, content: str) -> None:
    queuectl.ok("enqueue", "--id", "a", "--delay", "1h", "--command", "true")
    with open(os.path.join(queuectl.home, "clock"), "w") as file:
        file.write(content)
    queuectl.ok("enqueue", "--id", "b", "--command", "true")
    queuectl.ok("worker", "start")
    queuectl.until_state("b", "completed")
    assert queuectl.job("a")["state"] == "pending"
    assert 3500 < seconds_until(queuectl.job("a")["next_run_at"]) < 3605
