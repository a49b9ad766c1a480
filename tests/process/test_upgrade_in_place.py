"""Changes of the package or of Python under a running supervisor, which has imported all that it
needs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from tests.homes import ROOT, SCRIPT, CommandLine, until


def live(queuectl: CommandLine) -> None:
    """Make a supervisor and its workers do everything: all kinds of jobs and requests, and a lost
    worker.
    """
    enqueue = "enqueue"
    queuectl.ok(enqueue, "--id", "fails", "--max-retries", "1", "--backoff-base", "0.1", "--jitter", "0.5", "--", "exit 3")
    queuectl.ok(enqueue, "--id", "env", "--env", "A=b", "--stdin", "-", "--nice", "1", "--", "cat", stdin="ä".encode())
    queuectl.ok(enqueue, "--id", "limited", "--limit-mem", "1G", "--limit-cpu", "9", "--", "true")
    queuectl.ok(enqueue, "--id", "late", "--timeout", "0.1", "--grace", "0.1", "--max-retries", "0", "--", "sleep 9")
    queuectl.ok(enqueue, "--id", "nowhere", "--max-retries", "0", "--cwd", "/no/such/folder", "--", "true")
    queuectl.ok(enqueue, "--id", "shell", "--max-retries", "0", "--shell", "/no/such/shell", "--", "true")
    queuectl.ok(enqueue, "--id", "lost", "--max-retries", "0", "--", "kill -9 $PPID; sleep 9")
    queuectl.ok(enqueue, "--file", "-", stdin=b'{"id": "f1", "command": "true", "at": "2030-01-01T00:00:00Z"}\n' * 1)
    queuectl("schedule", "add", "s", "*/5 * * * *", "--tz", "Europe/Berlin", "--", "true")
    queuectl.ok("schedule", "add", "t", "--every", "1h", "--", "true")
    queuectl.ok("schedule", "run-now", "t")
    queuectl.ok("config", "set", "on-success", "cat")
    for words in (["list"], ["why", "fails"], ["queue", "set", "q", "--create", "--limit", "1"], ["export"], ["worker", "scale", "3"]):
        queuectl.ok(*words)
    queuectl("backup", os.path.join(os.path.dirname(queuectl.home), "backup"))
    queuectl.ok("enqueue", "--id", "last", "--priority", "-9", "--", "true")
    queuectl.until_state("fails", "dead")
    queuectl.until_state("last", "completed")
    queuectl.ok("edit", "f1", "--at", "2031-01-01T00:00:00Z")
    queuectl.ok("cancel", "f1")
    until(lambda: queuectl.json("status")["counts"]["processing"] == 0, lambda: "no job to run")


def test_nothing_is_imported_after_a_supervisor_is_ready(queuectl: CommandLine) -> None:
    path = os.path.join(os.path.dirname(queuectl.home), "stderr")
    with open(path, "w") as err:
        command = [sys.executable, "-v", SCRIPT, "worker", "start", "--foreground", "--count", "2"]
        process = subprocess.Popen(command, env=queuectl.environ, stdout=err, stderr=err, cwd="/")
    try:
        until(lambda: " ready: pid " in open(path).read(), lambda: "it to be ready")
        live(queuectl)
        queuectl.ok("worker", "stop")
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
    with open(path) as file:
        later = file.read().split(" ready: pid ")[1].splitlines()
    assert [line for line in later if line.startswith("import ") and "FileLoader" in line] == []


def test_a_supervisor_continues_without_the_files_of_its_package(queuectl: CommandLine) -> None:
    """It also writes its last message, which matters when the disk is full or the journal damaged."""
    folder = os.path.join(os.path.dirname(queuectl.home), "installed")
    shutil.copytree(os.path.join(ROOT, "queuectl_core"), os.path.join(folder, "queuectl_core"))
    shutil.copy(SCRIPT, folder)
    subprocess.run(
        [sys.executable, os.path.join(folder, "queuectl.py"), "worker", "start", "--count", "2"],
        env=queuectl.environ,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=30,
    )
    pid = queuectl.supervisor_pid()
    shutil.rmtree(folder)
    live(queuectl)
    assert queuectl.supervisor_pid() == pid
    queuectl.ok("worker", "stop")
    with open(os.path.join(queuectl.home, "supervisor.log")) as file:
        assert "Traceback" not in file.read()
