"""Short IDs: `last` and the beginnings of IDs, in commands that read and in commands that change."""

from __future__ import annotations

import os
import pty

import pytest

from tests.homes import CommandLine


def at_terminal(queuectl: CommandLine, *words: str) -> str:
    """Run a command that must succeed at a terminal, and return its stdout, which is a pipe."""
    master, slave = pty.openpty()
    try:
        process = queuectl.popen(*words, stdin=slave, stdout=-1, stderr=slave)
        out, _ = process.communicate(timeout=20)
    finally:
        os.close(master)
        os.close(slave)
    assert process.returncode == 0
    return out.decode()


@pytest.mark.parametrize("with_supervisor", [False, True])
def test_commands_that_read_complete_ids(queuectl: CommandLine, with_supervisor: bool) -> None:
    if with_supervisor:
        queuectl.ok("worker", "start")
    for id in ("nightly-report", "nightly", "web-1", "web-2"):
        queuectl.ok("enqueue", "--id", id, "--delay", "1h", "--command", "true")
    assert "nightly-report" in at_terminal(queuectl, "show", "nightly-r")
    assert queuectl.job("nightly")["id"] == "nightly"
    assert queuectl.job("last")["id"] == "web-2"
    assert [job["id"] for job in queuectl.json("show", "last", "nightly-report")] == ["web-2", "nightly-report"]
    shown = at_terminal(queuectl, "show", "last", "nightly-rep")
    assert shown.index("web-2") < shown.index("nightly-report")
    assert at_terminal(queuectl, "why", "nightly-r").startswith("nightly-report is pending")
    assert queuectl.json("history", "last")[0]["id"] == "web-2"
    assert "several IDs: web-1, web-2" in queuectl.refused(1, "show", "web")
    assert "does not exist" in queuectl.refused(1, "show", "nobody")
    queuectl.ok("enqueue", "--id", "then", "--after", "last,nightly", "--command", "true")
    assert queuectl.job("then")["waits_for"] == ["web-2", "nightly"]
    queuectl.ok("enqueue", "--id", "last", "--delay", "1h", "--command", "true")
    assert queuectl.job("last")["id"] == "last"


@pytest.mark.parametrize("command", ["show", "why", "history", "logs"])
def test_a_script_that_names_a_removed_job_reads_no_other(queuectl: CommandLine, command: str) -> None:
    queuectl.ok("enqueue", "--id", "job1.on-dead.7", "--command", "true")
    assert "did you mean job1.on-dead.7?" in queuectl.refused(1, command, "job1")
    if command != "logs":
        master, slave = pty.openpty()
        process = queuectl.popen(command, "job1", "--json", stdin=slave, stdout=-3, stderr=slave)
        assert process.wait(timeout=20) == 1
        os.close(master)
        os.close(slave)


def test_a_change_completes_no_id_without_a_terminal(queuectl: CommandLine) -> None:
    for id in ("job10", "web-1"):
        queuectl.ok("enqueue", "--id", id, "--command", "true")
    assert "did you mean job10?" in queuectl.refused(1, "rm", "job1")
    assert "did you mean job10?" in queuectl.refused(1, "rm", "job1", "--yes")
    assert queuectl.ok("cancel", "last") == "canceled 1 job\n"
    assert queuectl.job("web-1")["state"] == "dead" and queuectl.job("job10")["state"] == "pending"
    assert queuectl.ok("rm", "last") == "removed 1 job\n"
    assert "the newest job, web-1, was removed" in queuectl.refused(1, "rm", "last")


@pytest.mark.parametrize("typed, is_done", [(b"y\n", True), (b"\n", False)])
def test_a_change_asks_at_a_terminal_before_it_completes_an_id(
    queuectl: CommandLine, typed: bytes, is_done: bool
) -> None:
    queuectl.ok("enqueue", "--id", "job10", "--command", "true")
    master, slave = pty.openpty()
    try:
        process = queuectl.popen("rm", "job1", stdin=slave, stdout=-3, stderr=slave)
        os.write(master, typed)
        assert process.wait(timeout=20) == (0 if is_done else 1)
    finally:
        os.close(master)
        os.close(slave)
    assert len(queuectl.json("list")) == (not is_done)
