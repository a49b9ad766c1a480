"""The environment of jobs: that of their worker, or that of the call that adds them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl_core import Queue
from tests.homes import CommandLine

PRINT = 'echo "$MINE,$LANGUAGE_OF,$QUEUECTL_JOB_ID,$ONLY_WORKER"'


@pytest.fixture
def submits(queuectl: CommandLine) -> Iterator[CommandLine]:
    """Return a command line whose jobs get the environment of the call, not of the worker."""
    queuectl.environ["ONLY_WORKER"] = "worker"
    queuectl.ok("worker", "start", "--count", "1")
    del queuectl.environ["ONLY_WORKER"]
    queuectl.environ["MINE"] = "secret-token"
    queuectl.ok("config", "set", "environment", "submit")
    yield queuectl


def test_job_gets_the_environment_of_the_call_and_never_shows_it(submits: CommandLine) -> None:
    submits.ok("config", "set", "env", "LANGUAGE_OF=config MINE=config")
    submits.ok("enqueue", "--id", "a", "--", PRINT)
    submits.ok("enqueue", "--id", "b", "--env", "MINE=own", "--", PRINT)
    submits.ok("config", "unset", "env")
    submits.ok("enqueue", "--id", "c", "--", PRINT)
    for id, printed in (("a", "config,config"), ("b", "own,config"), ("c", "secret-token,")):
        submits.until_state(id, "completed")
        assert submits.ok("logs", id) == f"{printed},{id},\n"
    commands = [["show", "c"], ["show", "c", "--json"], ["list", "--json"], ["config", "list"], ["why", "c"]]
    for words in (*commands, ["events"], ["history", "c"], ["history", "c", "--json"]):
        assert "secret-token" not in submits.ok(*words)
    assert submits.job("c")["environment"] == "submit" and "environment   submit\n" in submits.ok("show", "c")


def test_loads_and_programs_send_their_environment_too(submits: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "".join(json.dumps({"id": f"j{n}", "command": PRINT}) + "\n" for n in range(1500))
    submits.ok("pause")
    submits.ok("enqueue", "--file", "-", stdin=lines.encode())
    submits.ok("enqueue", "--id", "last", "--", PRINT)
    monkeypatch.setenv("MINE", "program")
    with Queue(submits.home) as queue:
        queue.enqueue(PRINT, id="p", priority=2)
        queue.edit(["j1499"], {"priority": 1})
    submits.ok("resume")
    for id, mine in (("p", "program"), ("j1499", "secret-token")):
        submits.until_state(id, "completed")
        assert submits.ok("logs", id) == f"{mine},,{id},\n"


def test_schedules_and_older_jobs_have_the_environment_of_the_worker(submits: CommandLine) -> None:
    submits.ok("schedule", "add", "nightly", "@daily", "--", PRINT)
    id = submits.ok("schedule", "run-now", "nightly").strip()
    submits.until_state(id, "completed")
    assert submits.ok("logs", id) == f",,{id},worker\n"


def test_environment_survives_a_backup_and_a_restart(submits: CommandLine) -> None:
    submits.ok("pause")
    submits.ok("enqueue", "--id", "a", "--", PRINT)
    submits.ok("backup", f"{submits.home}.backup")
    assert os.stat(f"{submits.home}.backup").st_mode & 0o777 == 0o600
    restored = CommandLine(f"{submits.home}2")
    restored.ok("restore", f"{submits.home}.backup")
    assert "secret-token" not in restored.ok("events")
    assert restored.job("a")["environment"] == "submit" and "secret-token" in Path(f"{submits.home}.backup").read_text()
    answer = submits("worker", "restart")
    assert answer.status == 0 and "environment" not in answer.err
    submits.ok("resume")
    submits.until_state("a", "completed")
    assert submits.ok("logs", "a") == "secret-token,,a,\n"


def test_worker_restart_says_whose_environment_jobs_get(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start", "--count", "1")
    queuectl.environ["MINE"] = "new"
    assert "the environment of this call" in queuectl("worker", "restart").err
    queuectl.ok("enqueue", "--id", "a", "--", PRINT)
    queuectl.until_state("a", "completed")
    assert queuectl.ok("logs", "a") == "new,,a,\n"


def test_works_without_a_supervisor(queuectl: CommandLine) -> None:
    queuectl.ok("config", "set", "environment", "submit")
    queuectl.environ["MINE"] = "secret-token"
    queuectl.ok("enqueue", "--id", "a", "--", PRINT)
    assert "worker, submit" in queuectl.refused(2, "config", "set", "environment", "both")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    assert queuectl.ok("logs", "a") == "secret-token,,a,\n"


# Variables instead of settings


def test_variables_give_a_new_home_its_settings(queuectl: CommandLine) -> None:
    queuectl.environ.update(QUEUECTL_MAX_RETRIES="7", QUEUECTL_RETENTION="2h", QUEUECTL_ENV="LANG=C")
    queuectl.ok("config", "set", "jitter", "0.5")
    queuectl.environ["QUEUECTL_RETENTION"] = "1h"
    listed = queuectl.json("config", "list")
    assert (listed["max-retries"], listed["retention"], listed["env"], listed["jitter"]) == (7, 7200, {"LANG": "C"}, 0.5)
    other = CommandLine(f"{queuectl.home}2")
    other.environ["QUEUECTL_TIMEOUT"] = "soon"
    assert "QUEUECTL_TIMEOUT: must be seconds" in other.refused(2, "config", "set", "jitter", "0")


def test_variables_of_a_call_come_after_its_options_and_before_the_queue(queuectl: CommandLine) -> None:
    queuectl.ok("config", "set", "timeout", "10")
    queuectl.ok("queue", "set", "gpu", "--create", "--timeout", "20", "--nice", "2")
    queuectl.environ["QUEUECTL_TIMEOUT"] = "30s"
    queuectl.environ["QUEUECTL_MAX_RETRIES"] = "1"
    queuectl.ok("enqueue", "--id", "a", "--queue", "gpu", "--", "true")
    queuectl.ok("enqueue", "--id", "b", "--timeout", "40", "--", "true")
    queuectl.ok("enqueue", '{"id": "c", "command": "true", "timeout": 50}')
    queuectl.ok("enqueue", "--file", "-", stdin=b'{"id": "d", "command": "true"}\n{"id": "e", "command": "true", "timeout": 60}\n')
    jobs = {job["id"]: (job["timeout"], job["max_retries"]) for job in queuectl.json("list")}
    assert jobs == {"a": (30, 1), "b": (40, 1), "c": (50, 1), "d": (30, 1), "e": (60, 1)}
    assert queuectl.job("a")["nice"] == 2
    queuectl.ok("edit", "a", "--priority", "1")
    assert queuectl.job("a")["timeout"] == 30
    queuectl.environ["QUEUECTL_TIMEOUT"] = "soon"
    assert "timeout" in queuectl.refused(2, "enqueue", "--", "true")
