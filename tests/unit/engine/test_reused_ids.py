"""Jobs that wait for others never wait for each other, also when an ID is removed and used again."""

from __future__ import annotations

import random

import pytest

from queuectl_core.engine.bulk import Load
from queuectl_core.engine.engine import Engine
from queuectl_core.errors import Busy, QueueError
from queuectl_core.model import commands
from queuectl_core.model.commands import Command
from queuectl_core.model.job import DEAD, FINAL_STATES, PENDING, PROCESSING
from tests.builders import (
    BATCHES,
    EVERYTHING,
    NOW_MS,
    an_engine,
    dispatch,
    enqueue,
    exited,
    finish,
    job_of,
    run_job,
    state_of,
)

IDS = [f"job{n}" for n in range(7)]


def remove(engine: Engine, *ids: str) -> None:
    engine.handle(commands.Remove(list(ids)), NOW_MS)


def cancel(engine: Engine, id: str) -> None:
    engine.handle(commands.Cancel([id], 15), NOW_MS)


def retry(engine: Engine, *ids: str) -> None:
    engine.handle(commands.RetryDead(list(ids)), NOW_MS)


def reuse(engine: Engine, id: str, **options: object) -> None:
    """End a job, and add another one with its ID."""
    cancel(engine, id)
    remove(engine, id)
    enqueue(engine, id, **options)


def test_retried_jobs_do_not_wait_for_each_other() -> None:
    engine = an_engine()
    enqueue(engine, "a")
    enqueue(engine, "b", after=["a"])
    reuse(engine, "a", after=["b"])
    assert job_of(engine, "a").state == job_of(engine, "b").state == DEAD
    retry(engine, "a", "b")
    assert [run_job(engine, exited(0)) for _ in range(2)] == ["b", "a"]


def test_retried_job_waits_for_a_chain_that_was_added_again() -> None:
    engine = an_engine()
    enqueue(engine, "a")
    enqueue(engine, "b", after=["a"])
    enqueue(engine, "c", after=["b"])
    cancel(engine, "a")
    remove(engine, "a", "b")
    enqueue(engine, "a")
    enqueue(engine, "b", after=["a"])
    retry(engine, "c")
    assert [run_job(engine, exited(0)) for _ in range(3)] == ["a", "b", "c"]


def test_retried_job_does_not_wait_for_one_that_waits_for_its_batch() -> None:
    engine = an_engine()
    enqueue(engine, "first", batch="x")
    enqueue(engine, "a")
    enqueue(engine, "b", after=["a"], batch="x")
    enqueue(engine, "whole", after_batch=["x"], after_any=True)
    reuse(engine, "a", after=["whole"])
    retry(engine, "b")
    assert [run_job(engine, exited(0)) for _ in range(4)] == ["first", "b", "whole", "a"]


def test_load_does_not_wait_for_another_job_than_it_named() -> None:
    engine = an_engine()
    enqueue(engine, "first", batch="x")
    enqueue(engine, "a")
    load = engine.begin_load()
    engine.add_to_load(load, [{"id": "b", "command": "true", "batch": "x", "after": ["a"]}], "/", NOW_MS)
    reuse(engine, "a", after_batch=["x"])
    with pytest.raises(Busy, match="job a was removed and added again meanwhile; nothing was enqueued"):
        engine.commit_load(load, NOW_MS, lambda follows: None)
    assert engine.table.get("b") is None


def test_imported_job_that_has_run_waits_for_no_other() -> None:
    engine = an_engine()
    fields = {"id": "a", "command": "true", "cwd": "/", "max_retries": 3, "backoff_base": 2, "created_ms": NOW_MS}
    waits = {"state": "failed", "due_ms": NOW_MS + 5, "blockers": ["gone"], "options": {"after": ["gone"]}}
    engine.handle(commands.Import([{**fields, **waits}], False), NOW_MS)
    engine.handle(commands.RunNow(["a"]), NOW_MS)
    assert dispatch(engine) == "a"


