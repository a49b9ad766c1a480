"""The variables that queuectl gives a job: each job has its own, even when it inherits those of
another job.
"""

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


def expected_output(home: str, id: str, *more: str) -> str:
    """Return the output of TELL in a job with these variables, on the first worker."""
    return "\n".join(sorted([*more, "QUEUECTL_ATTEMPT=1", f"QUEUECTL_HOME={home}", f"QUEUECTL_JOB_ID={id}"])) + "\nw1\n"


@pytest.fixture
def one_worker(queuectl: CommandLine) -> Iterator[CommandLine]:
    """Return a command line on a home with one worker, which runs as if inside a job of another
    home.
    """
    queuectl.ok("worker", "start")
    queuectl.environ.update({name: value for name, value in OF_ANOTHER.items() if name != "QUEUECTL_HOME"})
    yield queuectl


def printed(queuectl: CommandLine, id: str) -> str:
    queuectl.until_state(id, "completed")
    return queuectl.ok("logs", id)


def test_only_variables_of_a_job_are_left_out() -> None:
    assert without_own({**OF_ANOTHER, "A": "b", "QUEUECTL_STORE": "dumb"}) == {"A": "b", "QUEUECTL_STORE": "dumb"}


def test_job_that_inherits_the_environment_of_a_job_has_its_own_variables(one_worker: CommandLine) -> None:
    one_worker.ok("enqueue", "--id", "x", "--inherit-env", "--command", TELL)
    assert printed(one_worker, "x") == expected_output(one_worker.home, "x", "QUEUECTL_QUEUE=default")
    assert not [name for name in one_worker.job("x")["env"] if name.startswith("QUEUECTL_")]


def test_run_and_schedules_pass_on_no_variables_of_another_job(one_worker: CommandLine) -> None:
    ran = one_worker.ok("run", "--id", "x", "--inherit-env", "--name", "me", "--", TELL)
    assert ran == expected_output(one_worker.home, "x", "QUEUECTL_QUEUE=default", "QUEUECTL_JOB_NAME=me")
    one_worker.ok("schedule", "add", "beat", "--every", "1h", "--inherit-env", "--", TELL)
    id = one_worker.json("schedule", "run-now", "beat")["id"]
    assert printed(one_worker, id) == expected_output(one_worker.home, id, "QUEUECTL_QUEUE=default", "QUEUECTL_JOB_NAME=beat")


def test_named_variables_do_not_replace_those_of_the_job(one_worker: CommandLine) -> None:
    """Pass them as an embedding program or an old export does."""
    with Queue(one_worker.home) as queue:
        queue.enqueue(TELL, id="x", env=OF_ANOTHER)
    assert printed(one_worker, "x") == expected_output(one_worker.home, "x", "QUEUECTL_QUEUE=default")


def test_jobs_of_a_supervisor_started_by_a_job_have_their_own_variables(queuectl: CommandLine) -> None:
    queuectl.environ.update({name: value for name, value in OF_ANOTHER.items() if name != "QUEUECTL_HOME"})
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "x", "--command", TELL)
    assert printed(queuectl, "x") == expected_output(queuectl.home, "x")


def test_hook_has_its_own_variables(one_worker: CommandLine) -> None:
    one_worker.ok("config", "set", "on-success", TELL)
    one_worker.ok("enqueue", "--id", "x", "--inherit-env", "--command", "true")
    until(lambda: len(one_worker.json("list")) == 2, lambda: "the hook to appear")
    (hook,) = [job["id"] for job in one_worker.json("list") if job["id"] != "x"]
    facts = {"JOB_ID": "x", "STATE": "completed", "EXIT_CODE": "0", "REASON": "", "ATTEMPT": "1", "OUTPUT_TAIL": ""}
    told = [f"QUEUECTL_HOOK_{name}={value}" for name, value in facts.items()]
    expected = expected_output(one_worker.home, hook, "QUEUECTL_QUEUE=hooks", "QUEUECTL_JOB_NAME=on-success", *told)
    assert printed(one_worker, hook) == expected


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_loss_of_a_worker_does_not_end_jobs_that_its_job_added(queuectl: CommandLine) -> None:
    enqueue = f"{sys.executable} {SCRIPT} enqueue --id second --inherit-env --max-retries 0 -- 'echo begun; sleep 600'"
    queuectl.ok("enqueue", "--id", "first", "--max-retries", "0", "--command", f"{enqueue}; sleep 600")
    queuectl.ok("worker", "start", "--count", "2")
    until(lambda: queuectl("logs", "second").out == "begun\n", lambda: "the second job to start")
    second = queuectl.worker_running("second")
    os.kill(queuectl.worker_running("first") or 0, signal.SIGKILL)
    queuectl.until_state("first", "dead")
    assert queuectl.job("second")["state"] == "processing"
    assert second is not None and is_alive(second)
    assert json.loads(queuectl.ok("why", "second", "--json"))["because"] == "runs"
