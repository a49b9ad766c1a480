"""Jobs that run after others, and the effect of the end of one job on the jobs that wait for it."""

from __future__ import annotations

import pytest

from queuectl_core.engine.dependencies import dead_with, dying_with
from queuectl_core.engine.engine import Engine
from queuectl_core.errors import BadDependency
from queuectl_core.model import commands, events
from queuectl_core.model.events import Event
from queuectl_core.model.job import COMPLETED, DEAD, PENDING
from tests.builders import (
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


def cancel(engine: Engine, *ids: str) -> None:
    engine.handle(commands.Cancel(list(ids), 15), NOW_MS)


def test_job_runs_once_all_its_dependencies_completed() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b")
    enqueue(engine, "c", after=["a", "b"])
    assert run_job(engine, exited(0)) == "a"
    assert job_of(engine, "c").blockers == ["b"]
    assert run_job(engine, exited(0)) == "b"
    assert dispatch(engine) == "c"


def test_jobs_that_wait_for_a_dead_job_die_too() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=0)
    enqueue(engine, "b", after=["a"])
    enqueue(engine, "c", after=["b"])
    enqueue(engine, "d", after=["a", "c"])
    run_job(engine, exited(1))
    assert [job_of(engine, id).state for id in "abcd"] == [DEAD] * 4
    assert job_of(engine, "b").reason == "job a, which it waited for, died"
    assert job_of(engine, "c").reason == "job b, which it waited for, died"
    assert [job_of(engine, id).record()["cause"] for id in "abc"] == ["failed"] + ["dependency_failed"] * 2


def test_after_any_accepts_every_result() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=0)
    enqueue(engine, "b", after=["a"], after_any=True)
    run_job(engine, exited(1))
    assert dispatch(engine) == "b"


def test_retried_failure_does_not_end_a_dependency() -> None:
    engine = an_engine()
    enqueue(engine, "a", backoff_base=1)
    enqueue(engine, "b", after=["a"])
    run_job(engine, exited(1))
    assert job_of(engine, "b").state == PENDING


@pytest.mark.parametrize("how", ["cancel", "remove"])
def test_cancel_and_removal_of_a_job_reach_the_jobs_behind_it(how: str) -> None:
    engine = an_engine()
    enqueue(engine, "a")
    enqueue(engine, "b", after=["a"])
    command = commands.Cancel(["a"], 15) if how == "cancel" else commands.Remove(["a"])
    engine.handle(command, NOW_MS)
    assert job_of(engine, "b").state == DEAD


def test_completed_dependency_does_not_block() -> None:
    engine = an_engine()
    enqueue(engine, "a")
    run_job(engine, exited(0))
    enqueue(engine, "b", after=["a"])
    assert dispatch(engine) == "b"


def test_unknown_and_later_jobs_cannot_be_dependencies() -> None:
    engine = an_engine()
    for specs in (
        [{"command": "true", "after": ["nobody"]}],
        [{"id": "x", "command": "true", "after": ["x"]}],
        [{"id": "x", "command": "true", "after": ["y"]}, {"id": "y", "command": "true"}],
    ):
        with pytest.raises(BadDependency):
            engine.handle(commands.Enqueue(list(specs), "/"), NOW_MS)


def ended(engine: Engine, how: str) -> None:
    """End the only job."""
    if how == "failure":
        run_job(engine, exited(1))
    elif how == "cancellation":
        cancel(engine, "a")
    else:
        dispatch(engine)
        cancel(engine, "a")
        finish(engine, "a", exited(143))


HOW_IT_ENDED = [
    ("failure", "died", "dependency_failed"),
    ("cancellation", "was canceled", "dependency_canceled"),
    ("cancellation while it ran", "was canceled", "dependency_canceled"),
]


@pytest.mark.parametrize("how, word, cause", HOW_IT_ENDED)
@pytest.mark.parametrize("is_first", [True, False], ids=["dies later", "is dead"])
def test_job_behind_a_dead_one_dies_like_one_that_was_there_before(
    how: str, word: str, cause: str, is_first: bool
) -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=0)
    if not is_first:
        ended(engine, how)
    specs: list[object] = [{"id": "b", "command": "true", "after": ["a"]}]
    specs += [{"id": "c", "command": "true", "after": ["b"]}, {"id": "d", "command": "true"}]
    assert engine.handle(commands.Enqueue(specs, "/"), NOW_MS).reply == ["b", "c", "d"]
    if is_first:
        ended(engine, how)
    b, c = (job_of(engine, id) for id in "bc")
    assert (b.state, b.reason, b.attempts) == (DEAD, f"job a, which it waited for, {word}", 0)
    assert (c.state, c.reason) == (DEAD, f"job b, which it waited for, {word}")
    assert [job.record()["cause"] for job in (b, c)] == [cause, cause]
    assert job_of(engine, "d").state == PENDING


