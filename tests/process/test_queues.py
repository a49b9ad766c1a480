"""Queues on the command line: defaults of their jobs, pauses that end, limits of the system, and removal."""

from __future__ import annotations

import os
import re

import pytest

from queuectl_core.system.load import free_memory
from tests.homes import CommandLine, until

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+"


def test_job_runs_with_the_defaults_of_its_queue_and_shows_their_origin(queuectl: CommandLine) -> None:
    queuectl.ok("config", "set", "env", "FROM=config KEPT=yes")
    queuectl.ok("config", "set", "shell", "/bin/sh")
    queuectl.ok("queue", "set", "gpu", "--create", "--timeout", "1h", "--max-retries", "0", "--nice", "1", "--env", "FROM=queue")
    queuectl.ok("enqueue", "--id", "a", "--queue", "gpu", "--", "echo $FROM $KEPT; exit 3")
    shown = queuectl.ok("show", "a")
    assert "timeout       1 h 0 min  (from queue)\n" in shown and "max_retries   0  (from queue)\n" in shown
    assert "shell         /bin/sh  (from config)\n" in shown
    assert "env           FROM, KEPT  (from config, queue)\n" in shown and "yes" not in shown
    assert queuectl.job("a")["defaults"]["nice"] == "queue"
    queuectl.ok("worker", "start", "--count", "1")
    assert queuectl.until_state("a", "dead")["history"][-1]["exit_code"] == 3
    assert queuectl.ok("logs", "a") == "queue yes\n"
    listed = queuectl.ok("queue", "list")
    assert "timeout=3600" in listed and "env" in listed and "FROM=" not in listed
    queuectl.ok("queue", "set", "gpu", "--timeout", "none", "--env", "")
    assert queuectl.json("queue", "list")[1]["defaults"] == {"max_retries": 0, "nice": 1}


def test_a_plain_job_shows_that_its_retries_are_from_the_settings(queuectl: CommandLine) -> None:
    queuectl.ok("config", "set", "max-retries", "7")
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    queuectl.ok("enqueue", "--id", "b", "--max-retries", "7", "--", "true")
    assert "max_retries   7  (from config)\n" in queuectl.ok("show", "a")
    assert "max_retries   7\n" in queuectl.ok("show", "b")


