"""Processes that become children of the supervisor, but are not its workers: it reaps them when
they end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.homes import SCRIPT, CommandLine, until

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")


def children_of(pid: int) -> dict[int, str]:
    """Return the children of a process with their states."""
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
    """Assert that the supervisor still works."""
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    queuectl.until_state("a", "completed")
    process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare")
def test_supervisor_reaps_orphans_as_the_first_process_of_a_container(queuectl: CommandLine) -> None:
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, SCRIPT]
    command += ["worker", "start", "--foreground", "--until-eof"]
    process = subprocess.Popen(command, env=queuectl.environ, stdin=subprocess.PIPE)
    try:
        until(lambda: queuectl.json("status")["supervisor"], lambda: "a supervisor")
        first = next(iter(children_of(process.pid)))
        enter = ["nsenter", "--target", str(first), "--pid", "--mount"]
        for _ in range(5):  # each loses its shell, so the first process inherits it
            subprocess.run([*enter, "sh", "-c", "sleep 0.1 & exit 0"], check=True, timeout=20)
        until(lambda: len(children_of(first)) == 1, lambda: f"only its worker; there are {children_of(first)}")
        run_and_stop(queuectl, process)
    finally:
        process.kill()


def test_supervisor_reaps_children_from_before_its_start(queuectl: CommandLine) -> None:
    """Let a shell start a background process and then become the supervisor."""
    command = f"true & sleep 1 & (sleep 1.1 &) ; exec {sys.executable} {SCRIPT} worker start --foreground --until-eof"
    process = subprocess.Popen(["sh", "-c", command], env=queuectl.environ, stdin=subprocess.PIPE)
    try:
        until(lambda: queuectl.json("status")["supervisor"], lambda: "a supervisor")
        until(lambda: len(children_of(process.pid)) == 1, lambda: f"only its worker: {children_of(process.pid)}")
        assert zombies_of(process.pid) == []
        run_and_stop(queuectl, process)
    finally:
        process.kill()
