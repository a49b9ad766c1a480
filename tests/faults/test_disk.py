"""Disks that are full, that fail, or that are read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.homes import SCRIPT, CommandLine, processes_of, until

needs_mount = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="only root can mount")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


LONG = "true " + "x" * 3000
"""A command that needs most of a page, so that the journal soon needs a new page."""


@contextmanager
def mounted(folder: str, *options: str) -> Iterator[None]:
    done = subprocess.run(["mount", *options, folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def small_disk(queuectl: CommandLine) -> Iterator[CommandLine]:
    """Return a home on a disk of 6 MB, a megabyte of which is its reserve."""
    os.mkdir(queuectl.home, 0o700)
    with mounted(queuectl.home, "-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs"):
        yield queuectl
        queuectl.end()


def fill(home: str) -> str:
    """Fill the disk to the last byte, and return the path of the file that does."""
    path = os.path.join(home, "filler")
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                pass
    return path


@needs_mount
def test_a_full_disk_refuses_new_jobs_and_records_running_ones(small_disk: CommandLine) -> None:
    queuectl = small_disk
    go = os.path.join(os.path.dirname(queuectl.home), "go")
    for id in ("a", "b"):
        queuectl.ok(
            "enqueue",
            "--id",
            id,
            "--max-retries",
            "0",
            "--command",
            f"while ! test -e {go}; do sleep 0.02; done; exit 3",
        )
    queuectl.ok("enqueue", "--id", "waits", "--command", "true")
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.until_done(processing=2)
    filler = fill(queuectl.home)
    # The first may still fit into the journal or the reserve; later ones are refused.
    refusals = [queuectl("enqueue", "--id", f"n{n}", "--command", LONG) for n in range(6)]
    assert refusals[-1].status == 75 and "full" in refusals[-1].err, refusals
    accepted = [f"n{n}" for n, answer in enumerate(refusals) if answer.status == 0]
    with open(go, "w"):
        pass
    queuectl.until_done(dead=2)
    assert queuectl.job("waits")["state"] == "pending"
    os.unlink(filler)
    queuectl.until_done(completed=1 + len(accepted))
    queuectl.ok("enqueue", "--id", "again", "--command", "true")
    queuectl.until_state("again", "completed")
    assert "the disk has room again" in open(os.path.join(queuectl.home, "supervisor.log")).read()


@needs_mount
def test_a_full_disk_without_a_supervisor(small_disk: CommandLine) -> None:
    queuectl = small_disk
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    filler = fill(queuectl.home)
    answers = [queuectl("enqueue", "--id", f"n{n}", "--command", LONG) for n in range(6)]
    assert answers[-1].status == 75, answers
    kept = [f"n{n}" for n, answer in enumerate(answers) if answer.status == 0]
    assert {job["id"] for job in queuectl.json("list")} == {"a", *kept}
    os.unlink(filler)
    queuectl.ok("enqueue", "--id", "b", "--command", "true")


@needs_mount
def test_a_load_that_does_not_fit_adds_nothing(small_disk: CommandLine) -> None:
    queuectl = small_disk
    queuectl.ok("worker", "start")
    line = b'{"command": "true ' + b"x" * 1000 + b'"}\n'
    assert queuectl("enqueue", "--file", "-", stdin=line * 6000).status == 75
    assert sum(queuectl.counts().values()) == 0
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.until_state("a", "completed")


@needs_mount
def test_a_job_with_endless_output_neither_fills_the_disk_nor_stalls(small_disk: CommandLine) -> None:
    queuectl = small_disk
    queuectl.ok("config", "set", "max-output", "1000000")
    queuectl.ok("enqueue", "--id", "babble", "--command", "head -c 50000000 /dev/zero; echo end >&2")
    queuectl.ok("worker", "start")
    job = queuectl.until_state("babble", "completed")
    assert job["history"][0]["dropped_bytes"] == 50_000_004 - 1_000_000
    queuectl.ok("enqueue", "--command", "true")


@needs_mount
def test_output_without_room_is_dropped_and_counted(small_disk: CommandLine) -> None:
    queuectl = small_disk
    queuectl.ok("enqueue", "--id", "babble", "--command", "head -c 20000000 /dev/zero")
    queuectl.ok("worker", "start")
    job = queuectl.until_state("babble", "completed")
    kept, dropped = job["history"][0]["output_bytes"], job["history"][0]["dropped_bytes"]
    assert dropped > 10_000_000 and kept + dropped >= 20_000_000


@needs_mount
def test_a_home_on_a_read_only_disk_can_be_read(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "echo hello")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    queuectl.ok("enqueue", "--id", "b", "--command", "true")
    os.kill(queuectl.supervisor_pid(), 9)  # leaves journal and write-ahead log as a kill does
    until(lambda: not processes_of(queuectl.home), lambda: "the workers to end")
    with mounted(queuectl.home, "--bind", queuectl.home):
        subprocess.run(["mount", "-o", "remount,ro,bind", queuectl.home], check=True)
        assert {job["id"] for job in queuectl.json("list")} == {"a", "b"}
        assert queuectl.ok("logs", "a") == "hello\n"
        assert sum(queuectl.counts().values()) == 2
        queuectl.ok("doctor")
        for words in (["enqueue", "--command", "true"], ["worker", "start"]):
            assert "Read-only file system" in queuectl.refused(2, *words)
    os.unlink(os.path.join(queuectl.home, "supervisor.pid"))


@needs_strace
@pytest.mark.parametrize("call", ["write", "fdatasync", "fsync"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_disk_error_acknowledges_nothing(queuectl: CommandLine, call: str, number: int) -> None:
    """Fail the Nth call of a command with EIO: it prints one line, or it succeeds and the job is
    stored.
    """
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    inject = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-P", *journal_files(queuectl)]
    inject += ["-e", f"inject={call}:error=EIO:when={number}"]
    words = [sys.executable, SCRIPT, "enqueue", "--id", "b", "--command", "true"]
    done = subprocess.run([*inject, *words], env=queuectl.environ, capture_output=True, check=False, timeout=60)
    ids = {job["id"] for job in queuectl.json("list")}
    if done.returncode == 0:
        assert "b" in ids
    else:
        assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"Input/output error" in done.stderr
        assert b"nothing was acknowledged" in done.stderr and done.stdout == b""
    queuectl.ok("enqueue", "--id", "c", "--command", "true")
    assert {"a", "c"} <= {job["id"] for job in queuectl.json("list")}


@needs_strace
@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_disk_error_ends_the_supervisor(queuectl: CommandLine, call: str) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "sleep 0.5")
    trace = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-P", *journal_files(queuectl)]
    trace += ["-e", f"inject={call}:error=EIO:when=3+"]
    process = subprocess.Popen(
        [*trace, sys.executable, SCRIPT, "worker", "start", "--foreground"],
        env=queuectl.environ,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    acknowledged = {"a"}
    for n in range(10):
        answer = queuectl("enqueue", "--id", f"n{n}", "--command", "true")
        if answer.status == 0:
            acknowledged.add(f"n{n}")
        if process.poll() is not None:
            break
    output = process.stderr.read().decode()
    assert process.wait(timeout=20) == 1
    assert "Input/output error; nothing was acknowledged" in output and "Traceback" not in output
    process.stderr.close()
    assert acknowledged <= {job["id"] for job in queuectl.json("list")}
    queuectl.ok("worker", "start")
    queuectl.until_done(pending=0, processing=0, failed=0)


def journal_files(queuectl: CommandLine) -> list[str]:
    """Return the files of the journal as arguments of `strace -P`."""
    folder = os.path.join(queuectl.home, "journal")
    (name,) = [name for name in os.listdir(folder) if name.endswith(".log")]
    return [os.path.join(folder, name)]
