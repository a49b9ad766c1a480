"""Output pipes: each run has its own, so that no run affects the output of the next."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.homes import CommandLine, until

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")


@pytest.fixture
def one_worker(queuectl: CommandLine) -> CommandLine:
    """Return a command line on a home with one worker."""
    queuectl.ok("worker", "start")
    return queuectl


def test_non_blocking_output_does_not_affect_the_next_job(one_worker: CommandLine) -> None:
    one_worker.ok("enqueue", "--id", "a", "--", sys.executable, "-c", "import os; os.set_blocking(1, False)")
    print_much = "import os, sys; print(os.get_blocking(1)); print('x' * 2_000_000)"
    one_worker.ok("enqueue", "--id", "b", "--max-retries", "0", "--", sys.executable, "-c", print_much)
    one_worker.until_done(completed=2)
    assert one_worker.ok("logs", "b") == "True\n" + "x" * 2_000_000 + "\n"


@needs_proc
def test_process_that_holds_old_output_cannot_write_to_the_next_log(
    one_worker: CommandLine, tmp_path: Path
) -> None:
    holder = hold_output_of_a_job(one_worker, tmp_path)
    one_worker.ok("enqueue", "--id", "b", "--command", f"echo begun; while ! test -e {tmp_path}/b; do sleep 0.02; done")
    until(lambda: one_worker("logs", "b").out == "begun\n", lambda: "the second job to start")
    with pytest.raises(BrokenPipeError):
        os.write(holder, b"of the first job\n")
    os.close(holder)
    (tmp_path / "b").touch()
    one_worker.until_state("b", "completed")
    assert (one_worker.ok("logs", "a"), one_worker.ok("logs", "b")) == (one_worker.ok("logs", "a").splitlines()[0] + "\n", "begun\n")


@needs_proc
def test_idle_worker_ignores_writers_to_the_output_of_its_last_job(
    one_worker: CommandLine, tmp_path: Path
) -> None:
    holder = hold_output_of_a_job(one_worker, tmp_path)
    with pytest.raises(BrokenPipeError):
        os.write(holder, b"late\n")
    os.close(holder)


def hold_output_of_a_job(queuectl: CommandLine, folder: Path) -> int:
    """Run job `a`, and return the write end of its output, which this process holds.

    This process is outside the process tree of the job.
    """
    queuectl.ok("enqueue", "--id", "a", "--command", f"echo $$; while ! test -e {folder}/a; do sleep 0.02; done")
    until(lambda: queuectl("logs", "a").out, lambda: "the PID of the job")
    holder = os.open(f"/proc/{int(queuectl.ok('logs', 'a'))}/fd/1", os.O_WRONLY)
    (folder / "a").touch()
    queuectl.until_state("a", "completed")
    return holder
