"""The order of actions, as the kernel sees it: write before acting, and sync before answering."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.homes import SCRIPT, CommandLine, until

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


def strace(trace: str) -> list[str]:
    return ["strace", "-qq", "-y", "-s", "200", "-o", trace, "-e", "trace=write,fdatasync,sendto,pwrite64"]


def lines_of(trace: str) -> list[str]:
    with open(trace) as file:
        return file.readlines()


def place(lines: list[str], *parts: str) -> int:
    """Return the number of the first line that contains all of these."""
    found = [number for number, line in enumerate(lines) if all(part in line for part in parts)]
    assert found, f"nothing has {parts} in {''.join(lines[-40:])}"
    return found[0]


@pytest.fixture
def traced(queuectl: CommandLine) -> list[str]:
    """Return the calls of a supervisor for one job and its enqueue, from readiness to its end."""
    trace = os.path.join(os.path.dirname(queuectl.home), "trace")
    process = subprocess.Popen(
        [*strace(trace), sys.executable, SCRIPT, "worker", "start", "--foreground"],
        env=queuectl.environ,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: queuectl.json("status")["supervisor"] is not None, lambda: "a supervisor")
    queuectl.ok("enqueue", "--id", "job1", "--command", "true")
    queuectl.until_state("job1", "completed")
    queuectl.ok("worker", "stop")
    assert process.wait(timeout=20) == 0
    return lines_of(trace)


def test_reply_waits_for_sync(traced: list[str]) -> None:
    written = place(traced, "write(", "/journal/", "enqueued")
    synced = next(
        n for n in range(written, len(traced)) if traced[n].startswith("fdatasync") and "/journal/" in traced[n]
    )
    assert synced < place(traced, "sendto(", "job1")


def test_run_is_sent_only_after_its_start_is_written(traced: list[str]) -> None:
    started = place(traced, "write(", "/journal/", "started")
    handed_over = place(traced, "write(", "pipe:", "job1")
    assert started < handed_over


def test_command_without_supervisor_prints_the_id_after_the_sync(queuectl: CommandLine) -> None:
    trace = os.path.join(os.path.dirname(queuectl.home), "trace")
    words = [sys.executable, SCRIPT, "enqueue", "--id", "job1", "--command", "true"]
    subprocess.run([*strace(trace), *words], env=queuectl.environ, check=True, stdout=subprocess.PIPE)
    lines = lines_of(trace)
    written = place(lines, "write(", "/journal/", "enqueued")
    synced = next(n for n in range(written, len(lines)) if lines[n].startswith("fdatasync") and "/journal/" in lines[n])
    assert synced < place(lines, "write(1<", "job1")


def test_store_is_written_only_after_the_journal_is_synced(queuectl: CommandLine) -> None:
    """Check the write-ahead rule at the checkpoint of a clean stop."""
    trace = os.path.join(os.path.dirname(queuectl.home), "trace")
    queuectl.ok("enqueue", "--id", "job1", "--max-retries", "0", "--command", "false")
    process = subprocess.Popen(
        [*strace(trace), sys.executable, SCRIPT, "worker", "start", "--foreground"],
        env=queuectl.environ,
        stderr=subprocess.DEVNULL,
    )
    queuectl.until_state("job1", "dead")
    queuectl.ok("worker", "stop")
    assert process.wait(timeout=20) == 0
    lines = lines_of(trace)
    last_event = max(
        n for n, line in enumerate(lines) if line.startswith("write(") and "/journal/" in line and "qFrm" in line
    )
    stored = next(
        n for n, line in enumerate(lines) if line.startswith("pwrite64") and "jobs.db-wal" in line and n > last_event
    )
    assert any(line.startswith("fdatasync") and "/journal/" in line for line in lines[last_event:stored])
