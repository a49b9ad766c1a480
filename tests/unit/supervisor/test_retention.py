"""Retention: it removes finished jobs by age and number, and logs by age and size, but nothing that
still counts.
"""

from __future__ import annotations

import os
from pathlib import Path

from queuectl_core import Queue
from queuectl_core.engine.engine import Engine
from queuectl_core.model import commands
from queuectl_core.model.job import COMPLETED, DEAD, PENDING
from queuectl_core.storage import output_log
from tests.builders import NOW_MS, an_engine, enqueue, exited, run_job
from tests.homes import CommandLine, until

DAY_MS = 86_400_000


def engine_with_completed(count: int, apart_ms: int = 0) -> Engine:
    """Return an engine with completed jobs job0 …, `apart_ms` from each other, the last at NOW_MS."""
    engine = an_engine()
    for n in range(count):
        at_ms = NOW_MS - (count - 1 - n) * apart_ms
        enqueue(engine, f"job{n}", now_ms=at_ms)
        run_job(engine, exited(0), at_ms)
    return engine


def configured(engine: Engine, **settings: int) -> Engine:
    for key, value in settings.items():
        engine.handle(commands.ChangeSetting(key.replace("_", "-"), value), NOW_MS)
    return engine


def pruned(engine: Engine, limit: int = 100) -> list[str]:
    return [event.id for event in engine.handle(commands.Prune(limit), NOW_MS).events]  # type: ignore[union-attr]


def test_removes_completed_jobs_older_than_the_retention() -> None:
    engine = engine_with_completed(10, apart_ms=DAY_MS)
    assert pruned(engine) == ["job0", "job1"]
    assert engine.table.counts[COMPLETED] == 8 and engine.table.get("job0") is None


def test_removes_the_oldest_completed_jobs_above_the_limit() -> None:
    engine = configured(engine_with_completed(5, apart_ms=1000), retention_jobs=3)
    assert pruned(engine) == ["job0", "job1"]
    assert pruned(engine) == []


def test_removes_at_most_the_requested_number_at_once() -> None:
    engine = configured(engine_with_completed(9, apart_ms=1000), retention_jobs=1)
    assert [len(pruned(engine, 3)) for _ in range(4)] == [3, 3, 2, 0]


def test_zero_keeps_forever() -> None:
    engine = configured(engine_with_completed(5, apart_ms=100 * DAY_MS), retention=0, retention_jobs=0)
    assert pruned(engine) == []


def test_removes_only_completed_jobs() -> None:
    engine = configured(an_engine(), retention=1, retention_jobs=1)
    enqueue(engine, "dead", max_retries=0, now_ms=NOW_MS - DAY_MS)
    run_job(engine, exited(1), NOW_MS - DAY_MS)
    enqueue(engine, "waits", now_ms=NOW_MS - DAY_MS)
    assert pruned(engine) == []
    assert (engine.table.counts[DEAD], engine.table.counts[PENDING]) == (1, 1)


def a_log(folder: Path, name: str, size: int, written_s: float) -> None:
    path = folder / name
    path.write_bytes(bytes(size))
    os.utime(path, (written_s, written_s))


def test_removes_log_segments_by_age(tmp_path: Path) -> None:
    for n in range(4):
        a_log(tmp_path, f"w{n}-abc.0001.log", 10, 1000.0 * n)
    assert output_log.prune(str(tmp_path), set(), 1500.0, 0) == 2
    assert sorted(os.listdir(tmp_path)) == ["w2-abc.0001.log", "w3-abc.0001.log"]


def test_removes_log_segments_by_size_the_oldest_first(tmp_path: Path) -> None:
    for n in range(4):
        a_log(tmp_path, f"w1-abc.000{n}.log", 10, 1000.0 * n)
    assert output_log.prune(str(tmp_path), set(), 0.0, 25) == 2
    assert sorted(os.listdir(tmp_path)) == ["w1-abc.0002.log", "w1-abc.0003.log"]


def test_keeps_the_segment_that_is_being_written(tmp_path: Path) -> None:
    for n in (1, 2):
        a_log(tmp_path, f"w1-abc.000{n}.log", 10, 1000.0)
    assert output_log.prune(str(tmp_path), {"w1-abc"}, 2000.0, 1) == 1
    assert os.listdir(tmp_path) == ["w1-abc.0002.log"]


def test_segment_number_of_five_digits_comes_after_one_of_four(tmp_path: Path) -> None:
    for number in (9999, 10000):
        a_log(tmp_path, f"w1-abc.{number}.log", 10, 1000.0)
    assert output_log.prune(str(tmp_path), {"w1-abc"}, 2000.0, 0) == 1
    assert os.listdir(tmp_path) == ["w1-abc.10000.log"]


def test_supervisor_applies_a_new_setting(queuectl: CommandLine) -> None:
    for n in range(6):
        queuectl.ok("enqueue", "--id", f"job{n}", "--command", f"echo {n}")
    queuectl.ok("worker", "start")
    until(lambda: queuectl.counts()["completed"] == 6, lambda: f"all jobs to complete: {queuectl.counts()}")
    queuectl.ok("config", "set", "retention-jobs", "2")
    until(lambda: queuectl.counts()["completed"] == 2, lambda: f"two jobs to remain: {queuectl.counts()}")
    assert sorted(job["id"] for job in queuectl.json("list")) == ["job4", "job5"]
    queuectl.ok("worker", "stop")
    assert queuectl.counts()["completed"] == 2


def test_logs_report_removed_output(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "echo hello")
    queuectl.ok("worker", "start")
    until(lambda: queuectl.counts()["completed"] == 1, lambda: "a to complete")
    queuectl.ok("worker", "stop")
    queuectl.ok("config", "set", "log-retention-bytes", "1")
    queuectl.ok("worker", "start")
    logs = os.path.join(queuectl.home, "logs")
    until(lambda: not os.listdir(logs), lambda: f"the log to be removed: {os.listdir(logs)}")
    assert "is no longer kept (see config log-retention" in queuectl.refused(1, "logs", "a")
    queuectl.ok("worker", "stop")


def test_a_smaller_size_limit_removes_logs_at_once(queuectl: CommandLine) -> None:
    """The program stays connected, so only the setting can wake the supervisor. No job is completed."""
    queuectl.ok("enqueue", "--id", "a", "--max-retries", "0", "--", "sh", "-c", "echo text; false")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "dead")
    queuectl.ok("worker", "stop")
    queuectl.ok("worker", "start")
    with Queue(queuectl.home) as queue:
        queue.status()
        queue.configure("log-retention-bytes", 1)
        until(lambda: not os.listdir(os.path.join(queuectl.home, "logs")), lambda: "the removal of the log")