def test_job_behind_a_dead_one_returns_with_it() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=0)
    run_job(engine, exited(1))
    enqueue(engine, "b", after=["a"])
    engine.handle(commands.RetryDead(["a"], {}, dependants=True), NOW_MS)
    assert job_of(engine, "b").blockers == ["a"]
    assert [run_job(engine, exited(0)), run_job(engine, exited(0))] == ["a", "b"]


def test_job_behind_a_dead_one_replays_as_dead() -> None:
    engine, again = an_engine(), an_engine()
    happened = enqueue(engine, "a", max_retries=0)
    cancel_a = engine.handle(commands.Cancel(["a"], 15), NOW_MS).events
    happened = [*happened, *cancel_a, *enqueue(engine, "b", after=["a"])]
    again.replay(events.decode(events.encode(happened)), 1)
    assert state_of(again.table) == state_of(engine.table)
    assert job_of(again, "b").state == DEAD


@pytest.mark.parametrize("how, word, cause", HOW_IT_ENDED)
def test_load_behind_a_dead_job_dies_with_its_reason(how: str, word: str, cause: str) -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=0)
    ended(engine, how)
    load = engine.begin_load()
    specs: list[object] = [{"id": "b", "command": "true", "after": ["a"]}]
    specs += [{"id": "c", "command": "true", "after": ["b"]}, {"id": "d", "command": "true"}]
    engine.add_to_load(load, specs, "/", NOW_MS)
    engine.commit_load(load, NOW_MS, lambda follows: None)
    assert job_of(engine, "b").reason == f"job a, which it waited for, {word}"
    assert [job_of(engine, id).state for id in "bcd"] == [DEAD, DEAD, PENDING]
    assert job_of(engine, "c").record()["cause"] == cause


def test_retry_with_dependants_retries_the_jobs_that_died_with_it() -> None:
    engine = an_engine()
    enqueue(engine, "a", "done", max_retries=0)
    enqueue(engine, "b", after=["a", "done"])
    enqueue(engine, "c", after=["b"])
    run_job(engine, exited(1))
    run_job(engine, exited(0))
    engine.table.flush(EVERYTHING, engine.sequence)
    engine.handle(commands.RetryDead(["a"], {}, dependants=True), NOW_MS)
    assert [job_of(engine, id).state for id in "abc"] == [PENDING] * 3
    assert [run_job(engine, exited(0)) for _ in range(3)] == ["a", "b", "c"]


def test_retry_of_a_dependant_alone_removes_its_dependency() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=0)
    enqueue(engine, "b", after=["a"])
    run_job(engine, exited(1))
    engine.handle(commands.RetryDead(["b"]), NOW_MS)
    assert dispatch(engine) == "b"


def test_job_may_wait_for_an_earlier_one_in_the_same_load() -> None:
    engine = an_engine()
    load = engine.begin_load()
    engine.add_to_load(load, [{"id": "a", "command": "true"}], "/", NOW_MS)
    engine.add_to_load(load, [{"id": "b", "command": "true", "after": ["a"]}], "/", NOW_MS)
    engine.commit_load(load, NOW_MS, lambda follows: None)
    assert [run_job(engine, exited(0)), run_job(engine, exited(0))] == ["a", "b"]


@pytest.mark.parametrize("code, state", [(0, PENDING), (1, DEAD)])
def test_end_of_a_dependency_before_the_commit_of_a_load_counts(code: int, state: str) -> None:
    """Otherwise a job of the load would wait forever for a finished job."""
    engine = an_engine()
    enqueue(engine, "a", max_retries=0)
    load = engine.begin_load()
    engine.add_to_load(load, [{"id": "b", "command": "true", "after": ["a"]}], "/", NOW_MS)
    engine.add_to_load(load, [{"id": "c", "command": "true", "after": ["b"]}], "/", NOW_MS)
    run_job(engine, exited(code))
    written: list[Event] = []
    engine.commit_load(load, NOW_MS, written.extend)
    assert job_of(engine, "b").state == state
    assert {type(event) for event in written} == {events.Unblocked if state == PENDING else events.Canceled}
    assert job_of(engine, "c").state == state


