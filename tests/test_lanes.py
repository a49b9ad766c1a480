"""Lanes: which job is next, by priority and age, among queues with limits, rates and pauses."""

from __future__ import annotations

import pytest

from queuectl_core import commands
from queuectl_core.engine import FEW, Engine
from queuectl_core.errors import InvalidInput
from queuectl_core.stores.memory_store import MemoryStore
from tests.builders import EVERYTHING, NOW_MS, an_engine, dispatch, enqueue, exited, finish, job_of, run_job


def order(engine: Engine, now_ms: int = NOW_MS) -> list[str]:
    found = []
    while (id := dispatch(engine, now_ms)) is not None:
        found.append(id)
    return found


def rule(engine: Engine, queue: str, **fields: object) -> None:
    engine.handle(commands.ChangeQueue(queue, fields), NOW_MS)


def test_higher_priority_runs_first_and_the_older_of_equals() -> None:
    engine = an_engine()
    enqueue(engine, "low", priority=-1)
    enqueue(engine, "a")
    enqueue(engine, "high", priority=7)
    enqueue(engine, "b")
    enqueue(engine, "higher", priority=999)
    enqueue(engine, "high2", priority=7)
    enqueue(engine, "lowest", priority=-999)
    assert order(engine) == ["higher", "high", "high2", "a", "b", "low", "lowest"]


@pytest.mark.parametrize("flushed", [0, 100, 10_000])
def test_order_holds_for_many_jobs_wherever_they_are_kept(flushed: int) -> None:
    engine = an_engine()
    enqueue(engine, *(f"low{n:04}" for n in range(FEW + 200)), priority=-5)
    enqueue(engine, *(f"high{n:04}" for n in range(FEW + 200)), priority=5)
    enqueue(engine, *(f"none{n:04}" for n in range(FEW + 200)))
    if flushed:
        engine.table.flush(flushed, engine.sequence)
    ids = order(engine)
    assert ids == [f"{kind}{n:04}" for kind in ("high", "none", "low") for n in range(FEW + 200)]


def test_priority_counts_across_queues() -> None:
    engine = an_engine()
    enqueue(engine, "a", queue="gpu")
    enqueue(engine, "b")
    enqueue(engine, "c", queue="mail", priority=1)
    assert order(engine) == ["c", "a", "b"]


def test_failed_job_keeps_its_rank_when_its_time_has_come() -> None:
    engine = an_engine()
    enqueue(engine, "a", priority=1, backoff_base=1)
    run_job(engine, exited(1))
    enqueue(engine, "b", "c")
    assert dispatch(engine, NOW_MS + 1000) == "a"


def test_limit_of_a_queue_bounds_what_runs_of_it() -> None:
    engine = an_engine()
    rule(engine, "gpu", limit=2)
    enqueue(engine, "a", "b", "c", queue="gpu")
    enqueue(engine, "d")
    assert order(engine) == ["a", "b", "d"]
    finish(engine, "a", exited(0))
    assert order(engine) == ["c"]


def test_limit_of_the_default_queue_does_not_count_what_others_run() -> None:
    engine = an_engine()
    rule(engine, "default", limit=1)
    enqueue(engine, "x", queue="gpu")
    enqueue(engine, "a", "b")
    assert order(engine) == ["x", "a"]
    finish(engine, "x", exited(0))
    assert order(engine) == []
    finish(engine, "a", exited(0))
    assert order(engine) == ["b"]


def test_limit_counts_what_ran_before_a_restart() -> None:
    store = MemoryStore()
    engine = an_engine(store)
    rule(engine, "gpu", limit=1)
    enqueue(engine, "a", "b", queue="gpu")
    assert order(engine) == ["a"]
    engine.table.flush(EVERYTHING, engine.sequence)
    again = an_engine(store)
    assert order(again) == []
    finish(again, "a", exited(0))
    assert order(again) == ["b"]


def test_paused_queue_is_passed_over_until_it_is_resumed() -> None:
    engine = an_engine()
    rule(engine, "gpu", paused=True)
    enqueue(engine, "a", queue="gpu", priority=9)
    enqueue(engine, "b")
    assert order(engine) == ["b"]
    rule(engine, "gpu", paused=False)
    assert order(engine) == ["a"]


def test_pause_of_everything_leaves_the_pauses_of_queues() -> None:
    engine = an_engine()
    enqueue(engine, "a", queue="gpu")
    enqueue(engine, "b")
    rule(engine, "gpu", paused=True)
    rule(engine, "*", paused=True)
    assert order(engine) == []
    rule(engine, "*", paused=False)
    assert order(engine) == ["b"]