class History:
    """An engine, and random requests to it with few IDs, so that they use them again."""

    def __init__(self, seed: int) -> None:
        self.source, self.engine = random.Random(seed), an_engine()
        self.loads: list[Load] = []

    def step(self) -> None:
        steps = [self.enqueue, self.load, self.run, self.finish, self.change]
        try:
            self.source.choices(steps, [6, 3, 3, 3, 8])[0]()
        except QueueError:
            pass

    def enqueue(self) -> None:
        self.engine.handle(commands.Enqueue(self.specs(), "/"), NOW_MS)

    def load(self) -> None:
        """Begin a load, or add a part to one, or commit it; an error ends it."""
        if not self.loads or self.source.random() < 0.2:
            self.loads.append(self.engine.begin_load())
        load = self.loads.pop(self.source.randrange(len(self.loads)))
        if self.source.random() < 0.4:
            return self.engine.commit_load(load, NOW_MS, lambda follows: None)
        self.engine.add_to_load(load, self.specs(), "/", NOW_MS)
        self.loads.append(load)

    def run(self) -> None:
        dispatch(self.engine)

    def finish(self, codes: tuple[int, ...] = (0, 1)) -> None:
        running = [id for _, id in self.engine.table.scan(PROCESSING, EVERYTHING)]
        if running:
            finish(self.engine, self.source.choice(running), exited(self.source.choice(codes)))

    def change(self) -> None:
        ids = self.source.sample(IDS, self.source.randint(1, 3))
        dead = [id for _, id in self.engine.table.scan(DEAD, EVERYTHING)]
        retried = self.source.sample(dead, self.source.randint(0, len(dead)))
        changes: list[Command] = [
            commands.Cancel(ids, 15, True),
            commands.Remove(ids, True),
            commands.RetryDead(retried, {}, self.source.random() < 0.5, True),
            commands.RunNow(ids, True),
        ]
        self.engine.handle(self.source.choice(changes), NOW_MS)

    def specs(self) -> list[object]:
        table, ids = self.engine.table, self.source.sample(IDS, self.source.randint(1, 3))
        specs = [{"id": id, "command": "true", "max_retries": 0, **self.options()} for id in ids]
        return [spec for spec in specs if table.get(str(spec["id"])) is None]

    def options(self) -> dict[str, object]:
        table = self.engine.table
        known = [id for id in IDS if table.get(id) is not None]
        batches = [batch for batch in BATCHES if any(table.counts_of_batch(batch).values())]
        options: dict[str, object] = {
            "after": self.source.sample(known, min(len(known), 2)),
            "after_any": True,
            "batch": self.source.choice(BATCHES),
            "after_batch": batches[:1],
        }
        return {name: value for name, value in options.items() if value and self.source.random() < 0.5}

    def check(self) -> None:
        """Check that whatever jobs wait for is unfinished, and all counts and indexes."""
        table = self.engine.table
        state_of(table)
        for id in IDS:
            job = table.get(id)
            for other in job.blockers if job is not None and job.state == PENDING else ():
                assert job_of(self.engine, other).state not in FINAL_STATES, f"{id} waits for {other}"

    def complete(self) -> None:
        """Run everything that can run."""
        for _ in range(3 * len(IDS)):
            while dispatch(self.engine):
                pass
            self.finish(codes=(0,))

    def unfinished(self) -> dict[str, list[str]]:
        jobs = (self.engine.table.get(id) for id in IDS)
        return {job.id: job.blockers for job in jobs if job is not None and job.state not in FINAL_STATES}


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_no_jobs_wait_for_each_other_in_random_histories(first: int) -> None:
    for seed in range(first, first + 50):
        history = History(seed)
        for _ in range(60):
            history.step()
            history.check()
        history.complete()
        assert history.unfinished() == {}, f"seed {seed}"
