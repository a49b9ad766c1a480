"""Callers with unusual signal settings: a supervisor starts and works anyway."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.homes import SCRIPT, CommandLine


def ignore_children() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def ignore_all() -> None:
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)


def block_all() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


@pytest.mark.parametrize("prepare", [ignore_children, ignore_all, block_all])
def test_worker_start_works_when_its_caller_ignores_or_blocks_signals(
    queuectl: CommandLine, prepare: Callable[[], None]
) -> None:
    """Ignored and blocked signals pass through fork and exec."""
    start = subprocess.run(
        [sys.executable, SCRIPT, "worker", "start"],
        env=queuectl.environ,
        capture_output=True,
        text=True,
        timeout=30,
        preexec_fn=prepare,
        check=False,
    )
    assert (start.returncode, start.stderr) == (0, "")
    assert start.stdout.startswith("started 1 worker, supervisor pid ")
    queuectl.ok("enqueue", "--id", "a", "--command", "sleep 0.1; kill -TERM $$", "--max-retries", "0")
    assert queuectl.until_state("a", "dead")["reason"] == "killed by SIGTERM"
    queuectl.ok("worker", "stop")
