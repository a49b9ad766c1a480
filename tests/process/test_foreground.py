"""A supervisor in the foreground: it logs jobs and their output, and can end when no job is left."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.homes import DEADLINE_S, CommandLine, until
from tests.process.test_terminal import DANGEROUS, EVIL, seen_on_terminal


def log_of(queuectl: CommandLine, *words: str, status: int = 0) -> list[str]:
    """Run `worker start --burst` to its end, and return the lines of its log without their times."""
    answer = queuectl("worker", "start", "--burst", *words)
    assert answer.status == status and answer.out == "", answer
    lines = [re.sub(r"^\S+Z ", "", line) for line in answer.err.splitlines()]
    return [re.sub(r"\d+\.\d s", "T", line) for line in lines]


def test_a_burst_ends_when_no_job_is_left(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "echo out; printf end")
    lines = log_of(queuectl, "--log-output")
    expected = [
        "job a started: echo out; printf end", "a| out", "a| end", "job a completed after T",
        "no job is left to run: 0 died, 0 wait", "stopping; running jobs may finish", "stopped",
    ]  # fmt: skip
    assert sorted(lines[1:]) == sorted(expected) and lines[-4:] == expected[-4:], lines
    assert log_of(queuectl, "--quiet")[1:] == expected[-3:]


def test_a_burst_waits_for_retries_and_tells_that_a_job_died(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--max-retries", "1", "--backoff-base", "1", "--command", "exit 3")
    lines = log_of(queuectl, status=1)
    assert lines[1:7] == [
        "job a started: exit 3", "job a failed after T: exit code 3; retry 1 of 1 in T", "job a started, attempt 2: exit 3",
        "job a died after T: exit code 3", "no job is left to run: 1 died, 0 wait", "stopping; running jobs may finish",
    ]  # fmt: skip
    assert queuectl.job("a")["state"] == "dead"
    log_of(queuectl)


def test_a_burst_does_not_wait_for_the_end_of_a_pause_that_holds_no_job_back(queuectl: CommandLine) -> None:
    queuectl.ok("queue", "pause", "idle", "--for", "1h", "--create")
    assert "no job is left to run: 0 died, 0 wait" in log_of(queuectl)


def test_a_burst_that_is_stopped_tells_that_jobs_are_left(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "sleep 60")
    queuectl.ok("enqueue", "--id", "b", "--command", "true")
    with queuectl.popen("worker", "start", "--burst", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        queuectl.until_state("a", "processing")
        queuectl.ok("worker", "stop", "--now")
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 75 and b"stopped before the end: 0 died, 2 wait" in err, err


def test_a_burst_leaves_jobs_that_nothing_will_start(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--queue", "held", "--command", "true")
    queuectl.ok("enqueue", "--id", "c", "--command", "true")
    queuectl.ok("queue", "pause", "held")
    assert "no job is left to run: 0 died, 1 wait" in log_of(queuectl, status=75)
    assert queuectl.job("c")["state"] == "completed"


def test_each_line_can_be_json(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--max-retries", "0", "--command", f"echo '{EVIL}'; exit 3")
    answer = queuectl("worker", "start", "--foreground", "--burst", "--log-output", "--log-format", "json")
    entries = [json.loads(line) for line in answer.err.splitlines()]
    assert answer.err.isascii() and answer.status == 1
    assert {"event": "output", "job": "a", "text": EVIL} in entries
    [died] = [entry for entry in entries if entry["event"] == "died"]
    assert (died["job"], died["attempt"], died["exit_code"], died["reason"]) == ("a", 1, 3, "exit code 3")


def test_the_log_on_a_terminal_shows_nothing_that_a_terminal_acts_on(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", f"printf '%s' '{EVIL}'")
    seen = seen_on_terminal(queuectl, "worker", "start", "--burst", "--log-output")
    assert not DANGEROUS & set(seen) and "a| \\x1b]0;title" in seen


def test_a_foreground_supervisor_logs_jobs_until_it_stops(queuectl: CommandLine) -> None:
    process = queuectl.popen("worker", "start", "--foreground", stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    until(lambda: queuectl.json("status")["supervisor"], lambda: "the supervisor")
    queuectl.ok("run", "--id", "a", "--", "true")
    queuectl.ok("worker", "stop")
    error = process.communicate(timeout=20)[1].decode()
    assert "job a started: true" in error and "job a completed" in error


@pytest.mark.parametrize(
    "words",
    [["--log-output"], ["--log-format", "json"], ["--burst", "-q", "--log-output"], ["--foreground", "--log-format", "xml"], ["--burst", "--quiet", "--log-output"]],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(queuectl: CommandLine, words: list[str]) -> None:
    queuectl.refused(2, "worker", "start", *words)
