"""Builders: small parts for tests of single modules, like an engine, jobs, endings, and a full disk."""

from __future__ import annotations

import copy
import os
import random
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from queuectl_core.engine.engine import Engine
from queuectl_core.model import commands
from queuectl_core.model.attempt import AttemptResult
from queuectl_core.model.commands import Command
from queuectl_core.model.events import Event
from queuectl_core.model.job import COMPLETED, DEAD, FAILED, PENDING, PROCESSING, STATES, Job
from queuectl_core.storage.memory_store import MemoryStore
from queuectl_core.system import file_io
from queuectl_core.table.index_keys import indexes_of, member_index
from queuectl_core.table.job_table import JobTable
from queuectl_core.table.store import Store

NOW_MS = 1_700_000_000_000
BATCHES = ("x", "y")
"""The batches of the jobs in tests."""

EVERYTHING = 1_000_000
"""A limit above the number of jobs in any test."""


def an_engine(store: Store | None = None) -> Engine:
    return Engine(JobTable(MemoryStore() if store is None else store))


def enqueue(engine: Engine, *ids: str, now_ms: int = NOW_MS, **fields: object) -> list[Event]:
    specs: list[object] = [{"id": id, "command": "true", **fields} for id in ids]
    return engine.handle(commands.Enqueue(specs, "/somewhere"), now_ms).events


def dispatch(engine: Engine, now_ms: int = NOW_MS) -> str | None:
    """Dispatch a job to worker `w1`, and return its ID, or None if no job can start."""
    job = engine.handle(commands.Dispatch("w1"), now_ms).reply
    return None if job is None else str(job.id)  # type: ignore[attr-defined]


def finish(engine: Engine, id: str, ending: AttemptResult, now_ms: int = NOW_MS) -> list[Event]:
    return engine.handle(commands.Finish(id, run_of(engine.table, id), ending), now_ms).events


def run_job(engine: Engine, ending: AttemptResult, now_ms: int = NOW_MS) -> str:
    """Dispatch the next job, finish it with this ending, and return its ID."""
    id = dispatch(engine, now_ms)
    assert id is not None, "no job was there to run"
    finish(engine, id, ending._replace(ended_ms=now_ms), now_ms)
    return id


def exited(code: int) -> AttemptResult:
    return AttemptResult("exit", code, None, NOW_MS + 30, 20, "w1.0001.log", 7, 12)


def lost() -> AttemptResult:
    return AttemptResult("worker-lost", None, None, NOW_MS + 30, 20, detail="its worker was lost")


def engine_with(state: str) -> Engine:
    """Return an engine with one job `a` in this state; worker `w1` runs it if it is processing."""
    engine = an_engine()
    enqueue(engine, "a", max_retries=0 if state == DEAD else 3)
    if state == PROCESSING:
        dispatch(engine)
    elif state != PENDING:
        run_job(engine, exited({COMPLETED: 0, FAILED: 1, DEAD: 1}[state]))
    assert job_of(engine, "a").state == state
    return engine


def run_of(table: JobTable, id: str) -> int:
    """Return the number of the newest run of a job, for reports; 0 if the job never ran."""
    job = table.get(id)
    return int(str(job.running()["run"])) if job is not None and job.history else 0


def job_of(engine: Engine, id: str) -> Job:
    """Return a job that must exist."""
    job = engine.table.get(id)
    assert job is not None, f"there is no job {id}"
    return job


def state_of(table: JobTable) -> dict[str, object]:
    """Return a copy of all that a table holds: jobs in index order, counts, rules, and clock."""
    jobs: dict[str, object] = {}
    for index in (name for state in STATES for name in indexes_of(state)):
        for _, id in table.in_order(index, EVERYTHING):
            job = table.get(id)
            assert job is not None and id not in jobs, f"the entry of {id} in {index} is wrong"
            jobs[id] = copy.deepcopy(job.fields())
    return {
        "jobs": list(jobs.items()),
        "counts": {name: number for name, number in table.counts.items() if number},
        "counts by queue": {
            queue: [table.count_of(queue, state) for state in STATES] for queue in table.queue_names()
        },
        "batches": {batch: _batch_of(table, batch) for batch in BATCHES},
        "metrics": {
            name: (list(each.values), copy.deepcopy(each.minutes)) for name, each in table.metrics.queues().items()
        },
        "schedules": copy.deepcopy(table.schedules),
        "schedule metrics": copy.deepcopy(dict(table.metrics.schedules())),
        "queues": copy.deepcopy(table.queues),
        "settings": dict(table.settings),
        "next_number": table.next_number,
        "clock_shift_ms": table.clock_shift_ms,
    }


def _batch_of(table: JobTable, batch: str) -> dict[str, object]:
    """Return what a table holds of a batch, after a check of the counts."""
    counts = table.counts_of_batch(batch)
    members = {state: table.scan(member_index(batch, state), EVERYTHING) for state in STATES}
    assert counts == {state: len(entries) for state, entries in members.items()}, f"batch {batch} is counted wrong"
    return {"members": members, "times": table.batch_times.of(batch)}