def test_rate_spreads_beginnings_and_tells_when_the_next_is_due() -> None:
    engine = an_engine()
    rule(engine, "mail", rate=[10, 60])
    enqueue(engine, "a", "b", "c", queue="mail")
    assert order(engine) == ["a"]
    assert engine.next_due_ms(NOW_MS) == NOW_MS + 6000
    assert order(engine, NOW_MS + 5999) == []
    assert order(engine, NOW_MS + 6000) == ["b"]


def test_paused_and_full_queues_are_due_at_no_time() -> None:
    engine = an_engine()
    rule(engine, "gpu", limit=1)
    enqueue(engine, "runs", queue="gpu")
    assert order(engine) == ["runs"]
    enqueue(engine, "a", queue="gpu", delay=5)
    assert engine.next_due_ms(NOW_MS) is None
    finish(engine, "runs", exited(0))
    assert engine.next_due_ms(NOW_MS) == NOW_MS + 5000
    rule(engine, "gpu", paused=True)
    assert engine.next_due_ms(NOW_MS) is None


def test_delayed_job_is_pending_and_runs_at_its_time() -> None:
    engine = an_engine()
    enqueue(engine, "later", delay="2h")
    enqueue(engine, "now")
    assert order(engine) == ["now"]
    assert engine.next_due_ms(NOW_MS) == NOW_MS + 7_200_000
    assert dispatch(engine, NOW_MS + 7_199_999) is None
    assert dispatch(engine, NOW_MS + 7_200_000) == "later"
    assert job_of(engine, "later").due_ms is None


def test_job_of_several_slots_waits_until_so_many_workers_are_idle_and_is_not_overtaken() -> None:
    engine = an_engine()
    enqueue(engine, "wide", slots=3)
    enqueue(engine, "narrow")
    assert engine.handle(commands.Dispatch("w1", room=2, workers=4), NOW_MS).reply is None
    assert engine.handle(commands.Dispatch("w1", room=3, workers=4), NOW_MS).reply.id == "wide"  # type: ignore[attr-defined]


def test_job_of_more_slots_than_there_are_workers_takes_them_all() -> None:
    engine = an_engine()
    enqueue(engine, "wide", slots=100)
    assert engine.handle(commands.Dispatch("w1", room=1, workers=2), NOW_MS).reply is None
    assert engine.handle(commands.Dispatch("w1", room=2, workers=2), NOW_MS).reply is not None


@pytest.mark.parametrize(
    "queue, fields",
    [("gpu", {"limit": 0}), ("gpu", {"limit": True}), ("gpu", {"rate": [1]}), ("gpu", {"rate": [0, 5]}),
     ("gpu", {"colour": 1}), ("*", {"limit": 1}), ("a/b", {"limit": 1})],
)  # fmt: skip
def test_rule_that_makes_no_sense_is_refused(queue: str, fields: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        rule(an_engine(), queue, **fields)


def test_rule_that_is_already_so_is_no_event() -> None:
    engine = an_engine()
    rule(engine, "gpu", limit=2)
    assert engine.handle(commands.ChangeQueue("gpu", {"limit": 2}), NOW_MS).events == []


def test_rate_that_is_changed_is_in_force_at_once() -> None:
    engine = an_engine()
    rule(engine, "mail", rate=[1, 3600])
    enqueue(engine, "a", "b", queue="mail")
    assert order(engine) == ["a"]
    rule(engine, "mail", rate=None)
    assert order(engine) == ["b"]


def test_rate_is_measured_without_the_jumps_of_the_clock() -> None:
    engine = an_engine()
    rule(engine, "mail", rate=[1, 1])
    enqueue(engine, "a", "b", queue="mail")
    assert order(engine) == ["a"]
    engine.handle(commands.ShiftClock(-86_400_000), NOW_MS - 86_400_000)
    assert engine.next_due_ms(NOW_MS - 86_400_000) == NOW_MS - 86_400_000 + 1000


def test_rate_that_is_no_whole_milliseconds_is_due_when_it_may_begin() -> None:
    engine = an_engine()
    rule(engine, "mail", rate=[7, 60])
    enqueue(engine, "a", "b", queue="mail")
    assert order(engine) == ["a"]
    due_ms = engine.next_due_ms(NOW_MS)
    assert due_ms is not None and order(engine, due_ms) == ["b"]


def test_time_at_the_beginning_of_all_times_is_a_time() -> None:
    engine = an_engine()
    enqueue(engine, "a", at="1970-01-01T00:00:00Z")
    engine.table.flush(10, engine.sequence)
    assert order(engine) == ["a"]
