"""The variables that queuectl gives a job: every job has its own, whatever way the environment of another one takes."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator

import pytest

from queuectl_core import Queue
from queuectl_core.model.job_environment import without_own
from tests.homes import SCRIPT, CommandLine, is_alive, until

OF_ANOTHER = {
    "QUEUECTL_WORKER": "w9-000000:/elsewhere",
    "QUEUECTL_HOME": "/elsewhere",
    "QUEUECTL_JOB_ID": "another",
    "QUEUECTL_ATTEMPT": "7",
    "QUEUECTL_QUEUE": "another",
    "QUEUECTL_JOB_NAME": "another",
}
TELL = "env | grep ^QUEUECTL_ | grep -v ^QUEUECTL_WORKER= | sort; echo $QUEUECTL_WORKER | cut -c -2"


def told(home: str, id: str, *more: str) -> str:
    """What a job of these variables prints by TELL; its worker is the first."""
    return "\n".join(sorted([*more, "QUEUECTL_ATTEMPT=1", f"QUEUECTL_HOME={home}", f"QUEUECTL_JOB_ID={id}"])) + "\nw1\n"


@pytest.fixture
def one(queuectl: CommandLine) -> Iterator[CommandLine]:
    """A home where one worker runs, with a command line that is called as if by a job of another home."""
    queuectl.ok("worker", "start")
    queuectl.environ.update({name: value for name, value in OF_ANOTHER.items() if name != "QUEUECTL_HOME"})
    yield queuectl


def printed(queuectl: CommandLine, id: str) -> str:
    queuectl.until_state(id, "completed")
    return queuectl.ok("logs", id)


def test_only_what_belongs_to_a_job_is_left_out() -> None:
    assert without_own({**OF_ANOTHER, "A": "b", "QUEUECTL_STORE": "dumb"}) == {"A": "b", "QUEUECTL_STORE": "dumb"}


def test_job_enqueued_with_the_environment_of_another_job_has_its_own_variables(one: CommandLine) -> None:
    one.ok("enqueue", "--id", "x", "--inherit-env", "--command", TELL)
    assert printed(one, "x") == told(one.home, "x", "QUEUECTL_QUEUE=default")
    assert not [name for name in one.job("x")["env"] if name.startswith("QUEUECTL_")]


def test_run_and_schedules_pass_no_variables_of_another_job_on(one: CommandLine) -> None:
    ran = one.ok("run", "--id", "x", "--inherit-env", "--name", "me", "--", TELL)
    assert ran == told(one.home, "x", "QUEUECTL_QUEUE=default", "QUEUECTL_JOB_NAME=me")
    one.ok("schedule", "add", "beat", "--every", "1h", "--inherit-env", "--", TELL)
    id = one.json("schedule", "run-now", "beat")["id"]
    assert printed(one, id) == told(one.home, id, "QUEUECTL_QUEUE=default", "QUEUECTL_JOB_NAME=beat")


def test_variables_that_are_given_by_name_do_not_replace_those_of_the_job(one: CommandLine) -> None:
    """As a program does that embeds the queue, or an export of an older version."""
    with Queue(one.home) as queue:
        queue.enqueue(TELL, id="x", env=OF_ANOTHER)
    assert printed(one, "x") == told(one.home, "x", "QUEUECTL_QUEUE=default")


def test_jobs_of_a_supervisor_that_a_job_has_started_have_their_own_variables(queuectl: CommandLine) -> None:
    queuectl.environ.update({name: value for name, value in OF_ANOTHER.items() if name != "QUEUECTL_HOME"})
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "x", "--command", TELL)
    assert printed(queuectl, "x") == told(queuectl.home, "x")


def test_hook_has_its_own_variables(one: CommandLine) -> None:
    one.ok("config", "set", "on-success", TELL)
    one.ok("enqueue", "--id", "x", "--inherit-env", "--command", "true")
    until(lambda: len(one.json("list")) == 2, lambda: "the hook to be there")
    (hook,) = [job["id"] for job in one.json("list") if job["id"] != "x"]
    expected = told(one.home, hook, "QUEUECTL_QUEUE=hooks", "QUEUECTL_JOB_NAME=on-success")
    assert printed(one, hook) == expected


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_loss_of_a_worker_does_not_end_what_its_job_has_enqueued(queuectl: CommandLine) -> None:
    enqueue = f"{sys.executable} {SCRIPT} enqueue --id second --inherit-env --max-retries 0 -- 'echo begun; sleep 600'"
    queuectl.ok("enqueue", "--id", "first", "--max-retries", "0", "--command", f"{enqueue}; sleep 600")
    queuectl.ok("worker", "start", "--count", "2")
    until(lambda: queuectl("logs", "second").out == "begun\n", lambda: "the second job to begin")
    second = queuectl.worker_running("second")
    os.kill(queuectl.worker_running("first") or 0, signal.SIGKILL)
    queuectl.until_state("first", "dead")
    assert queuectl.job("second")["state"] == "processing"
    assert second is not None and is_alive(second)
    assert json.loads(queuectl.ok("why", "second", "--json"))["because"] == "runs"
