"""Jobs that stop, restart or start supervisors: no command waits for the job that calls it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from queuectl_core import Queue
from tests.homes import ROOT, SCRIPT, CommandLine, processes_of, until

QUEUECTL = f"{sys.executable} {SCRIPT}"


def output_of(queuectl: CommandLine, id: str) -> str:
    return queuectl.ok("logs", id)


def until_supervisor_ended(queuectl: CommandLine) -> None:
    until(lambda: queuectl.json("status")["supervisor"] is None, lambda: "the supervisor to stop")


def test_a_job_that_stops_its_queue_completes(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "stop", "--max-retries", "0", "--", f"{QUEUECTL} worker stop && echo done")
    queuectl.ok("enqueue", "--id", "later", "--priority", "-1", "--", "true")
    queuectl.ok("worker", "start")
    until_supervisor_ended(queuectl)
    assert output_of(queuectl, "stop") == "stopping; this job may finish first\ndone\n"
    assert queuectl.job("stop")["state"] == "completed" and queuectl.job("later")["state"] == "pending"


def test_a_job_that_drains_its_queue_does_not_wait_for_itself(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "drain", "--max-retries", "0", "--", f"{QUEUECTL} drain --timeout 20")
    queuectl.ok("worker", "start")
    queuectl.until_state("drain", "completed")
    queuectl.ok("resume")


def test_a_job_that_waits_for_its_queue_does_not_wait_for_itself(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "other", "--", "true")
    queuectl.ok("enqueue", "--id", "all", "--max-retries", "0", "--", f"{QUEUECTL} wait --timeout 20")
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.until_state("all", "completed")


def test_wait_refuses_the_job_that_calls_it(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "own", "--max-retries", "0", "--", f"{QUEUECTL} wait own --timeout 20")
    queuectl.ok("worker", "start")
    assert queuectl.until_state("own", "dead")["history"][-1]["exit_code"] == 2
    assert "job own cannot wait for itself" in output_of(queuectl, "own")


@pytest.mark.parametrize("how", ["command line", "api"])
def test_a_job_that_stops_its_queue_now_uses_up_its_attempts(queuectl: CommandLine, how: str) -> None:
    api = f"cd {ROOT} && {sys.executable} -c 'from queuectl_core import Queue; Queue().stop(now=True)'; sleep 9"
    command = f"{QUEUECTL} worker stop --now" if how == "command line" else api
    queuectl.ok("enqueue", "--id", "stop", "--max-retries", "1", "--backoff-base", "0", "--", command)
    queuectl.ok("enqueue", "--id", "beside", "--max-retries", "0", "--", "sleep 600")
    for attempts in (1, 2):
        queuectl.ok("worker", "start", "--count", "2")
        until_supervisor_ended(queuectl)
        assert queuectl.job("stop")["attempts"] == attempts
        beside = queuectl.job("beside")
        assert (beside["state"], beside["attempts"]) == ("pending", 0)
    assert queuectl.job("stop")["state"] == "dead"
    queuectl.ok("rm", "beside")
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "after", "--", "true")
    queuectl.until_state("after", "completed")


@pytest.mark.parametrize(
    "words", ["worker restart", "env -i {} worker restart", "setsid -w {} worker restart", "--home {}/other worker start"]
)
def test_a_job_cannot_start_a_supervisor_in_the_background(queuectl: CommandLine, words: str) -> None:
    other = os.path.dirname(queuectl.home)
    words = words.replace("{}/other", f"{other}/other")
    command = f"{QUEUECTL} {words}" if "{}" not in words else words.format(f"{QUEUECTL} --home {queuectl.home}")
    queuectl.ok("worker", "start")
    pid = queuectl.supervisor_pid()
    queuectl.ok("enqueue", "--id", "a", "--max-retries", "0", "--", f"{command} || exit 9")
    assert queuectl.until_state("a", "dead")["reason"] == "exit code 9"
    assert "ends with the job; start it outside the job, or use --foreground" in output_of(queuectl, "a")
    assert queuectl.supervisor_pid() == pid
    queuectl.ok("enqueue", "--id", "b", "--", "true")
    queuectl.until_state("b", "completed")
    assert processes_of(f"{other}/other") == []


def test_a_job_may_add_workers_and_run_a_foreground_supervisor(queuectl: CommandLine) -> None:
    other = f"{queuectl.home}-other"
    code = f"from queuectl_core import Queue\nwith Queue({other!r}) as q, q.supervisor(): print(q.wait([q.enqueue('true')], 20))"
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "a", "--max-retries", "0", "--", f"cd {ROOT}; {QUEUECTL} worker start; {sys.executable} -c \"{code}\"")
    queuectl.until_state("a", "completed")
    assert output_of(queuectl, "a") == "added 1 worker to the running supervisor; 2 in total\n{'completed': 1}\n"


def test_processes_from_at_or_cron_do_not_belong_to_the_job(queuectl: CommandLine) -> None:
    """Such processes keep the variables of the job, but have another parent."""
    queuectl.ok("enqueue", "--id", "a", "--", f"env > {queuectl.home}/variables")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    with open(os.path.join(queuectl.home, "variables")) as file:
        kept = dict(line.rstrip("\n").split("=", 1) for line in file if line.startswith("QUEUECTL_"))
    assert kept["QUEUECTL_JOB_ID"] == "a"
    other = f"{queuectl.home}-other"
    environ = {**queuectl.environ, **kept}
    for words in (["worker", "start"], ["worker", "restart", "--quiet"], ["worker", "stop"]):
        result = subprocess.run(
            [sys.executable, SCRIPT, "--home", other, *words], env=environ, capture_output=True, text=True, timeout=30
        )
        assert (result.returncode, result.stderr) == (0, ""), result
    with Queue(other) as queue:
        assert queue.status()["supervisor"] is None
