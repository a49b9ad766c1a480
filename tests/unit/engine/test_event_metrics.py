"""Event metrics: what each event adds to the counters of its queue, live and in a replay."""

from __future__ import annotations

import random

import pytest

from queuectl_core.engine.engine import Engine
from queuectl_core.model import commands
from queuectl_core.model.attempt import AttemptResult
from queuectl_core.model.events import Event
from queuectl_core.storage.memory_store import MemoryStore
from queuectl_core.table import metrics
from queuectl_core.table.job_table import JobTable
from tests.builders import (
    EVERYTHING,
    NOW_MS,
    an_engine,
    dispatch,
    enqueue,
    exited,
    finish,
    lost,
    random_command,
    run_of,
    state_of,
)

NAMES = {
    **{"enqueued": metrics.ENQUEUED, "completed": metrics.COMPLETED, "dead": metrics.DEAD, "canceled": metrics.CANCELED},
    **{"succeeded": metrics.SUCCEEDED, "failed": metrics.FAILED, "timed_out": metrics.TIMED_OUT},
    **{"signaled": metrics.SIGNALED, "lost": metrics.LOST, "released": metrics.RELEASED, "snoozed": metrics.SNOOZED},
    "cpu_ms": metrics.CPU_MS,
}


def counters(engine: Engine, queue: str = "default") -> dict[str, int]:
    """Return the counters of a queue that are not 0."""
    values = engine.table.metrics.queues()[queue].values
    return {name: values[place] for name, place in NAMES.items() if values[place]}


def histogram(engine: Engine, place: int) -> tuple[int, int]:
    """Return the sum of the times in a histogram, and how many they are."""
    values = engine.table.metrics.queues()["default"].values[place : place + 14]
    return values[0], sum(values[1:])


def ending(outcome: str, cpu_ms: int | None = None) -> AttemptResult:
    return exited(1)._replace(outcome=outcome, exit_code=None, cpu_ms=cpu_ms)


def test_a_job_that_succeeds() -> None:
    engine = an_engine()
    enqueue(engine, "a")
    dispatch(engine, NOW_MS + 7000)
    finish(engine, "a", exited(0)._replace(ended_ms=NOW_MS + 9000, duration_ms=1900, cpu_ms=40), NOW_MS + 9000)
    assert counters(engine) == {"enqueued": 1, "completed": 1, "succeeded": 1, "cpu_ms": 40}
    assert histogram(engine, metrics.WAIT) == (7000, 1)
    assert histogram(engine, metrics.DURATION) == (1900, 1)
    assert histogram(engine, metrics.TURNAROUND) == (9000, 1)
    assert [sum(series) for series in engine.table.metrics.queues()["default"].history(NOW_MS + 9000)] == [1, 0, 0]


@pytest.mark.parametrize(
    ("outcome", "name"),
    [("exit", "failed"), ("spawn-failed", "failed"), ("timeout", "timed_out"), ("signal", "signaled")],
)
def test_an_attempt_that_fails_and_a_job_that_dies(outcome: str, name: str) -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=1)
    end = exited(3) if outcome == "exit" else ending(outcome)
    for n, counted in enumerate(({"enqueued": 1, name: 1}, {"enqueued": 1, name: 2, "dead": 1})):
        at_ms = NOW_MS + n * 60_000
        dispatch(engine, at_ms)
        finish(engine, "a", end._replace(ended_ms=at_ms), at_ms)
        assert counters(engine) == counted
    assert [sum(series) for series in engine.table.metrics.queues()["default"].history(NOW_MS + 60_000)] == [0, 2, 1]


def test_a_retry_waits_from_the_time_that_it_is_due() -> None:
    engine = an_engine()
    enqueue(engine, "a", backoff_base=10)
    dispatch(engine)
    finish(engine, "a", exited(1)._replace(ended_ms=NOW_MS), NOW_MS)
    dispatch(engine, NOW_MS + 12_000)
    assert histogram(engine, metrics.WAIT) == (2000, 2)


def test_a_lost_worker_and_a_snooze() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", snooze_on=[75])
    dispatch(engine)
    finish(engine, "a", lost())
    dispatch(engine)
    finish(engine, "b", exited(75))
    assert counters(engine) == {"enqueued": 2, "lost": 1, "snoozed": 1}


def test_a_run_that_is_taken_back_counts_only_if_it_has_begun() -> None:
    engine = an_engine()
    enqueue(engine, "a")
    for begun, counted in ((False, {"enqueued": 1}), (True, {"enqueued": 1, "released": 1})):
        dispatch(engine)
        release = commands.Release("a", run_of(engine.table, "a"), "stopped", begun, ending("signal") if begun else None)
        engine.handle(release, NOW_MS)
        assert counters(engine) == counted


def test_canceled_jobs_are_neither_dead_nor_failures_of_this_minute() -> None:
    engine = an_engine()
    enqueue(engine, "waits", "runs")
    engine.handle(commands.Cancel(["waits"], 15), NOW_MS)
    dispatch(engine)
    engine.handle(commands.Cancel(["runs"], 15), NOW_MS)
    finish(engine, "runs", ending("signal"))
    assert counters(engine) == {"enqueued": 2, "canceled": 2, "signaled": 1}
    assert [sum(series) for series in engine.table.metrics.queues()["default"].history(NOW_MS)] == [0, 0, 0]


def test_a_dependant_dies_with_its_job_or_is_canceled_with_it() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", max_retries=0)
    enqueue(engine, "after-a", after=["a"], queue="other")
    enqueue(engine, "after-b", after=["b"], queue="other")
    dispatch(engine)
    finish(engine, "a", exited(1))
    engine.handle(commands.Cancel(["b"], 15), NOW_MS)
    assert counters(engine, "other") == {"enqueued": 2, "dead": 1, "canceled": 1}


def test_a_schedule_notes_its_last_time_and_the_times_without_a_job() -> None:
    engine = an_engine()
    schedule = {"spec": {"command": "true"}, "cwd": "/", "every": 60}
    engine.handle(commands.SetSchedule("tick", schedule), NOW_MS)
    for n in (1, 2, 3):
        engine.handle(commands.FireSchedules(), NOW_MS + n * 60_000)
    assert engine.table.metrics.schedules() == {"tick": [NOW_MS + 180_000, 2]}
    engine.handle(commands.RemoveSchedule("tick"), NOW_MS)
    assert engine.table.metrics.schedules() == {}


@pytest.mark.parametrize("seed", range(20))
def test_a_replay_from_any_flush_gives_the_same_metrics(seed: int) -> None:
    """The store is flushed in slices, and then the process dies, many times."""
    source, store = random.Random(seed), MemoryStore()
    engine, now_ms, journal = an_engine(store), NOW_MS, list[Event]()
    for _ in range(150):
        now_ms += source.choice([0, 500, 3000])
        try:
            journal += engine.handle(random_command(source, engine.table, now_ms), now_ms).events
        except Exception:  # the engine refused it
            continue
        if source.random() < 0.2:
            engine.table.flush(source.randint(0, 4), engine.sequence)
        if source.random() < 0.1:
            before = state_of(engine.table)
            engine = Engine(JobTable(store))
            engine.replay(journal[engine.sequence :], engine.sequence + 1)
            assert state_of(engine.table) == before
    live = state_of(engine.table)
    fresh = an_engine()
    fresh.replay(journal, 1)
    assert state_of(fresh.table)["metrics"] == live["metrics"]
    engine.table.flush(EVERYTHING, engine.sequence)
    assert state_of(JobTable(store)) == live
