"""Jobs that wait for a batch: for the jobs that it had when they came."""

from __future__ import annotations

import random

import pytest

from queuectl_core.engine.engine import Engine
from queuectl_core.errors import BadDependency
from queuectl_core.model import commands, events
from queuectl_core.model.job import COMPLETED, DEAD, FINAL_STATES, PENDING
from tests.builders import NOW_MS, an_engine, dispatch, enqueue, exited, finish, job_of, run_job


def cancel(engine: Engine, *ids: str) -> None:
    engine.handle(commands.Cancel(list(ids), 15), NOW_MS)


def test_job_waits_for_one_job_of_a_batch_at_a_time_until_none_is_left() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", "c", batch="x")
    enqueue(engine, "last", after_batch=["x"])
    assert job_of(engine, "last").blockers == ["c"]
    for id in "abc":
        assert dispatch(engine) == id
    finish(engine, "c", exited(0))
    assert job_of(engine, "last").blockers == ["b"]
    finish(engine, "a", exited(0))
    assert dispatch(engine) is None
    finish(engine, "b", exited(0))
    assert dispatch(engine) == "last"


def test_jobs_that_join_the_batch_later_do_not_count() -> None:
    engine = an_engine()
    enqueue(engine, "a", batch="x")
    enqueue(engine, "last", after_batch=["x"])
    enqueue(engine, "b", batch="x", after=["last"])
    assert [run_job(engine, exited(0)) for _ in range(3)] == ["a", "last", "b"]


def test_job_may_wait_for_the_earlier_jobs_of_its_own_batch() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", batch="x")
    enqueue(engine, "c", batch="x", after_batch=["x"])
    assert [run_job(engine, exited(0)) for _ in range(3)] == ["a", "b", "c"]


def test_batch_of_the_same_request_counts() -> None:
    engine = an_engine()
    specs: list[object] = [
        {"id": "a", "command": "true", "batch": "x"},
        {"id": "b", "command": "true", "batch": "x"},
        {"id": "c", "command": "true", "after_batch": ["x"]},
    ]
    engine.handle(commands.Enqueue(specs, "/"), NOW_MS)
    assert job_of(engine, "c").blockers == ["b"]
    cancel(engine, "b")
    assert job_of(engine, "c").blockers == ["a"]
    run_job(engine, exited(0))
    assert job_of(engine, "c").state == DEAD
    assert job_of(engine, "c").reason == "job b, which it waited for, was canceled"


def test_unknown_batch_is_refused_and_a_completed_one_is_over() -> None:
    engine = an_engine()
    with pytest.raises(BadDependency, match="no job is in batch x"):
        enqueue(engine, "a", after_batch=["x"])
    enqueue(engine, "b", batch="x")
    run_job(engine, exited(0))
    enqueue(engine, "a", after_batch=["x"])
    assert dispatch(engine) == "a"


@pytest.mark.parametrize("comes_first", [False, True])
@pytest.mark.parametrize("order", ["ab", "ba"])
def test_job_dies_with_a_dead_job_of_the_batch_once_the_batch_is_over(order: str, comes_first: bool) -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", batch="x", max_retries=0)
    if comes_first:
        enqueue(engine, "last", after_batch=["x"])
    assert dispatch(engine) == "a" and dispatch(engine) == "b"
    for id in order:
        assert not comes_first or job_of(engine, "last").state == PENDING
        finish(engine, id, exited(1 if id == "a" else 0))
    if not comes_first:
        enqueue(engine, "last", after_batch=["x"])
    assert job_of(engine, "last").state == DEAD
    assert job_of(engine, "last").reason == "job a, which it waited for, died"
    engine.handle(commands.RetryDead(["a"], dependants=True), NOW_MS)
    assert job_of(engine, "last").blockers == ["a"]
    assert [run_job(engine, exited(0)) for _ in range(2)] == ["a", "last"]


def test_job_that_accepts_any_result_runs_once_the_batch_is_over() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", batch="x", max_retries=0)
    enqueue(engine, "last", after_batch=["x"], after_any=True)
    run_job(engine, exited(1))
    cancel(engine, "b")
    assert dispatch(engine) == "last"


def test_dead_job_that_is_retried_in_time_does_not_count() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", batch="x", max_retries=0)
    enqueue(engine, "last", after_batch=["x"])
    run_job(engine, exited(1))
    engine.handle(commands.RetryDead(["a"]), NOW_MS)
    assert dispatch(engine) == "a" and dispatch(engine) == "b"
    finish(engine, "b", exited(0))
    assert job_of(engine, "last").blockers == ["a"]
    finish(engine, "a", exited(0))
    assert dispatch(engine) == "last"


def test_removed_job_no_longer_belongs_to_the_batch() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", batch="x")
    enqueue(engine, "last", after_batch=["x"])
    engine.handle(commands.Remove(["b"]), NOW_MS)
    assert [run_job(engine, exited(0)) for _ in range(2)] == ["a", "last"]


def test_cancel_of_a_whole_batch_reaches_the_job_behind_it() -> None:
    engine = an_engine()
    enqueue(engine, *(f"a{n}" for n in range(20)), batch="x")
    enqueue(engine, "last", after_batch=["x"])
    enqueue(engine, "behind", after=["last"])
    cancel(engine, *(f"a{n}" for n in range(20)))
    assert job_of(engine, "last").state == job_of(engine, "behind").state == DEAD


