"""Export, import, backup and restore: jobs arrive unchanged in another home, whatever happens
meanwhile.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.homes import CommandLine, short_folder, until


@pytest.fixture
def full_home(queuectl: CommandLine) -> CommandLine:
    """Return a home with jobs in every state except processing, queues, schedules and settings."""
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "good", "--tag", "a=b", "--command", "echo hi")
    queuectl.ok("enqueue", "--id", "bad", "--max-retries", "0", "--command", "exit 3")
    queuectl.ok("enqueue", "--id", "again", "--backoff-base", "3600", "--command", "exit 1")
    queuectl.until_done(completed=1, dead=1, failed=1)
    queuectl.ok("worker", "stop")
    queuectl.ok("enqueue", "--id", "later", "--delay", "1h", "--priority", "3", "--queue", "q", "--command", "true")
    queuectl.ok("enqueue", "--id", "after", "--after", "later", "--key", "k", "--command", "true")
    queuectl.ok("queue", "set", "q", "--limit", "2", "--rate", "10/m")
    queuectl.ok("queue", "pause", "q")
    queuectl.ok("schedule", "add", "nightly", "0 3 * * *", "--tz", "UTC", "--timeout", "1h", "--", "true")
    queuectl.ok("config", "set", "max-retries", "7")
    return queuectl


def test_exported_jobs_are_equal_in_another_home(full_home: CommandLine) -> None:
    exported = full_home.ok("export")
    with short_folder() as folder:
        other = CommandLine(os.path.join(folder, "home"))
        assert other.ok("import", "-", stdin=exported.encode()) == "imported 5 jobs\n"
        assert other.ok("export") == exported
        for id in ("good", "bad", "again", "later", "after"):
            assert other.job(id) == full_home.job(id)
        refused = other.refused(2, "import", "-", stdin=exported.encode())
        assert "line 1: job " in refused and "already exists" in refused
        assert other.ok("import", "-", "--skip-existing", stdin=exported.encode()) == "imported 0 jobs\n"
        other.ok("cancel", "later")
        assert other.job("after")["state"] == "dead"


@pytest.mark.parametrize(
    "line",
    ["x", "[]", "{}", '{"id": "a", "command": "true"}', '{"id":"a","command":"true","cwd":"/","max_retries":3,'
     '"backoff_base":2,"created_ms":1,"state":"odd"}', '{"id":"a","command":"true","cwd":"/","max_retries":3,'
     '"backoff_base":2,"created_ms":1,"state":"dead","history":[{}]}', '{"id":"a","command":"true","cwd":"/",'
     '"max_retries":3,"backoff_base":2,"created_ms":1,"state":"failed","options":{"priority":"x"},"due_ms":5}'],
)  # fmt: skip
def test_import_refuses_a_line_that_is_no_exported_job(queuectl: CommandLine, line: str) -> None:
    queuectl.refused(2, "import", "-", stdin=line.encode())
    assert queuectl.json("list") == []


def test_restored_home_equals_the_original(full_home: CommandLine) -> None:
    path = os.path.join(os.path.dirname(full_home.home), "backup.jsonl")
    full_home.ok("backup", path)
    full_home.refused(2, "backup", os.path.join(path, "nowhere"))
    with short_folder() as folder:
        other = CommandLine(os.path.join(folder, "home"))
        assert other.ok("restore", path) == "restored 5 jobs\n"
        for words in (["list"], ["queue", "list"], ["schedule", "list"], ["config", "list"]):
            ours, theirs = full_home.json(*words), other.json(*words)
            if words == ["queue", "list"]:
                assert [queue.pop("paused_since") is None for queue in ours] == [True, False]
                assert [queue.pop("paused_since") is None for queue in theirs] == [True, False]
            assert theirs == ours
        other.refused(2, "restore", path)


def test_restore_refuses_an_incomplete_backup(full_home: CommandLine) -> None:
    whole = full_home.ok("backup", "-")
    with short_folder() as folder:
        other = CommandLine(os.path.join(folder, "home"))
        for part in (whole[: len(whole) // 2], "\n".join(whole.splitlines()[:-1]), "", "{}"):
            other.refused(2, "restore", "-", stdin=part.encode())
        assert other.json("list") == []


def test_backup_has_jobs_that_change_meanwhile(queuectl: CommandLine) -> None:
    """Back up a queue at work: the backup has every job once, and its restored home runs the rest."""
    jobs = [json.dumps({"id": f"job{n:04}", "command": "exit $((RANDOM % 2))", "backoff_base": 0}) for n in range(1500)]
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.ok("enqueue", "--file", "-", stdin="\n".join(jobs).encode())
    taken = subprocess.run(
        [*queuectl_words(queuectl), "backup", "-"], env=queuectl.environ, capture_output=True, check=True
    )
    with short_folder() as folder:
        other = CommandLine(os.path.join(folder, "home"))
        assert other.ok("restore", "-", stdin=taken.stdout) == "restored 1500 jobs\n"
        assert sorted(job["id"] for job in other.json("list")) == [f"job{n:04}" for n in range(1500)]
        assert other.counts()["processing"] == 0


def test_restore_says_what_a_backup_lacks_and_which_jobs_run_again(queuectl: CommandLine, tmp_path: Path) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "slow", "--", "sleep", "60")
    until(lambda: queuectl.worker_running("slow"), lambda: "slow to run")
    queuectl.ok("backup", str(tmp_path / "backup"))
    queuectl.ok("worker", "stop", "--now")
    queuectl.environ["QUEUECTL_HOME"] = f"{queuectl.home}2"
    answer = queuectl("restore", str(tmp_path / "backup"))
    assert answer.out == "restored 1 job\n"
    assert answer.err == (
        "the output of jobs isn't part of a backup\n"
        "1 job was running at the backup, and can run again here; don't run both homes\n"
    )
    queuectl.environ["QUEUECTL_HOME"] = f"{queuectl.home}3"
    assert queuectl("restore", "--quiet", str(tmp_path / "backup")).err == ""


def queuectl_words(queuectl: CommandLine) -> list[str]:
    from tests.homes import SCRIPT

    return [queuectl.python, SCRIPT]


def exported_job(id: str, **fields: object) -> str:
    known = {"id": id, "command": "true", "cwd": "/", "max_retries": 3, "backoff_base": 2, "created_ms": 1}
    return json.dumps({**known, "state": "pending", **fields})


def test_import_stores_values_as_a_request_does(queuectl: CommandLine) -> None:
    line = exported_job("a", options={"retry_on": "75", "snooze": "5m", "tags": {"a": "b"}})
    queuectl.ok("import", "-", stdin=line.encode())
    assert (queuectl.job("a")["retry_on"], queuectl.job("a")["snooze"]) == ([75], 300)


@pytest.mark.parametrize(
    "fields",
    [{"attempts": -5}, {"due_ms": 10**400}, {"created_ms": 10**20}, {"history": {}}, {"blockers": ["x"]},
     {"history": [{"attempt": 1, "run": 1, "worker": "w", "started_ms": 1, "ended_ms": "x"}]}, {"reason": "\ud800"}],
    ids=str,
)  # fmt: skip
def test_import_refuses_harmful_values(queuectl: CommandLine, fields: dict[str, object]) -> None:
    queuectl.refused(2, "import", "-", stdin=exported_job("a", **fields).encode())


def test_imported_job_waits_only_for_known_jobs(queuectl: CommandLine) -> None:
    lines = [
        exported_job("b", options={"after": ["a", "done", "gone"]}, blockers=["a", "done", "gone"]),
        exported_job("a"),
        exported_job("done", state="completed"),
    ]
    queuectl.ok("import", "-", stdin="\n".join(lines).encode())
    assert queuectl.job("b")["waits_for"] == ["a"]
    twice = "\n".join(exported_job(id, options={"key": "k"}) for id in ("x", "y"))
    assert "has the key k" in queuectl.refused(2, "import", "-", stdin=twice.encode())


def test_restored_jobs_of_a_paused_queue_wait(full_home: CommandLine) -> None:
    taken = full_home.ok("backup", "-")
    with short_folder() as folder:
        other = CommandLine(os.path.join(folder, "home"))
        other.ok("worker", "start")
        other.ok("restore", "-", stdin=taken.encode())
        other.ok("edit", "later", "--delay", "0")
        assert "queue q is paused" in other.ok("why", "later")
        assert other.json("status")["paused_since"] is None
        other.end()