def random_command(source: random.Random, table: JobTable, now_ms: int) -> Command:
    """Return a random command, which makes sense more often than not.

    The IDs come from a small set, so that commands use them again.
    """
    ids = [f"job{n}" for n in range(12)]
    kinds = ["enqueue", "dispatch", "report", "retry", "purge", "setting", "clock", "by hand"]
    kind = source.choices(kinds, [8, 14, 14, 2, 2, 2, 1, 5])[0]
    if kind == "by hand":
        running = [id for _, id in table.scan(PROCESSING, EVERYTHING)]
        named = source.choice([running or ids[:1], source.sample(ids, source.randint(1, 2))])
        return _random_command_by_hand(source, named)
    if kind == "enqueue":
        wanted = source.sample(ids, source.randint(1, 3))
        fields = {"max_retries": source.randint(0, 3), "backoff_base": source.choice([0, 1, 2])}
        specs = [{"id": id, "command": f"echo {id}", **fields, **_random_options(source, ids)} for id in wanted]
        return commands.Enqueue(list(specs), "/somewhere")
    if kind == "dispatch":
        return commands.Dispatch(source.choice(["w1", "w2"]))
    if kind == "report":
        return _random_report(source, table, now_ms)
    if kind == "clock":
        return commands.ShiftClock(source.choice([-3_600_000, -2_000, 2_000, 3_600_000]))
    if kind == "setting":
        return commands.ChangeSetting("max-retries", source.choice([None, 0, 1, 5]))
    dead = [id for _, id in table.scan(DEAD, EVERYTHING)]
    named = source.choice([dead or ["job0"], source.sample(ids, source.randint(1, 2))])
    if kind == "purge":
        return commands.PurgeDead(named)
    return commands.RetryDead(named, source.choice([{}, {"command": "true"}]), source.choice([True, False]))


def _random_options(source: random.Random, ids: list[str]) -> dict[str, object]:
    options: dict[str, list[object]] = {
        "priority": [-1, 1, 5],
        "queue": ["a", "b"],
        "delay": [1, 5],
        "after": [source.sample(ids, source.randint(1, 2))],
        "after_any": [True],
        "key": ["k1", "k2"],
        "on_conflict": ["skip", "replace"],
        "snooze_on": [[127]],
        "tags": [{"a": "b"}],
        "batch": list(BATCHES),
        "after_batch": [["x"], ["x", "y"]],
    }
    return {name: source.choice(values) for name, values in options.items() if source.random() < 0.2}


def _random_export(source: random.Random, id: str) -> dict[str, object]:
    fields = {"id": id, "command": "true", "cwd": "/", "max_retries": 3, "backoff_base": 2, "created_ms": NOW_MS}
    history = [{"attempt": 1, "run": 1, "worker": "w9", "started_ms": NOW_MS}]
    more = {"state": source.choice(STATES), "due_ms": NOW_MS + 5000, "attempts": 1, "history": history}
    return {**fields, **more, "options": source.choice([{}, {"queue": "a"}, {"priority": 2}, {"batch": "x"}])}


def _random_command_by_hand(source: random.Random, ids: list[str]) -> Command:
    lenient = source.random() < 0.8
    name = source.choice(["s1", "s2"])
    job = {"command": "true", **source.choice([{}, {"key": "k1"}, {"queue": "a"}])}
    times = source.choice([{"every": 1}, {"cron": "* * * * *"}, {"every": 2, "overlap": True}])
    queue = source.choice(["a", "b", "default", "*"])
    rules = source.choice([{"paused": True}, *[{"paused": False}] * 4, {"limit": source.choice([1, None])}])
    return source.choice(
        [
            commands.Cancel(ids, 15, lenient),
            commands.Remove(ids, lenient),
            commands.RunNow(ids, lenient),
            commands.Edit(
                ids, source.choice([{"priority": 3}, {"queue": "b"}, {"delay": 3}, {"queue": None}]), lenient
            ),
            commands.Move(ids[0], source.choice(["front", "back", 2])),
            commands.Switch(ids[0], ids[-1]),
            commands.Suspend(ids, lenient),
            commands.Continue(ids, lenient),
            commands.ChangeQueue(queue, rules),
            commands.SetSchedule(name, {"spec": job, "cwd": "/", **times}),
            source.choice([commands.RemoveSchedule(name), commands.PauseSchedule(name, source.random() < 0.3)]),
            commands.RunSchedule(name),
            commands.FireSchedules(),
            commands.Import([_random_export(source, ids[0])], source.random() < 0.5),
        ]
    )


def _random_report(source: random.Random, table: JobTable, now_ms: int) -> Command:
    running = [id for _, id in table.scan(PROCESSING, EVERYTHING)]
    id = source.choice(running or ["job0"])
    run = run_of(table, id) - source.choices([0, 1], [9, 1])[0]
    if source.random() < 0.2:
        return commands.Release(id, run, "stopped by hand", source.choice([True, False]))
    if source.random() < 0.2:
        return commands.Locate(id, run, now_ms, "w1.0001.log", source.randrange(1000))
    ending = source.choice([exited(0), exited(1), exited(127), lost()])
    return commands.Finish(id, run, ending._replace(ended_ms=now_ms - source.choice([0, 10])))


class Syncs:
    """A list of every sync from now on, by the inode of the file or folder. The syncs still happen."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inodes: list[int] = []
        for module, name in ((file_io, "fsync"), (os, "fsync")):
            monkeypatch.setattr(module, name, self._noting(getattr(module, name)))

    def _noting(self, sync: Callable[[int], None]) -> Callable[[int], None]:
        def noted(descriptor: int) -> None:
            sync(descriptor)
            self.inodes.append(os.fstat(descriptor).st_ino)

        return noted


def open_descriptors() -> int:
    """Return the number of open descriptors of this process."""
    return len(os.listdir("/dev/fd"))


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Let no file grow past `size_bytes` within the block.

    As on a full disk, a write that crosses the limit is short, and the next one fails. The error is
    EFBIG, not ENOSPC. A test that wants a full disk adds it to `file_io.FULL`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
