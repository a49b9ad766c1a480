"""Each dbm backend: killed during a checkpoint, and opened by a Python that lacks it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from queuectl_core.storage.backends import available
from tests.homes import SCRIPT, CommandLine, processes_of, until

CALLS = "write,pwrite64,fsync,fdatasync,rename,ftruncate,mkdir,unlink"


@pytest.mark.parametrize("backend", available())
def test_a_home_of_this_backend_works_through_the_command_line(queuectl: CommandLine, backend: str) -> None:
    queuectl.environ["QUEUECTL_STORE"] = backend
    lines = "".join(f'{{"id": "n{n}", "command": "test {n} -ne 3", "max_retries": 0}}\n' for n in range(300))
    queuectl.ok("enqueue", "--file", "-", stdin=lines.encode())
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.until_done(completed=299, dead=1)
    queuectl.ok("worker", "stop")
    del queuectl.environ["QUEUECTL_STORE"]
    with open(os.path.join(queuectl.home, "store", "CURRENT")) as file:
        assert file.read() == f"{backend}\n"
    assert queuectl.counts()["completed"] == 299
    assert queuectl.ok("dlq", "retry", "n3") == "retried 1 job\n"


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("backend", available())
def test_a_kill_during_a_checkpoint_loses_nothing(
    queuectl: CommandLine, backend: str, request: pytest.FixtureRequest
) -> None:
    queuectl.environ["QUEUECTL_STORE"] = backend
    lines = "".join(f'{{"id": "n{n}", "command": "true"}}\n' for n in range(200))
    queuectl.ok("enqueue", "--file", "-", stdin=lines.encode())
    before = queuectl.json("list")
    home = queuectl.home + "-copy"
    numbers = range(1, 400) if request.config.getoption("--long") else (2, 5, 9, 14, 20, 30, 45)
    for number in numbers:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(queuectl.home, home)
        inject = [
            "strace",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            f"trace={CALLS}",
            "-e",
            f"inject={CALLS}:signal=KILL:when={number}",
        ]
        words = ["--home", home, "worker", "start", "--foreground", "--until-eof"]
        done = subprocess.run(
            [*inject, sys.executable, SCRIPT, *words],
            env=queuectl.environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        until(lambda: not processes_of(queuectl.home), lambda: "its workers to end")
        answer = queuectl("list", "--json", "--home", home)
        assert answer.status == 0 and answer.out.count('"state": "pending"') == len(before), (number, answer)
        if done.returncode == 0:
            break


@pytest.mark.parametrize("backend", [name for name in ("gnu", "ndbm") if name not in available()])
def test_a_python_without_the_backend_names_it_and_the_remedy(queuectl: CommandLine, backend: str) -> None:
    queuectl.ok("enqueue", "--command", "true")
    with open(os.path.join(queuectl.home, "store", "CURRENT"), "w") as file:
        file.write(f"{backend}\n")
    for words in (["status"], ["enqueue", "--command", "true"], ["worker", "start"]):
        message = queuectl.refused(1, *words)
        assert f"is a {backend} file" in message and f"import dbm.{backend}" in message


@pytest.mark.skipif(sys.version_info < (3, 13), reason="dbm.sqlite3 is new in 3.13")
def test_the_preferred_store_opens_with_dbm(queuectl: CommandLine) -> None:
    import dbm

    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    queuectl.ok("worker", "stop")
    path = os.path.join(queuectl.home, "store", "jobs.db")
    assert dbm.whichdb(path) == "dbm.sqlite3"
    with dbm.open(path, "r") as file:
        assert b'"command":"true"' in file[b"job/a"]
