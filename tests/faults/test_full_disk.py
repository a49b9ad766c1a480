"""A full disk, one without free inodes, and a full folder for temporary files: every command
reports it, and no job fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from queuectl_core.worker.command_line import open_input
from tests.faults.test_disk import fill, mounted, needs_mount
from tests.homes import SCRIPT, CommandLine, until


@contextmanager
def home_on(queuectl: CommandLine, options: str) -> Iterator[CommandLine]:
    os.mkdir(queuectl.home, 0o700)
    with mounted(queuectl.home, "-t", "tmpfs", "-o", f"{options},mode=0700", "tmpfs"):
        yield queuectl
        queuectl.end()


@pytest.fixture
def full_disk(queuectl: CommandLine) -> Iterator[CommandLine]:
    """Return a home whose disk is full after its first job prints; another job waits, and a worker
    runs.
    """
    with home_on(queuectl, "size=6m"):
        queuectl.ok("enqueue", "--id", "babble", "--command", "head -c 20000000 /dev/zero")
        queuectl.ok("enqueue", "--id", "waits", "--max-retries", "0", "--command", "echo printed")
        queuectl.ok("worker", "start")
        queuectl.until_state("babble", "completed")
        yield queuectl


@pytest.fixture
def no_inodes(queuectl: CommandLine) -> Iterator[CommandLine]:
    """Return a home with a worker, on a disk that has no room for another file."""
    with home_on(queuectl, "size=20m,nr_inodes=200"):
        queuectl.ok("worker", "start")
        use_up_inodes(queuectl.home)
        yield queuectl


def use_up_inodes(home: str) -> None:
    folder = os.path.join(home, "files")
    os.makedirs(folder, 0o700, exist_ok=True)
    with pytest.raises(OSError):
        for n in range(1000):
            os.close(os.open(os.path.join(folder, str(n)), os.O_CREAT, 0o600))


SAID = {"is full": "space", "has no free inodes": "inodes"}


def assert_reported(queuectl: CommandLine, what: str, waiting: str) -> None:
    message = f"the disk that holds {queuectl.home} {what}: no job starts until there is room"
    assert message in queuectl.ok("why", waiting)
    assert queuectl.json("why", waiting)["because"] == "the disk is full"
    assert message in queuectl.ok("status")
    assert queuectl.json("status")["short_of"] == SAID[what]
    for words in (["list"], ["list", "--json"], ["logs", waiting]):
        assert message in queuectl(*words).err, words
    assert message in queuectl("doctor").out
    with open(os.path.join(queuectl.home, "supervisor.log")) as file:
        assert message in file.read()


@needs_mount
def test_commands_report_a_full_disk(full_disk: CommandLine) -> None:
    assert_reported(full_disk, "is full", "waits")
    assert full_disk.job("waits")["state"] == "pending"
    os.unlink(only_segment(full_disk))
    full_disk.until_state("waits", "completed")
    assert full_disk.json("status")["short_of"] is None
    assert "disk" not in full_disk.ok("status") + full_disk("list").err
    assert full_disk.ok("logs", "waits") == "printed\n"


def only_segment(queuectl: CommandLine) -> str:
    (name,) = os.listdir(os.path.join(queuectl.home, "logs"))
    return os.path.join(queuectl.home, "logs", name)


@needs_mount
def test_logs_and_run_report_lost_output(full_disk: CommandLine) -> None:
    attempt = full_disk.job("babble")["history"][0]
    assert attempt["output_bytes"] + attempt["dropped_bytes"] == 20_000_000
    message = f"{attempt['dropped_bytes']} bytes of the output of attempt 1 were lost because the disk was full"
    answer = full_disk("logs", "babble")
    assert (answer.status, len(answer.out)) == (1, attempt["output_bytes"])
    assert message in answer.err
    assert message in full_disk("logs", "babble", "--all").err
    assert message in full_disk("logs", "babble", "--follow").err


@needs_mount
def test_commands_leave_room_for_results_of_running_jobs(queuectl: CommandLine) -> None:
    go = os.path.join(os.path.dirname(queuectl.home), "go")
    with home_on(queuectl, "size=20m"):
        queuectl.ok("enqueue", "--id", "runs", "--command", f"while ! test -e {go}; do sleep 0.02; done")
        queuectl.ok("enqueue", "--id", "waits", "--delay", "1h", "--command", "true")
        queuectl.ok("schedule", "add", "hourly", "--every", "1h", "--", "true")
        queuectl.ok("worker", "start", "--count", "2")
        queuectl.until_state("runs", "processing")
        pid, filler = queuectl.supervisor_pid(), fill(queuectl.home)
        answers = [queuectl("edit", "waits", "--command", "x" * 60_000) for _ in range(20)]
        assert {answer.status for answer in answers} == {0, 75} and "is full" in answers[-1].err
        assert "is full" in queuectl.refused(75, "schedule", "run-now", "hourly")
        with open(go, "w"):
            pass
        queuectl.until_state("runs", "completed")
        os.unlink(filler)
        queuectl.ok("edit", "waits", "--command", "true")
        assert queuectl.supervisor_pid() == pid


def test_output_over_the_limit_does_not_count_as_lost(queuectl: CommandLine) -> None:
    queuectl.ok("config", "set", "max-output", "0")
    queuectl.ok("enqueue", "--id", "much", "--command", "echo much")
    queuectl.ok("worker", "start")
    queuectl.until_state("much", "completed")
    answer = queuectl("logs", "much")
    assert (answer.status, answer.err) == (0, "")


@needs_mount
def test_without_inodes_no_job_starts_and_none_fails(no_inodes: CommandLine) -> None:
    queuectl = no_inodes
    queuectl.ok("enqueue", "--id", "a", "--max-retries", "0", "--command", "echo printed")
    until(lambda: queuectl.json("status")["short_of"], lambda: "the shortage to be noticed")
    assert_reported(queuectl, "has no free inodes", "a")
    job = queuectl.job("a")
    assert (job["state"], job["attempts"], job["history"]) == ("pending", 0, [])
    assert "full" in queuectl.refused(75, "enqueue", "--command", "true")
    shutil.rmtree(os.path.join(queuectl.home, "files"))
    queuectl.until_state("a", "completed")
    assert queuectl.ok("logs", "a") == "printed\n"


@needs_mount
def test_without_inodes_or_supervisor_commands_name_the_cause(no_inodes: CommandLine) -> None:
    queuectl = no_inodes
    queuectl.ok("enqueue", "--id", "a", "--command", "echo printed")
    until(lambda: queuectl.json("status")["short_of"], lambda: "the shortage to be noticed")
    queuectl.ok("worker", "stop")
    assert queuectl.json("status")["short_of"] == "inodes"
    use_up_inodes(queuectl.home)  # files that the worker and the supervisor left
    assert "full" in queuectl.refused(75, "worker", "start")
    shutil.rmtree(os.path.join(queuectl.home, "files"))
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")


@needs_mount
def test_without_inodes_or_supervisor_reading_commands_work(queuectl: CommandLine) -> None:
    with home_on(queuectl, "size=20m,nr_inodes=200"):
        queuectl.ok("enqueue", "--id", "a", "--command", "true")
        use_up_inodes(queuectl.home)
        for words in (["status"], ["why", "a"]):
            assert "has no free inodes: no job starts" in queuectl.ok(*words), words
        for words in (["list"], ["show", "a"], ["export"], ["queue", "list"]):
            queuectl.ok(*words)
        for words in (["enqueue", "--command", "true"], ["cancel", "a"], ["worker", "start"]):
            assert "full" in queuectl.refused(75, *words), words
        shutil.rmtree(os.path.join(queuectl.home, "files"))
        queuectl.ok("worker", "start")
        queuectl.until_state("a", "completed")


@needs_mount
def test_results_are_recorded_after_the_inodes_run_out(queuectl: CommandLine) -> None:
    go = os.path.join(os.path.dirname(queuectl.home), "go")
    with home_on(queuectl, "size=20m,nr_inodes=200"):
        queuectl.ok("worker", "start")
        queuectl.ok("enqueue", "--id", "a", "--command", f"echo begun; while ! test -e {go}; do sleep 0.02; done")
        until(lambda: queuectl("logs", "a").out == "begun\n", lambda: "the job to start")
        use_up_inodes(queuectl.home)
        with open(go, "w"):
            pass
        queuectl.until_state("a", "completed")


@needs_mount
def test_full_folder_for_temporary_files_fails_neither_input_nor_hooks(queuectl: CommandLine) -> None:
    folder = os.path.join(os.path.dirname(queuectl.home), "tmp")
    os.mkdir(folder)
    with mounted(folder, "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
        fill(folder)
        queuectl.environ.update(dict.fromkeys(("TMPDIR", "TMP", "TEMP"), folder))
        queuectl.ok("worker", "start")
        queuectl.ok("config", "set", "on-success", "cat")
        queuectl.ok("enqueue", "--id", "a", "--max-retries", "0", "--stdin", "-", "--command", "cat", stdin=b"x" * 9999)
        queuectl.until_done(completed=2)
    assert queuectl.ok("logs", "a") == "x" * 9999
    (hook,) = [job for job in queuectl.json("list") if job["id"] != "a"]
    assert '"id": "a"' in queuectl.ok("logs", hook["id"])


def test_input_is_in_the_home_when_the_system_has_no_memory_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    file = open_input({"input": "text: ü"}, str(tmp_path / "draft"))
    assert file is not None
    with open(file, "rb") as read:
        assert (read.read(), os.fstat(file).st_nlink) == ("text: ü".encode(), 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root, and unshare")
@pytest.mark.parametrize("options", ["ro", "size=4k"])
def test_doctor_reports_that_workers_cannot_have_queues(queuectl: CommandLine, options: str) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    spoil = f"mount -t tmpfs -o {options} tmpfs /dev/shm && " + ("head -c 4096 /dev/zero >/dev/shm/x; " if "=" in options else "")
    for words in ("doctor", "worker start"):
        script = f'{spoil} exec "{sys.executable}" "{SCRIPT}" {words}'
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], env=queuectl.environ, capture_output=True, text=True)
        if "unshare" in done.stderr or "mount:" in done.stderr:
            pytest.skip(f"cannot unshare here: {done.stderr.strip()}")
        assert "make /dev/shm writable" in done.stdout + done.stderr, done
    assert "cannot start workers" not in queuectl.ok("doctor")


@needs_mount
def test_doctor_reports_a_full_disk_before_other_commands_do(queuectl: CommandLine) -> None:
    with home_on(queuectl, "size=6m"):
        queuectl.ok("enqueue", "--command", "true")
        assert "the reserve is complete" in queuectl.ok("doctor")
        filler = fill(queuectl.home)
        os.chmod(filler, 0o600)
        assert f"the disk that holds {queuectl.home} is full" in queuectl.ok("doctor")
        os.unlink(filler)