@pytest.mark.parametrize(
    "code, state, reason",
    [(0, PENDING, None), (1, DEAD, "job a, which it waited for, was removed")],
)
def test_dependency_removed_before_the_commit_of_a_load_keeps_its_result(
    code: int, state: str, reason: str | None
) -> None:
    """Otherwise retention would cancel a job of a slow load although its dependency completed."""
    engine = an_engine()
    enqueue(engine, "a", max_retries=0)
    load = engine.begin_load()
    engine.add_to_load(load, [{"id": "b", "command": "true", "after": ["a"]}], "/", NOW_MS)
    run_job(engine, exited(code))
    engine.handle(commands.Remove(["a"]), NOW_MS)
    engine.commit_load(load, NOW_MS, lambda follows: None)
    assert (job_of(engine, "b").state, job_of(engine, "b").reason) == (state, reason)


def test_load_that_waits_for_a_dead_job_gives_that_reason() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=0)
    load = engine.begin_load()
    engine.add_to_load(load, [{"id": "b", "command": "true", "after": ["a"]}], "/", NOW_MS)
    run_job(engine, exited(1))
    engine.commit_load(load, NOW_MS, lambda follows: None)
    assert job_of(engine, "b").reason == "job a, which it waited for, died"


def test_canceled_running_job_ends_its_dependants_after_its_end() -> None:
    engine = an_engine()
    enqueue(engine, "a")
    enqueue(engine, "b", after=["a"])
    dispatch(engine)
    cancel(engine, "a")
    assert job_of(engine, "b").state == PENDING
    finish(engine, "a", exited(143))
    assert (job_of(engine, "a").state, job_of(engine, "b").state) == (DEAD, DEAD)


def test_canceled_job_that_had_succeeded_is_completed() -> None:
    engine = an_engine()
    enqueue(engine, "a")
    dispatch(engine)
    cancel(engine, "a")
    finish(engine, "a", exited(0))
    assert job_of(engine, "a").state == COMPLETED


@pytest.mark.parametrize("codes", [(1, 1), (1, 0), (0, 1)])
def test_several_ends_before_the_commit_of_a_load_are_one_event(codes: tuple[int, int]) -> None:
    engine = an_engine()
    enqueue(engine, "x", "y", max_retries=0)
    load = engine.begin_load()
    engine.add_to_load(load, [{"id": "j", "command": "true", "after": ["x", "y"]}], "/", NOW_MS)
    for code in codes:
        run_job(engine, exited(code))
    engine.commit_load(load, NOW_MS, lambda follows: None)
    assert job_of(engine, "j").state == DEAD


def test_dead_dependants_are_those_that_died_because_of_a_job() -> None:
    engine = an_engine()
    enqueue(engine, "a", "z")
    enqueue(engine, "b", after=["a", "z"])
    enqueue(engine, "c", after=["b"])
    enqueue(engine, "d", after=["a"])
    cancel(engine, "d")
    assert dead_with(engine.table, ["a"], 9) == []
    cancel(engine, "a")
    assert dead_with(engine.table, ["a"], 9) == ["b", "c"]
    assert dead_with(engine.table, ["a"], 1) == ["b"]
    assert dead_with(engine.table, ["a", "b"], 9) == ["c"]
    assert dead_with(engine.table, ["z"], 9) == []


def test_dependants_of_jobs_are_found_at_every_distance_and_up_to_a_limit() -> None:
    engine = an_engine()
    assert dying_with(engine.table, ["a"], 9) == []
    enqueue(engine, "a", "z")
    enqueue(engine, "b", after=["a"])
    enqueue(engine, "c", after=["a", "b"])
    enqueue(engine, "d", after=["c"], after_any=True)
    enqueue(engine, "e", "f", after=["c"])
    assert dying_with(engine.table, ["a", "a"], 9) == ["b", "c", "e", "f"]
    assert dying_with(engine.table, ["a", "c", "z"], 9) == ["b", "e", "f"]
    assert dying_with(engine.table, ["a"], 2) == ["b", "c"]
    cancel(engine, "e")
    assert dying_with(engine.table, ["c"], 9) == ["f"]
    assert dying_with(engine.table, ["nobody"], 9) == []
