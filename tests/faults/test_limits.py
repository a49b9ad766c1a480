"""Limits of the system: no descriptors, no processes, no semaphores, a clock that jumps, a home
that is copied live.
"""

from __future__ import annotations

import glob
import os
import resource
import shutil
import subprocess
import sys
import time

import pytest

from queuectl_core.system import clock
from tests.faults.wrong_clock import WrongClock, needs_wrong_clock
from tests.homes import SCRIPT, CommandLine, until


def test_jobs_get_the_file_limit_of_the_user(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "x", "--command", "ulimit -n")
    words = f'ulimit -S -n 200; "{sys.executable}" "{SCRIPT}" worker start'
    subprocess.run(["sh", "-c", words], env=queuectl.environ, check=True, stdout=subprocess.DEVNULL)
    queuectl.until_state("x", "completed")
    assert queuectl.ok("logs", "x") == "200\n"


def test_supervisor_without_descriptors_for_clients_does_not_spin(queuectl: CommandLine) -> None:
    import socket
    import time

    words = f'ulimit -n 40; "{sys.executable}" "{SCRIPT}" worker start'
    subprocess.run(["sh", "-c", words], env=queuectl.environ, check=True, stdout=subprocess.DEVNULL)
    held = []
    for _ in range(60):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(0.2)
        sock.connect(os.path.join(queuectl.home, "control.sock"))
        held.append(sock)
    pid = queuectl.supervisor_pid()
    before = cpu_ticks(pid)
    time.sleep(1)  # the measured second
    assert cpu_ticks(pid) - before < 0.3 * os.sysconf("SC_CLK_TCK")
    for sock in held:
        sock.close()
    until(lambda: queuectl("status").status == 0, lambda: "an answer again")
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.until_state("a", "completed")


def cpu_ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, and setpriv")
def test_missing_processes_do_not_fail_the_job(queuectl: CommandLine) -> None:
    """RLIMIT_NPROC does not limit root, so the queue runs as another user with few processes."""
    uid = 54321
    os.chmod(os.path.dirname(queuectl.home), 0o755)
    os.mkdir(queuectl.home, 0o700)
    os.chown(queuectl.home, uid, uid)
    become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    python = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    if subprocess.run([*become, python, SCRIPT, "--version"], env=queuectl.environ, capture_output=True).returncode:
        pytest.skip("another user cannot read this checkout")
    ran = os.path.join(os.path.dirname(queuectl.home), "ran")
    with open(ran, "w"):
        os.chown(ran, uid, uid)
    command = f"echo $QUEUECTL_ATTEMPT > {ran}"
    enqueue = [*become, python, SCRIPT, "enqueue", "--id", "x", "--max-retries", "0", "--command", command]
    subprocess.run(enqueue, env=queuectl.environ, check=True, capture_output=True, cwd="/")
    other = subprocess.Popen([*become, "sleep", "600"])
    process = subprocess.Popen(
        [*become, python, SCRIPT, "worker", "start", "--foreground"],
        env=queuectl.environ, cwd="/", stderr=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (3, 3)),
    )  # fmt: skip
    try:
        assert process.stderr is not None
        assert b"ready" in process.stderr.readline()
        # A command would use up the process of the job, so files show the progress.
        until(lambda: glob.glob(os.path.join(queuectl.home, "run", "*.tree")), lambda: "the run to be tried")
        assert size_of(ran) == 0
        other.kill()
        other.wait()
        until(lambda: size_of(ran), lambda: "the run to get its process")
        until(lambda: b'"succeeded","x"' in journal_of(queuectl), lambda: "the run to be recorded")
    finally:
        other.kill()
        other.wait()
        process.terminate()
        process.wait(timeout=20)
        process.stderr.close()
    with open(ran) as file:
        assert file.read() == "1\n"


def journal_of(queuectl: CommandLine) -> bytes:
    found = b""
    for path in glob.glob(os.path.join(queuectl.home, "journal", "*.log")):
        with open(path, "rb") as file:
            found += file.read()
    return found


def size_of(path: str) -> int:
    return os.path.getsize(path)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root, and unshare")
