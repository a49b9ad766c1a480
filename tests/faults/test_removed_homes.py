"""A home that is removed or moved under its supervisor: the supervisor stops and acknowledges
nothing more.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from queuectl_core import Queue
from queuectl_core.errors import HomeGone
from queuectl_core.supervisor.home_watch import HomeWatch
from queuectl_core.system import lockfile
from tests.homes import SCRIPT, CommandLine, is_alive, until


def start(queuectl: CommandLine) -> int:
    queuectl.ok("worker", "start", "--count", "2")
    return queuectl.supervisor_pid()


def nudge(pid: int) -> None:
    """Cause an event; an idle supervisor checks its home only once a minute.

    It may have had an event of its own, and be gone: a client that disconnects is one.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCHLD)


def ended(*pids: int) -> None:
    until(lambda: not any(map(is_alive, pids)), lambda: f"{pids} to end")


def start_long_job(queuectl: CommandLine) -> str:
    """Start a job that ends when a file exists, and return the path of that file."""
    go = os.path.join(os.path.dirname(queuectl.home), "go")
    queuectl.ok("enqueue", "--id", "slow", "--command", f"while ! test -e {go}; do sleep 0.02; done; touch {go}.done")
    until(lambda: queuectl.worker_running("slow"), lambda: "slow to run")
    return go


def test_a_supervisor_whose_home_is_removed_stops_with_its_workers(queuectl: CommandLine) -> None:
    pid = start(queuectl)
    workers = [worker["pid"] for worker in queuectl.json("status")["workers"]]
    shutil.rmtree(queuectl.home)
    nudge(pid)
    ended(pid, *workers)
    assert not os.path.exists(queuectl.home)


def test_a_moved_home_refuses_jobs_until_its_supervisor_stops_and_loses_none(queuectl: CommandLine) -> None:
    pid = start(queuectl)
    go = start_long_job(queuectl)
    queuectl.ok("enqueue", "--id", "before", "--delay", "1h", "--", "true")
    moved = f"{queuectl.home}-moved"
    os.rename(queuectl.home, moved)
    line = queuectl.refused(75, "--home", moved, "enqueue", "--id", "during", "--", "true")
    assert "was removed or moved while its supervisor ran" in line and "nothing was changed" in line
    with Queue(moved) as queue, pytest.raises(HomeGone):
        queue.enqueue("true", id="during")
    assert is_alive(pid), "it waits for the job that runs"
    open(go, "w").close()
    ended(pid)
    assert os.path.exists(f"{go}.done")
    with Queue(moved) as queue:
        assert {job["id"]: (job["state"], job["attempts"]) for job in queue.list()} == {
            "slow": ("completed", 1),
            "before": ("pending", 0),
        }
        with queue.supervisor():
            assert queue.wait([queue.enqueue("true", id="after")], 20) == {"completed": 1}
    with open(os.path.join(moved, "supervisor.log")) as file:
        assert f"home {queuectl.home} was removed or moved; stopping" in file.read()
    queuectl.home = moved


def test_a_new_home_at_the_old_path_is_left_alone(queuectl: CommandLine) -> None:
    old = start(queuectl)
    workers = [worker["pid"] for worker in queuectl.json("status")["workers"]]
    os.rename(queuectl.home, f"{queuectl.home}-moved")
    new = start(queuectl)
    nudge(old)
    ended(old, *workers)
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    assert queuectl.until_state("a", "completed")["attempts"] == 1
    assert queuectl.supervisor_pid() == new and queuectl.json("status")["supervisor"]["pid"] == new


def test_waiting_jobs_of_a_moved_home_do_not_start(queuectl: CommandLine) -> None:
    pid = start(queuectl)
    go = start_long_job(queuectl)
    queuectl.ok("worker", "scale", "1")
    lines = "".join(f'{{"id": "n{n}", "command": "true", "max_retries": 0}}\n' for n in range(200))
    queuectl.ok("enqueue", "--file", "-", stdin=lines.encode())
    moved = f"{queuectl.home}-moved"
    os.rename(queuectl.home, moved)
    open(go, "w").close()
    ended(pid)
    queuectl.home = queuectl.environ["QUEUECTL_HOME"] = moved
    assert queuectl.counts()["dead"] == 0 and queuectl.job("slow")["state"] == "completed"
    start(queuectl)
    queuectl.until_done(completed=201)


def test_a_foreground_supervisor_ends_with_an_error(queuectl: CommandLine) -> None:
    command = [sys.executable, SCRIPT, "worker", "start", "--foreground"]
    process = subprocess.Popen(command, env=queuectl.environ, stderr=subprocess.PIPE, text=True)
    until(lambda: queuectl.json("status")["supervisor"], lambda: "a supervisor")
    shutil.rmtree(queuectl.home)
    nudge(process.pid)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 75
    assert err.splitlines()[-1].startswith(f"queuectl: home {queuectl.home} or its journal was removed or moved")


def test_stop_reaches_the_supervisor_of_a_moved_home(queuectl: CommandLine) -> None:
    pid = start(queuectl)
    start_long_job(queuectl)
    moved = f"{queuectl.home}-moved"
    os.rename(queuectl.home, moved)
    queuectl.ok("--home", moved, "worker", "stop", "--now")
    ended(pid)
    assert queuectl.json("--home", moved, "show", "slow")["state"] == "pending"
    queuectl.home = moved


def test_an_idle_supervisor_checks_once_a_minute(queuectl: CommandLine) -> None:
    os.mkdir(queuectl.home)
    path = os.path.join(queuectl.home, "lock")
    lock = lockfile.acquire(path)
    assert lock is not None
    seen = HomeWatch(path, lock)
    assert 59 < seen.next_deadline() - time.monotonic() <= 60 and seen.is_there()
    os.rename(path, f"{path}.moved")
    assert not seen.is_there()
    os.link(f"{path}.moved", path)
    assert seen.is_there()
    os.close(lock)


@pytest.mark.long
@pytest.mark.timeout(120)
def test_an_idle_supervisor_notices_within_a_minute(queuectl: CommandLine) -> None:
    pid = start(queuectl)
    started_s = time.monotonic()
    shutil.rmtree(queuectl.home)
    until(lambda: not is_alive(pid), lambda: "its end", deadline_s=65)
    assert time.monotonic() - started_s > 1


@pytest.mark.parametrize("is_replaced", [False, True])
def test_nothing_is_acknowledged_after_the_journal_is_removed_or_replaced(
    queuectl: CommandLine, is_replaced: bool
) -> None:
    """After a restored backup, for example, later writes would go into an unreachable file."""
    pid = start(queuectl)
    go = start_long_job(queuectl)  # the supervisor notices the loss, and refuses requests until it ends
    queuectl.ok("enqueue", "--id", "before", "--delay", "1h", "--", "true")
    segment = os.path.join(queuectl.home, "journal", "0000000001.log")
    copy = shutil.copy2(segment, f"{queuectl.home}-copy")
    os.unlink(segment)
    if is_replaced:
        shutil.copy2(copy, segment)
    line = queuectl.refused(75, "enqueue", "--id", "behind", "--", "true")
    assert "or its journal was removed or moved" in line and "the supervisor stops" in line
    with open(go, "w"):
        pass
    ended(pid)
    if is_replaced:
        assert {job["id"] for job in queuectl.json("list")} == {"before", "slow"}
    with open(os.path.join(queuectl.home, "supervisor.log")) as file:
        assert f"the journal of {queuectl.home} was removed or replaced; stopping" in file.read()