def test_job_waits_for_several_batches_and_jobs() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", batch="x")
    enqueue(engine, "c", "d", batch="y")
    enqueue(engine, "e")
    enqueue(engine, "last", after_batch=["x", "y"], after=["b", "e"])
    assert set(job_of(engine, "last").blockers) == {"b", "d", "e"}
    for id in "abcde":
        assert dispatch(engine) == id
    for id in "edb":
        finish(engine, id, exited(0))
    assert sorted(job_of(engine, "last").blockers) == ["a", "c"]
    finish(engine, "c", exited(0))
    assert dispatch(engine) is None
    finish(engine, "a", exited(0))
    assert dispatch(engine) == "last"


def test_load_waits_for_a_batch_that_changes_while_it_comes() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", batch="x", max_retries=0)
    load = engine.begin_load()
    specs: list[object] = [{"id": "last", "command": "true", "after_batch": ["x"]}]
    engine.add_to_load(load, [*specs, {"id": "any", "command": "true", "after_batch": ["x"], "after_any": True}], "/", 1)
    engine.add_to_load(load, [{"id": "own", "command": "true", "batch": "x"}], "/", 1)
    enqueue(engine, "later", batch="x")
    run_job(engine, exited(0))
    assert run_job(engine, exited(1)) == "b"
    engine.commit_load(load, NOW_MS, lambda follows: None)
    assert job_of(engine, "last").state == DEAD and job_of(engine, "last").reason == "job b, which it waited for, died"
    assert job_of(engine, "any").blockers == [] and job_of(engine, "own").state == PENDING


def test_load_may_wait_for_a_batch_of_its_own() -> None:
    engine = an_engine()
    load = engine.begin_load()
    engine.add_to_load(load, [{"id": "a", "command": "true", "batch": "x"}], "/", 1)
    engine.add_to_load(load, [{"id": "b", "command": "true", "after_batch": ["x"]}], "/", 1)
    engine.commit_load(load, NOW_MS, lambda follows: None)
    assert [run_job(engine, exited(0)) for _ in range(2)] == ["a", "b"]


@pytest.mark.parametrize("seed", range(30))
def test_job_never_runs_before_the_batch_is_over_in_random_orders(seed: int) -> None:
    source, engine = random.Random(seed), an_engine()
    batch = [f"a{n}" for n in range(8)]
    enqueue(engine, *batch, batch="x", max_retries=0)
    enqueue(engine, "last", after_batch=["x"])
    running = [dispatch(engine) for _ in batch]
    source.shuffle(running)
    results = [source.random() < 0.15 for _ in batch]
    for id, has_failed in zip(running, results):
        assert job_of(engine, "last").state == PENDING and dispatch(engine) is None
        finish(engine, str(id), exited(int(has_failed)))
    assert {state for state, count in engine.table.counts_of_batch("x").items() if count} <= set(FINAL_STATES)
    assert all(job_of(engine, id).state in FINAL_STATES for id in batch)
    assert job_of(engine, "last").state == (DEAD if any(results) else PENDING)
    assert (dispatch(engine) == "last") == (not any(results))


def test_replay_of_a_changed_wait_gives_the_same_job() -> None:
    engine = an_engine()
    happened = [*enqueue(engine, "a", "b", batch="x"), *enqueue(engine, "last", after_batch=["x"])]
    for id in "ab":
        started = engine.handle(commands.Dispatch("w1"), NOW_MS)
        assert started.reply.id == id
        happened += started.events
    happened += finish(engine, "b", exited(0))
    assert isinstance(happened[-1], events.Unblocked) and happened[-1].then == ["a"]
    again = an_engine()
    again.replay(events.decode(events.encode(happened)), 1)
    assert job_of(again, "last").blockers == ["a"] and job_of(again, "b").state == COMPLETED


def test_job_dies_with_the_next_job_of_the_batch_that_ends_with_the_same_decision() -> None:
    engine = an_engine()
    enqueue(engine, "a")
    enqueue(engine, "first", after=["a"])
    enqueue(engine, "second", after=["first"])
    enqueue(engine, "late", batch="x", after=["second"])
    enqueue(engine, "soon", batch="x", after=["a"])
    enqueue(engine, "last", after_batch=["x"])
    enqueue(engine, "any", after_batch=["x"], after_any=True)
    cancel(engine, "a")
    assert job_of(engine, "last").state == DEAD
    assert job_of(engine, "any").blockers == [] and dispatch(engine) == "any"


@pytest.mark.parametrize("is_load", [False, True])
def test_job_waits_for_the_jobs_of_its_request_beside_one_that_dies_at_once(is_load: bool) -> None:
    engine = an_engine()
    enqueue(engine, "a")
    specs: list[object] = [
        {"id": "b", "command": "true", "batch": "x"},
        {"id": "c", "command": "true", "batch": "x", "after": ["a"]},
        {"id": "last", "command": "true", "after_batch": ["x"]},
    ]
    if is_load:
        load = engine.begin_load()
        engine.add_to_load(load, specs, "/", NOW_MS)
        cancel(engine, "a")
        engine.commit_load(load, NOW_MS, lambda follows: None)
    else:
        cancel(engine, "a")
        engine.handle(commands.Enqueue(specs, "/"), NOW_MS)
    assert job_of(engine, "c").state == DEAD and job_of(engine, "last").blockers == ["b"]
    assert run_job(engine, exited(0)) == "b"
    assert job_of(engine, "last").state == DEAD
