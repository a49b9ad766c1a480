"""Batches: the jobs of one call, which have a name, counts and a pace together."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from queuectl_core import Queue
from queuectl_core.errors import InvalidInput, UnknownBatch
from tests.homes import SCRIPT, CommandLine, until


def ids_in(queuectl: CommandLine, batch: str, *more: str) -> list[str]:
    return [job["id"] for job in queuectl.json("list", "--batch", batch, *more)]


def test_call_that_adds_many_jobs_makes_a_batch(queuectl: CommandLine) -> None:
    batch = queuectl.ok("enqueue", "--print", "batch", "--array", "1-3", "--", "echo", "{}").strip()
    assert len(batch) == 8
    assert [job["command"] for job in queuectl.json("list", "--batch", batch)] == ["echo 1", "echo 2", "echo 3"]
    other = json.loads(queuectl.ok("enqueue", "--json", "--", "echo", ":::", "a", "b"))
    assert ids_in(queuectl, other["batch"]) == other["ids"] and other["batch"] != batch


def test_call_with_a_name_adds_to_that_batch(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--batch", "nightly", "--each-line", "--", "echo", stdin=b"a\nb\n")
    queuectl.ok("enqueue", "--batch", "nightly", "--id", "c", "--", "echo")
    queuectl.ok("enqueue", '{"id": "d", "command": "true", "batch": "nightly"}')
    assert queuectl.json("status", "--batch", "nightly")["counts"]["pending"] == 4
    assert queuectl.job("c")["batch"] == "nightly"


def test_single_job_and_a_file_make_no_batch_by_themselves(queuectl: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text('{"command": "true"}\n{"command": "true", "batch": "own"}\n')
    assert set(json.loads(queuectl.ok("enqueue", "--json", "--", "true"))) == {"ids"}
    ids = queuectl.ok("enqueue", "--file", str(tmp_path / "jobs")).split()
    assert [queuectl.job(id).get("batch") for id in ids] == [None, "own"]
    batch = queuectl.ok("enqueue", "--file", str(tmp_path / "jobs"), "--print", "batch").strip()
    assert len(ids_in(queuectl, batch)) == 1 and len(ids_in(queuectl, "own")) == 2
    assert "--print needs ids or batch" in queuectl.refused(2, "enqueue", "--print", "id", "--", "true")


def test_status_of_a_batch_has_counts_and_pace(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--batch", "b", "--array", "1-4", "--max-retries", "0", "--", "test {} != 3")
    queuectl.ok("enqueue", "--", "true")
    before = queuectl.json("status", "--batch", "b")["batch"]
    assert before["started_at"] is before["jobs_per_s"] is before["left_s"] is before["ended_at"] is None
    queuectl.ok("worker", "start", "--count", "2")
    until(lambda: queuectl.json("status", "--batch", "b")["batch"]["ended_at"] is not None, lambda: str(queuectl.json("status", "--batch", "b")))
    queuectl.ok("worker", "stop")
    status = queuectl.json("status", "--batch", "b")
    assert status["counts"] == {"pending": 0, "processing": 0, "completed": 3, "failed": 0, "dead": 1}
    assert status["batch"]["counts"] == status["counts"] and status["batch"]["left_s"] == 0
    assert status["batch"]["started_at"] <= status["batch"]["ended_at"]
    assert "pace" in queuectl.ok("status", "--batch", "b")
    queuectl.ok("doctor")


def test_pace_of_running_jobs_is_known_after_a_restart(queuectl: CommandLine, tmp_path: Path) -> None:
    queuectl.ok("enqueue", "--batch", "b", "--", "true")
    queuectl.ok("enqueue", "--batch", "b", "--array", "1-2", "--", f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done")
    queuectl.ok("worker", "start", "--count", "1")
    until(lambda: queuectl.json("status", "--batch", "b")["counts"]["completed"] == 1, lambda: str(queuectl.json("status", "--batch", "b")))
    queuectl.kill_supervisor()
    queuectl.ok("worker", "start", "--count", "1")
    until(lambda: queuectl.json("status", "--batch", "b")["counts"]["processing"] == 1, lambda: str(queuectl.json("status", "--batch", "b")))
    batch = queuectl.json("status", "--batch", "b")["batch"]
    assert batch["jobs_per_s"] > 0 and batch["left_s"] > 0
    (tmp_path / "go").touch()


def test_unknown_batch_is_an_error(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--batch", "b", "--id", "a", "--", "true")
    assert "no job belongs to batch 'c'" in queuectl.refused(1, "status", "--batch", "c")
    assert queuectl.ok("rm", "--batch", "b") == "removed 1 job (1 pending)\n"
    assert "no job belongs to batch 'b'" in queuectl.refused(1, "status", "--batch", "b")
    queuectl.ok("doctor")


def test_rm_of_a_batch_says_states_and_what_stays(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--batch", "b", "--id", "slow", "--", "sleep", "60")
    queuectl.ok("enqueue", "--batch", "b", "--", "true", ":::", "1", "2", "3")
    queuectl.ok("cancel", "--batch", "b", "--grep", "true 3")
    queuectl.ok("worker", "start")
    until(lambda: queuectl.worker_running("slow"), lambda: "slow to run")
    line = queuectl.refused(2, "prune", "--batch", "b c")
    assert "use `queuectl rm --batch 'b c' --state completed,dead`" in line
    assert queuectl.ok("rm", "--batch", "b", "--state", "dead") == "removed 1 job (1 dead)\n"
    assert queuectl.ok("rm", "--batch", "b") == "removed 2 jobs (2 pending); 1 running job stays\n"
    assert "no matching job can be removed; 1 running job stays" in queuectl.refused(1, "rm", "--batch", "b")
    queuectl.ok("worker", "stop", "--now")


@pytest.mark.parametrize("has_supervisor", [False, True])
def test_changes_meet_only_the_jobs_of_the_batch(queuectl: CommandLine, has_supervisor: bool) -> None:
    if has_supervisor:
        queuectl.ok("pause")
        queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--batch", "b", "--array", "1-3", "--", "echo")
    queuectl.ok("enqueue", "--id", "other", "--", "true")
    assert queuectl.ok("cancel", "--batch", "b", "--yes") == "canceled 3 jobs\n"
    assert queuectl.counts()["dead"] == 3 and queuectl.job("other")["state"] == "pending"
    assert ids_in(queuectl, "b", "--state", "dead") == ids_in(queuectl, "b")[:3]
    assert ids_in(queuectl, "b", "--state", "pending") == []
    assert "3 jobs" in queuectl.ok("dlq", "retry", "--batch", "b", "--canceled", "--yes")


def test_batch_of_a_job_cannot_change(queuectl: CommandLine) -> None:
    with Queue(queuectl.home) as queue:
        id = queue.enqueue("true", batch="b")
        assert queue.get(id)["batch"] == "b"
        assert [job["id"] for job in queue.list(batch="b")] == [id] and not list(queue.list(batch="c"))
        assert list(queue.select(batch="b", state="pending")) == [[id]]
        assert queue.batch("b")["counts"]["pending"] == 1
        with pytest.raises(UnknownBatch):
            queue.batch("c")
        with pytest.raises(InvalidInput, match="batch cannot be changed"):
            queue.edit([id], {"batch": "c"})


def test_job_runs_after_a_batch(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--batch", "parts", "--array", "1-3", "--", "echo", "{}")
    queuectl.ok("enqueue", "--id", "merge", "--after-batch", "parts", "--", "true")
    assert queuectl.ok("why", "merge") == "merge is pending: waits for batch parts\n"
    assert "after batch parts" in queuectl.ok("list", "--id", "merge")
    assert "no job is in batch other" in queuectl.refused(1, "enqueue", "--after-batch", "parts,other", "--", "true")
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.ok("wait", "merge")
    ended = max(job["history"][-1]["ended_at"] for job in queuectl.json("list", "--batch", "parts"))
    assert ended <= queuectl.job("merge")["history"][0]["started_at"]


def test_job_runs_after_the_jobs_with_a_tag(queuectl: CommandLine) -> None:
    ids = [queuectl.ok("enqueue", "--tag", "part=1", "--", "true").strip() for _ in range(2)]
    queuectl.ok("enqueue", "--id", "other", "--", "true")
    queuectl.ok("enqueue", "--id", "merge", "--after-tag", "part=1", "--after", "other", "--", "true")
    assert sorted(queuectl.job("merge")["waits_for"]) == sorted([*ids, "other"])
    assert "no job has the tag part=2" in queuectl.refused(2, "enqueue", "--after-tag", "part=2", "--", "true")
    assert "--after-tag needs NAME=VALUE" in queuectl.refused(2, "enqueue", "--after-tag", "part", "--", "true")
    queuectl.ok("enqueue", "--each-line", "--tag", "many=1", "--", "echo", stdin=b"a\n" * 101)
    assert "101 jobs have this tag" in queuectl.refused(2, "enqueue", "--after-tag", "many=1", "--", "true")


def test_wait_for_a_batch_counts_what_ended_before(queuectl: CommandLine, tmp_path: Path) -> None:
    queuectl.ok("enqueue", "--batch", "b", "--array", "0-2", "--max-retries", "0", "--", "exit {}")
    assert "no supervisor is running" in queuectl("wait", "--batch", "b", "--quiet").err
    assert "time left   unknown: no supervisor runs\n" in queuectl.ok("status", "--batch", "b")
    queuectl.ok("worker", "start")
    assert queuectl("wait", "--batch", "b").status == 1
    queuectl.ok("enqueue", "--batch", "b", "--", f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done")
    assert queuectl("wait", "--batch", "b", "--timeout", "0.1s").status == 124
    waiting = queuectl.popen("wait", "--batch", "b", "--json", stdout=subprocess.PIPE)
    (tmp_path / "go").touch()
    out, _ = waiting.communicate(timeout=30)
    assert json.loads(out) == {"ended": {"completed": 2, "dead": 2}, "timed_out": False} and waiting.returncode == 1
    queuectl.ok("rm", "--batch", "b", "--state", "dead", "--yes")
    queuectl.ok("worker", "stop")
    assert queuectl("wait", "--batch", "b").status == 0
    assert "no job matches" in queuectl.refused(1, "wait", "--batch", "c")


def test_job_may_wait_for_the_others_of_its_batch(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start", "--count", "2")
    own = f"{sys.executable} {SCRIPT} wait --batch b"
    queuectl.ok("enqueue", "--batch", "b", "--id", "first", "--", "true")
    queuectl.ok("enqueue", "--batch", "b", "--id", "last", "--max-retries", "0", "--command", own)
    queuectl.until_state("last", "completed")


def test_logs_of_a_batch(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--batch", "b", "--array", "1-2", "--", "echo", "{}")
    queuectl.ok("wait", "--batch", "b")
    assert {"1", "2"} <= set(queuectl.ok("logs", "--batch", "b").replace("|", "").split())
