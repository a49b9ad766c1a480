"""A FIFO in place of a file of a home: no command waits for a process at its other end."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from tests.homes import SCRIPT, CommandLine

NAMES = [
    "run/w9-aaaaaa.lock",
    "run/w9-aaaaaa.outcome",
    "supervisor.pid",
    "supervisor.pid.new",
    "supervisor.log",
    "control.sock",
    "lock",
    "reserve",
    "journal/0000000009.log",
    "store/CURRENT",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_fifo_in_a_home_hangs_no_command(queuectl: CommandLine, name: str) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    path = os.path.join(queuectl.home, name)
    if os.path.exists(path):
        os.unlink(path)
    os.mkfifo(path)
    calls = (["status"], ["enqueue", "--", "true"], ["doctor"], ["worker", "start"], ["list"], ["worker", "stop", "--now"])
    for words in calls:
        result = subprocess.run(
            [queuectl.python, SCRIPT, *words], env=queuectl.environ, capture_output=True, text=True, timeout=20
        )
        assert result.returncode == 0 or words == ["doctor"] or result.stderr.count("\n") == 1, (words, result)
        assert "Traceback" not in result.stderr


def test_a_fifo_named_as_a_lock_does_not_keep_jobs_from_running(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    os.mkfifo(os.path.join(queuectl.home, "run", "w9-aaaaaa.lock"))
    started_s = time.monotonic()
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    queuectl.ok("worker", "stop")
    assert time.monotonic() - started_s < 20
