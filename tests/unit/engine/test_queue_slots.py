"""Queue slots: the numbers of the running jobs of a queue with a limit."""

from __future__ import annotations

import random

from queuectl_core.engine.engine import Engine
from queuectl_core.engine.queue_slots import QueueSlots
from queuectl_core.model import commands
from queuectl_core.model.events import decode, encode
from queuectl_core.model.job import PROCESSING
from queuectl_core.table.job_table import JobTable
from tests.builders import EVERYTHING, NOW_MS, an_engine, dispatch, enqueue, exited, finish, job_of, run_of, state_of


def limit(engine: Engine, limit: int | None) -> None:
    engine.handle(commands.ChangeQueue("gpu", {"limit": limit}), NOW_MS)


def slots(engine: Engine) -> dict[str, int | None]:
    running = (job_of(engine, id) for _, id in engine.table.scan(PROCESSING, EVERYTHING))
    return {job.id: job.running().get("slot") for job in running}


def test_running_jobs_have_the_lowest_free_slots() -> None:
    engine = an_engine()
    limit(engine, 3)
    enqueue(engine, *"abcde", queue="gpu")
    enqueue(engine, "other")
    assert [dispatch(engine) for _ in range(5)] == ["a", "b", "c", "other", None]
    assert slots(engine) == {"a": 1, "b": 2, "c": 3, "other": None}
    finish(engine, "b", exited(0))
    assert dispatch(engine) == "d" and slots(engine)["d"] == 2
    engine.handle(commands.Release("a", run_of(engine.table, "a"), "not begun", False), NOW_MS)
    assert dispatch(engine) == "a" and slots(engine)["a"] == 1


def test_slots_stay_unique_and_within_the_limit_in_random_runs() -> None:
    for seed in range(20):
        source, engine = random.Random(seed), an_engine()
        happened = []
        names = [f"j{n}" for n in range(40)]
        enqueue(engine, *names, queue="gpu", max_retries=1000, backoff_base=0)
        most = 5
        limit(engine, most)
        for _ in range(200):
            step = source.random()
            running = slots(engine)
            if step < 0.05:
                most = source.randint(1, 8)
                limit(engine, most)
            elif step < 0.1:
                engine.table.flush(EVERYTHING, engine.sequence)
                engine = Engine(JobTable(engine.table._store))
            elif step < 0.6 and len(running) < most:
                free = most
                assert dispatch(engine) is not None
                (new,) = slots(engine).keys() - running.keys()
                assert 1 <= (slots(engine)[new] or 0) <= free
            elif running:
                id = source.choice(list(running))
                if source.random() < 0.5:
                    finish(engine, id, exited(1))
                else:
                    engine.handle(commands.Release(id, run_of(engine.table, id), "stopped", source.random() < 0.5), NOW_MS)
            taken = list(slots(engine).values())
            assert len(set(taken)) == len(taken), f"seed {seed}"
            happened.append(taken)


def test_jobs_without_a_limit_have_no_slot_and_old_events() -> None:
    engine = an_engine()
    enqueue(engine, "a", queue="gpu")
    events = engine.handle(commands.Dispatch("w1"), NOW_MS).events
    assert encode(events) == b'[["started","a",%d,"w1"]]' % NOW_MS
    limit(engine, 2)
    enqueue(engine, "b", "c", queue="gpu")
    assert dispatch(engine) == "b" and dispatch(engine) is None
    assert slots(engine) == {"a": None, "b": 1}


def test_slot_survives_a_replay() -> None:
    engine = an_engine()
    happened = [*engine.handle(commands.ChangeQueue("gpu", {"limit": 2}), NOW_MS).events]
    happened += enqueue(engine, "a", "b", queue="gpu")
    for _ in range(2):
        happened += engine.handle(commands.Dispatch("w1"), NOW_MS).events
    again = an_engine()
    again.replay(decode(encode(happened)), 1)
    assert state_of(again.table) == state_of(engine.table)
    finish(again, "a", exited(0))
    assert again.scheduler.free_slot("gpu") == 1


def test_numbers_are_given_in_order() -> None:
    numbers = QueueSlots([1, 4])
    given = []
    for _ in range(3):
        given.append(numbers.lowest_free())
        numbers.take(given[-1])
    numbers.give_back(4)
    numbers.give_back(4)
    assert given == [2, 3, 5] and numbers.lowest_free() == 4
