"""The pipe that a run prints into: every run has one of its own, so that none spoils the next one's output."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.homes import CommandLine, until

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")


@pytest.fixture
def one(queuectl: CommandLine) -> CommandLine:
    """A home where one worker runs."""
    queuectl.ok("worker", "start")
    return queuectl


def test_job_that_makes_its_output_non_blocking_spoils_nothing_for_the_next_one(one: CommandLine) -> None:
    one.ok("enqueue", "--id", "a", "--", sys.executable, "-c", "import os; os.set_blocking(1, False)")
    print_much = "import os, sys; print(os.get_blocking(1)); print('x' * 2_000_000)"
    one.ok("enqueue", "--id", "b", "--max-retries", "0", "--", sys.executable, "-c", print_much)
    one.until_done(completed=2)
    assert one.ok("logs", "b") == "True\n" + "x" * 2_000_000 + "\n"


@needs_proc
def test_process_that_still_holds_the_output_of_one_job_cannot_print_into_the_next_ones_log(
    one: CommandLine, tmp_path: Path
) -> None:
    holder = hold_output_of_a_job(one, tmp_path)
    one.ok("enqueue", "--id", "b", "--command", f"echo begun; while ! test -e {tmp_path}/b; do sleep 0.02; done")
    until(lambda: one("logs", "b").out == "begun\n", lambda: "the second job to begin")
    with pytest.raises(BrokenPipeError):
        os.write(holder, b"of the first job\n")
    os.close(holder)
    (tmp_path / "b").touch()
    one.until_state("b", "completed")
    assert (one.ok("logs", "a"), one.ok("logs", "b")) == (one.ok("logs", "a").splitlines()[0] + "\n", "begun\n")


@needs_proc
def test_idle_worker_does_not_wake_for_what_still_writes_to_the_output_of_its_last_job(
    one: CommandLine, tmp_path: Path
) -> None:
    holder = hold_output_of_a_job(one, tmp_path)
    with pytest.raises(BrokenPipeError):
        os.write(holder, b"late\n")
    os.close(holder)


def hold_output_of_a_job(queuectl: CommandLine, folder: Path) -> int:
    """Runs job `a` to its end; the writing end of its output, held by this process, which is outside its tree."""
    queuectl.ok("enqueue", "--id", "a", "--command", f"echo $$; while ! test -e {folder}/a; do sleep 0.02; done")
    until(lambda: queuectl("logs", "a").out, lambda: "the job to say its pid")
    holder = os.open(f"/proc/{int(queuectl.ok('logs', 'a'))}/fd/1", os.O_WRONLY)
    (folder / "a").touch()
    queuectl.until_state("a", "completed")
    return holder