def test_start_reports_missing_semaphores(queuectl: CommandLine) -> None:
    """/dev/shm is missing in some containers."""
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    script = f'mount -t tmpfs -o ro tmpfs /dev/shm && exec "{sys.executable}" "{SCRIPT}" worker start'
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], env=queuectl.environ, capture_output=True, text=True)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"cannot unshare here: {done.stderr.strip()}")
    assert done.returncode == 1, done
    assert done.stderr.count("\n") == 1 and "make /dev/shm writable" in done.stderr
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")


def test_a_live_copy_of_a_home_does_no_harm(queuectl: CommandLine) -> None:
    go = os.path.join(os.path.dirname(queuectl.home), "go")
    queuectl.ok("enqueue", "--id", "a", "--command", f"echo begun; while ! test -e {go}; do sleep 0.02; done")
    queuectl.ok("worker", "start")
    until(lambda: queuectl("logs", "a").out == "begun\n", lambda: "a to run")
    copy = queuectl.home + "-copy"
    shutil.copytree(
        queuectl.home, copy, ignore=lambda folder, names: [name for name in names if name.endswith(".sock")]
    )
    queuectl("--home", copy, "status")
    queuectl("--home", copy, "worker", "stop", "--now")
    assert queuectl.job("a")["state"] == "processing"
    with open(go, "w"):
        pass
    queuectl.until_state("a", "completed")


def test_a_clock_jump_does_not_change_waits() -> None:
    from queuectl_core.system.clock import JumpWatch

    watch = JumpWatch()
    assert watch.jump_ms() == 0
    steady = watch._offset
    watch._offset = lambda: steady() - 3_600_000  # type: ignore[method-assign]
    assert -3_600_100 < watch.jump_ms() < -3_599_900
    assert watch.jump_ms() == 0
    watch._offset = lambda: steady() - 3_599_500  # type: ignore[method-assign]
    assert watch.jump_ms() == 0, "half a second is drift"


HOUR_MS = 3_600_000


@pytest.mark.parametrize("jump_ms", [-HOUR_MS, HOUR_MS])
def test_a_clock_jump_moves_no_time_before_it_is_noticed(monkeypatch: pytest.MonkeyPatch, jump_ms: int) -> None:
    """A supervisor checks for jumps once a turn, and makes many decisions in one turn."""
    watch, time_ns = clock.JumpWatch(), time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: time_ns() + jump_ms * 1_000_000)
    assert abs(watch.now_ms() - time_ns() // 1_000_000) < HOUR_MS / 2
    assert abs(watch.jump_ms() - jump_ms) < 1000
    assert abs(watch.now_ms() - clock.now_ms()) < HOUR_MS / 2


def test_a_process_stopped_between_two_readings_sees_no_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, time_ns, stops = clock.JumpWatch(), time.time_ns, [0.3]

    def slow_ns() -> int:
        seen_ns = time_ns()
        if stops:
            end_s = time.monotonic() + stops.pop()
            until(lambda: time.monotonic() > end_s, lambda: "a moment")
        return seen_ns

    monkeypatch.setattr(clock, "JUMP_MS", 100)
    monkeypatch.setattr(time, "time_ns", slow_ns)
    assert watch.jump_ms() == 0


@needs_wrong_clock
@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0])
def test_a_supervisor_keeps_its_retries_when_the_clock_is_set(
    queuectl: CommandLine, jump_s: float
) -> None:
    """Only the supervisor sees another time, which changes while it runs."""
    clock = WrongClock(os.path.dirname(queuectl.home))
    queuectl.ok("enqueue", "--id", "x", "--max-retries", "1", "--backoff-base", "3", "--command", "exit 1")
    process = subprocess.Popen(
        [sys.executable, SCRIPT, "worker", "start", "--foreground"],
        env={**queuectl.environ, **clock.environ},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "ready" in process.stderr.readline()
    queuectl.until_state("x", "failed")
    clock.set(jump_s)
    queuectl.ok("status")  # wakes the supervisor, which then reads the new time
    queuectl.until_state("x", "dead")  # would time out if the wait were an hour longer
    process.terminate()
    assert "the clock jumped" in process.stderr.read()
    process.wait(timeout=20)
    process.stderr.close()
