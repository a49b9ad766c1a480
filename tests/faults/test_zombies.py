"""What becomes a child of the supervisor without being its worker is reaped when it ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.homes import SCRIPT, CommandLine, until

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")


def children_of(pid: int) -> dict[int, str]:
    """Its children, and the state of each."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid:
            found[int(name)] = state.decode()
    return found


def zombies_of(pid: int) -> list[int]:
    return [child for child, state in children_of(pid).items() if state == "Z"]


def run_and_stop(queuectl: CommandLine, process: subprocess.Popen[bytes]) -> None:
    """It works as ever."""
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    queuectl.until_state("a", "completed")
    process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare")
def test_as_the_first_process_of_a_container_it_reaps_orphans(queuectl: CommandLine) -> None:
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, SCRIPT]
    command += ["worker", "start", "--foreground", "--until-eof"]
    process = subprocess.Popen(command, env=queuectl.environ, stdin=subprocess.PIPE)
    try:
        until(lambda: queuectl.json("status")["supervisor"], lambda: "a supervisor")
        first = next(iter(children_of(process.pid)))
        enter = ["nsenter", "--target", str(first), "--pid", "--mount"]
        for _ in range(5):  # each is left by its shell, and so inherited by the first process
            subprocess.run([*enter, "sh", "-c", "sleep 0.1 & exit 0"], check=True, timeout=20)
        until(lambda: len(children_of(first)) == 1, lambda: f"its worker alone; there are {children_of(first)}")
        run_and_stop(queuectl, process)
    finally:
        process.kill()


def test_children_that_it_had_before_it_was_a_supervisor_are_reaped(queuectl: CommandLine) -> None:
    """A shell that starts something in the background and then becomes the supervisor."""
    command = f"true & sleep 1 & (sleep 1.1 &) ; exec {sys.executable} {SCRIPT} worker start --foreground --until-eof"
    process = subprocess.Popen(["sh", "-c", command], env=queuectl.environ, stdin=subprocess.PIPE)
    try:
        until(lambda: queuectl.json("status")["supervisor"], lambda: "a supervisor")
        until(lambda: len(children_of(process.pid)) == 1, lambda: f"its worker alone: {children_of(process.pid)}")
        assert zombies_of(process.pid) == []
        run_and_stop(queuectl, process)
    finally:
        process.kill()
