"""Workers that cannot start, cannot work, or do not end: nothing leaks, no attempt counts, every
stop ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.faults.test_disk import mounted, needs_mount, needs_strace
from tests.homes import ROOT, SCRIPT, CommandLine, is_alive, until

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")


def log_of(queuectl: CommandLine) -> str:
    with open(os.path.join(queuectl.home, "supervisor.log")) as file:
        return file.read()


def with_one_idle_worker(queuectl: CommandLine) -> int:
    """Return the PID of an idle worker that has run a job, and so has a result to report."""
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "first", "--command", "true")
    queuectl.until_state("first", "completed")
    return int(queuectl.json("status")["workers"][0]["pid"])



@contextmanager
def failing(pid: int, calls: str, error: str) -> Iterator[None]:
    """Make these system calls of the process fail inside the block."""
    inject = ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}"]
    tracer = subprocess.Popen(["strace", "-o", "/dev/null", *inject, "-p", str(pid)], stderr=subprocess.PIPE)
    assert tracer.stderr is not None
    try:
        line = tracer.stderr.readline().decode()
        if "attached" not in line:
            pytest.skip(f"strace cannot attach here: {line}")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(timeout=20)
        tracer.stderr.close()


@needs_strace
def test_worker_that_cannot_start_leaves_no_descriptor_and_no_file(queuectl: CommandLine) -> None:
    worker = with_one_idle_worker(queuectl)
    pid = queuectl.supervisor_pid()
    before = len(other_descriptors(pid))
    with failing(pid, "clone,clone3,fork,vfork", "EAGAIN"):
        os.kill(worker, signal.SIGKILL)
        until(lambda: log_of(queuectl).count("cannot start a worker") >= 3, lambda: "three tries")
        assert len(other_descriptors(pid)) <= before
        assert os.listdir(os.path.join(queuectl.home, "run")) == []
    queuectl.ok("enqueue", "--id", "second", "--command", "true")
    queuectl.until_state("second", "completed")
    assert len(other_descriptors(pid)) == before


def other_descriptors(pid: int) -> list[str]:
    """Return what the descriptors of a process lead to, without the sockets of clients that come and go."""
    folder = f"/proc/{pid}/fd"
    found = []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            found.append(os.readlink(os.path.join(folder, name)))
    return [target for target in found if not target.startswith("socket:")]


@needs_mount
@pytest.mark.parametrize("how", [[], ["--now"]])
def test_stop_ends_when_an_idle_worker_cannot_write_to_the_home(queuectl: CommandLine, how: list[str]) -> None:
    worker = with_one_idle_worker(queuectl)
    run = os.path.join(queuectl.home, "run")
    with mounted(run, "--bind", run):
        subprocess.run(["mount", "-o", "remount,ro,bind", run], check=True)
        assert within(9, lambda: queuectl.ok("worker", "stop", *how)) == "stopped\n"
    assert not is_alive(worker)


@pytest.mark.parametrize("how", [[], ["--now"]])
def test_stop_ends_when_an_idle_worker_hangs(queuectl: CommandLine, how: list[str]) -> None:
    worker = with_one_idle_worker(queuectl)
    os.kill(worker, signal.SIGSTOP)
    assert within(9, lambda: queuectl.ok("worker", "stop", *how)) == "stopped\n"
    assert not is_alive(worker)
    assert f"killing the worker with pid {worker}, which is idle but does not end" in log_of(queuectl)


def within(limit_s: float, act: Callable[[], str]) -> str:
    started_s = time.monotonic()
    result = act()
    assert time.monotonic() - started_s < limit_s
    return result


def test_worker_creates_the_output_folder_again(queuectl: CommandLine) -> None:
    """The worker whose file is open continues with it; the next one needs a folder."""
    worker = with_one_idle_worker(queuectl)
    shutil.rmtree(os.path.join(queuectl.home, "logs"))
    os.kill(worker, signal.SIGKILL)
    queuectl.ok("enqueue", "--id", "second", "--max-retries", "0", "--command", "echo printed")
    queuectl.until_state("second", "completed")
    assert queuectl.ok("logs", "second") == "printed\n"
    assert os.stat(os.path.join(queuectl.home, "logs")).st_mode & 0o777 == 0o700


def test_worker_that_cannot_lock_counts_no_attempt(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    shutil.rmtree(os.path.join(queuectl.home, "run"))
    queuectl.ok("enqueue", "--id", "x", "--max-retries", "0", "--command", "true")
    until(lambda: "cannot start a worker" in log_of(queuectl), lambda: "the worker to give up")
    job = queuectl.job("x")
    assert (job["state"], job["attempts"]) == ("pending", 0)
    os.mkdir(os.path.join(queuectl.home, "run"), 0o700)
    queuectl.until_state("x", "completed")


@needs_proc
def test_idle_worker_leaves_the_folder_of_its_last_job(queuectl: CommandLine) -> None:
    folder = os.path.dirname(queuectl.home)
    queuectl.ok("worker", "start", "--count", "2")
    for _ in range(6):
        queuectl.ok("enqueue", "--cwd", folder, "--command", "true")
    queuectl.until_done(completed=6)
    pids = [worker["pid"] for worker in queuectl.json("status")["workers"]]
    assert [os.readlink(f"/proc/{pid}/cwd") for pid in pids] == ["/", "/"]


@needs_proc
def test_workers_leave_the_folder_of_the_start(queuectl: CommandLine) -> None:
    words = [sys.executable, SCRIPT, "worker", "start", "--foreground"]
    process = subprocess.Popen(words, env=queuectl.environ, stderr=subprocess.PIPE, cwd=os.path.dirname(queuectl.home))
    assert process.stderr is not None and b"ready" in process.stderr.readline()
    (worker,) = queuectl.json("status")["workers"]
    assert os.readlink(f"/proc/{worker['pid']}/cwd") == "/"
    process.terminate()
    process.wait(timeout=20)
    process.stderr.close()


@pytest.mark.parametrize("count", [19, 20])
def test_jobs_run_with_few_open_files(queuectl: CommandLine, count: int) -> None:
    queuectl.ok("enqueue", "--id", "x", "--max-retries", "0", "--command", "ulimit -n; exec 3>/dev/null")
    words = f'ulimit -n {count}; "{sys.executable}" "{SCRIPT}" worker start'
    subprocess.run(["sh", "-c", words], env=queuectl.environ, check=True, stdout=subprocess.DEVNULL)
    queuectl.until_state("x", "completed")
    assert queuectl.ok("logs", "x") == f"{count}\n"


def test_commands_are_utf8_in_every_locale_of_the_workers(
    queuectl: CommandLine, tmp_path: object
) -> None:
    folder = os.path.join(str(tmp_path), "földer")
    os.mkdir(folder)
    with open(os.path.join(folder, "inpüt"), "wb") as file:
        file.write("read: ü\n".encode())
    plain = {**queuectl.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    words = [sys.executable, SCRIPT, "worker", "start"]
    subprocess.run(words, env=plain, check=True, stdout=subprocess.DEVNULL)
    queuectl.ok("enqueue", "--id", "a", "--max-retries", "0", "--", "echo 'ü €'", cwd=folder)
    command = 'cat; echo "$V $QUEUECTL_JOB_NAME"; pwd'
    queuectl.ok("enqueue", "--id", "b", "--max-retries", "0", "--stdin", f"{folder}/inpüt", "--name", "nämé",
                "--env", "V=ö", "--", command, cwd=folder)  # fmt: skip
    queuectl.ok("enqueue", "--id", "c", "--max-retries", "0", "--stdin", "-", "--", "cat", stdin="ß".encode())
    queuectl.until_done(completed=3)
    assert queuectl.ok("logs", "a") == "ü €\n"
    assert queuectl.ok("logs", "b") == f"read: ü\nö nämé\n{folder}\n"
    assert queuectl.ok("logs", "c") == "ß"


def test_reason_names_the_unusable_file_of_a_job(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    cases = {"a": ["--cwd", "/nöwhere"], "b": ["--stdin", "/nöwhere/in"], "c": ["--shell", "/nöwhere/sh"]}
    for id, words in cases.items():
        queuectl.ok("enqueue", "--id", id, "--max-retries", "0", *words, "--command", "true")
        reason = queuectl.until_state(id, "dead")["reason"]
        assert words[1] in reason and "No such file" in reason, reason


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root, and unshare")
def test_start_without_proc_is_refused(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    for how in ([], ["--foreground"]):
        words = " ".join(f"'{word}'" for word in (sys.executable, SCRIPT, "worker", "start", *how))
        script = f"mount -t tmpfs tmpfs /proc && cd {ROOT} && exec {words}"
        command = ["unshare", "-m", "sh", "-c", script]
        done = subprocess.run(command, env=queuectl.environ, capture_output=True, text=True, timeout=50)
        if "unshare" in done.stderr or "mount:" in done.stderr:
            pytest.skip(f"cannot unshare here: {done.stderr.strip()}")
        assert done.returncode == 1, done
        assert done.stderr.count("\n") == 1 and "/proc is not mounted" in done.stderr
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")


@needs_strace
@pytest.mark.parametrize("error", ["ENOLCK", "EOPNOTSUPP", "ENOSYS", "EINVAL"])
def test_file_system_without_locks_is_named_as_the_cause(queuectl: CommandLine, error: str) -> None:
    queuectl.ok("enqueue", "--command", "true")
    inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=flock", "-e", f"inject=flock:error={error}"]
    for words in (["enqueue", "--command", "true"], ["worker", "start"], ["status"], ["doctor"]):
        command = [*inject, sys.executable, SCRIPT, *words]
        done = subprocess.run(command, env=queuectl.environ, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done
        assert f"cannot use home {queuectl.home}: its file system does not support locks" in done.stderr


@pytest.mark.parametrize("blocks", [1, 8, 100])
def test_limit_of_file_size_is_named_as_the_cause(queuectl: CommandLine, blocks: int) -> None:
    """With the highest limit, only the reserve does not fit."""
    for words in ("enqueue -- true", "worker start"):
        script = f'ulimit -f {blocks}; "{sys.executable}" "{SCRIPT}" {words}'
        done = subprocess.run(["sh", "-c", script], env=queuectl.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done
        assert "`ulimit -f` limits files to" in done.stderr and "disk is full" not in done.stderr