def test_pause_ends_by_itself_with_a_reason_meanwhile(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start", "--count", "1")
    said = queuectl.ok("pause", "--for", "1h", "--reason", "new disk")
    assert re.fullmatch(f"paused all queues until {TIME}, or until `queuectl resume`; running jobs continue\n", said)
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    why = queuectl.json("why", "a")
    assert why["because"] == "everything is paused" and why["pause_reason"] == "new disk" and why["until"] > why["since"]
    assert f"paused since {why['since']} until {why['until']} (new disk)" in queuectl.ok("why", "a")
    status = queuectl.json("status")
    assert (status["paused_until"], status["pause_reason"]) == (why["until"], "new disk")
    row = queuectl.ok("queue", "list").splitlines()[1]
    assert row.endswith(f"{why['since']}, until {why['until']}, new disk (all queues)")
    assert queuectl.json("queue", "list")[0]["paused_since"] is None
    queuectl.ok("pause", "--for", "1s")
    queuectl.until_state("a", "completed")
    assert queuectl.json("status")["paused_since"] is None
    said = queuectl.ok("queue", "pause", "gpu", "--create", "--for", "2s", "--reason", "driver")
    assert re.fullmatch(f"paused queue gpu until {TIME}; running jobs continue\n", said)
    queuectl.ok("enqueue", "--id", "b", "--queue", "gpu", "--", "true")
    assert "(driver)" in queuectl.ok("why", "b") and "driver" in queuectl.ok("queue", "list")
    queuectl.ok("worker", "stop")
    queuectl.ok("worker", "start", "--count", "1")
    queuectl.until_state("b", "completed")


def test_pause_survives_backup_and_restore(queuectl: CommandLine) -> None:
    queuectl.ok("pause", "--for", "1h", "--reason", "move")
    queuectl.ok("queue", "set", "gpu", "--create", "--limit-load", "3", "--nice", "1")
    queuectl.ok("queue", "pause", "gpu")
    before = queuectl.json("queue", "list"), queuectl.json("status")
    queuectl.ok("backup", f"{queuectl.home}.backup")
    queuectl.environ["QUEUECTL_HOME"] = f"{queuectl.home}2"
    queuectl.ok("restore", f"{queuectl.home}.backup")
    (default, gpu), status = queuectl.json("queue", "list"), queuectl.json("status")
    assert gpu["paused_since"] and {**gpu, "paused_since": 0} == {**before[0][1], "paused_since": 0}
    assert status["pause_reason"] == "move" and status["paused_until"]
    assert default["paused_since"] is None


def test_unknown_queue_needs_to_be_created_and_can_be_removed(queuectl: CommandLine) -> None:
    queuectl.ok("queue", "set", "gpu", "--create", "--limit", "2")
    for words in (["pause", "gqu"], ["set", "gqu", "--limit", "1"], ["resume", "gqu"]):
        refusal = queuectl.refused(1, "queue", *words)
        assert refusal.startswith("queuectl: queue 'gqu' does not exist; did you mean gpu?; "), refusal
    assert [record["queue"] for record in queuectl.json("queue", "list")] == ["default", "gpu"]
    queuectl.ok("queue", "pause", "gqu", "--create")
    assert queuectl("queue", "set", "gpu", "--limit", "3").err == ""
    assert queuectl.ok("queue", "rm", "gqu") == "removed the rules of queue gqu\n"
    assert [record["queue"] for record in queuectl.json("queue", "list")] == ["default", "gpu"]
    assert "queue list" in queuectl.refused(1, "queue", "rm", "gqu")
    queuectl.ok("enqueue", "--queue", "gpu", "--", "true")
    assert "unfinished" in queuectl.refused(2, "queue", "rm", "gpu")


def test_limits_of_the_system_hold_jobs_back(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start", "--count", "1")
    if free_memory() is None:
        assert "free" in queuectl.refused(2, "queue", "set", "gpu", "--min-free-mem", "1G")
        pytest.skip("this system does not tell how much memory is free")
    queuectl.ok("config", "set", "min-free-mem", "1000000G")
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    until(lambda: queuectl.json("why", "a")["because"] == "too little memory is free", lambda: "a to be held")
    assert "the limit is" in queuectl.ok("why", "a")
    assert queuectl.json("status")["holds"][0]["because"] == "too little memory is free"
    assert "MiB of memory are free" in queuectl.ok("status")
    queuectl.ok("config", "unset", "min-free-mem")
    queuectl.until_state("a", "completed")
    queuectl.ok("queue", "set", "gpu", "--create", "--limit-load", "0.01")
    if os.getloadavg()[0] > 0.01:
        queuectl.ok("enqueue", "--id", "b", "--queue", "gpu", "--", "true")
        assert "load average" in queuectl.ok("why", "b")
        queuectl.ok("queue", "set", "gpu", "--limit-load", "none")
        queuectl.until_state("b", "completed")
    assert "must be a number" in queuectl.refused(2, "queue", "set", "gpu", "--limit-load", "high")


def test_slot_is_unique_among_running_jobs_also_after_the_death_of_the_supervisor(queuectl: CommandLine) -> None:
    queuectl.ok("queue", "set", "gpu", "--create", "--limit", "2")
    queuectl.ok("worker", "start", "--count", "3")
    wait = 'echo "slot $QUEUECTL_SLOT"; while [ ! -e "$QUEUECTL_HOME/../go-$QUEUECTL_JOB_ID" ]; do sleep 0.05; done'
    folder = os.path.dirname(queuectl.home)
    for id in "abc":
        queuectl.ok("enqueue", "--id", id, "--queue", "gpu", "--", wait)
    queuectl.ok("enqueue", "--id", "free", "--", 'echo "slot $QUEUECTL_SLOT"')
    for id in "ab":
        until(lambda id=id: queuectl.ok("logs", id), lambda id=id: f"{id} to print")  # type: ignore[misc]
    assert sorted(queuectl.ok("logs", id) for id in "ab") == ["slot 1\n", "slot 2\n"]
    queuectl.kill_supervisor()
    queuectl.ok("worker", "start", "--count", "3")
    queuectl.ok("enqueue", "--id", "d", "--queue", "gpu", "--priority", "1", "--", 'echo "slot $QUEUECTL_SLOT"')
    assert queuectl.job("d")["state"] == "pending"
    with open(os.path.join(folder, "go-b"), "w"):
        queuectl.until_state("b", "completed")
    queuectl.until_state("d", "completed")
    assert queuectl.ok("logs", "d") == queuectl.ok("logs", "b")
    assert queuectl.job("d")["history"][0]["slot"] == queuectl.job("b")["history"][0]["slot"]
    for id in "ac":
        with open(os.path.join(folder, f"go-{id}"), "w"):
            queuectl.until_state(id, "completed")
    assert queuectl.ok("logs", "free") == "slot \n" and "slot" not in queuectl.job("free")["history"][0]
    assert queuectl.job("c")["history"][0]["slot"] != queuectl.job("a")["history"][0]["slot"]
