"""Job operations: changes of named jobs (all or none) and of filtered jobs (where possible), and
unique keys.
"""

from __future__ import annotations

import pytest

from queuectl_core.errors import (
    BadDependency,
    Busy,
    DuplicateJob,
    InvalidInput,
    KeyTaken,
    UnknownJob,
    WrongState,
)
from queuectl_core.model import commands, events
from queuectl_core.model.commands import Command
from queuectl_core.model.job import COMPLETED, DEAD, FAILED, PENDING, PROCESSING, STATES
from tests.builders import (
    EVERYTHING,
    NOW_MS,
    an_engine,
    dispatch,
    engine_with,
    enqueue,
    exited,
    finish,
    job_of,
    run_job,
)

CAN: list[tuple[Command, set[str]]] = [
    (commands.Cancel(["a"], 15), {PENDING, FAILED, PROCESSING}),
    (commands.Remove(["a"]), {PENDING, FAILED, COMPLETED, DEAD}),
    (commands.RunNow(["a"]), {FAILED, DEAD}),
    (commands.Edit(["a"], {"priority": 1}), {PENDING, FAILED, DEAD}),
    (commands.Suspend(["a"]), {PROCESSING}),
    (commands.Continue(["a"]), {PROCESSING}),
]


@pytest.mark.parametrize("command, states", CAN, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("state", STATES)
def test_allowed_operations_depend_on_the_state(state: str, command: Command, states: set[str]) -> None:
    engine = engine_with(state)
    if state in states:
        assert engine.handle(command, NOW_MS).reply == ["a"]
    else:
        with pytest.raises(WrongState):
            engine.handle(command, NOW_MS)
        assert engine.handle(command._replace(skip_ineligible=True), NOW_MS).reply == []  # type: ignore[union-attr]


@pytest.mark.parametrize("command", [command for command, _ in CAN], ids=lambda value: type(value).__name__)
def test_unknown_job_refuses_named_jobs_and_is_skipped_among_filtered_ones(command: Command) -> None:
    engine = an_engine()
    enqueue(engine, "a", delay=60)
    before = engine.sequence
    named = command._replace(ids=["a", "nobody"])  # type: ignore[union-attr]
    with pytest.raises((UnknownJob, WrongState)):
        engine.handle(named, NOW_MS)
    assert engine.sequence == before
    engine.handle(named._replace(skip_ineligible=True), NOW_MS)


def test_job_that_runs_now_is_due() -> None:
    engine = engine_with(FAILED)
    enqueue(engine, "b", delay=3600)
    engine.handle(commands.RunNow(["a", "b"]), NOW_MS)
    assert [dispatch(engine), dispatch(engine)] == ["a", "b"]
    assert job_of(engine, "a").attempts == 2


def test_edited_job_has_its_new_fields_and_position() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", "c")
    engine.handle(commands.Edit(["c"], {"priority": 5, "command": "false", "max_retries": 0}), NOW_MS)
    engine.handle(commands.Edit(["a"], {"queue": "gpu", "delay": 60}), NOW_MS)
    assert (job_of(engine, "c").command, job_of(engine, "c").max_retries) == ("false", 0)
    assert [dispatch(engine), dispatch(engine), dispatch(engine)] == ["c", "b", None]
    engine.handle(commands.Edit(["a"], {"queue": None, "delay": 0}), NOW_MS)
    assert dispatch(engine) == "a" and job_of(engine, "a").queue == "default"


@pytest.mark.parametrize(
    "fields",
    [{}, {"id": "b"}, {"key": "k"}, {"after": ["b"]}, {"command": None}, {"command": ""}, {"priority": "x"}, {"colour": 1}],
)  # fmt: skip
def test_invalid_edit_is_refused(fields: dict[str, object]) -> None:
    engine = engine_with(PENDING)
    with pytest.raises(InvalidInput):
        engine.handle(commands.Edit(["a"], fields), NOW_MS)


def test_retry_of_a_dead_job_may_change_it() -> None:
    engine = engine_with(DEAD)
    engine.handle(commands.RetryDead(["a"], {"command": "true", "max_retries": 9}), NOW_MS)
    assert (job_of(engine, "a").command, job_of(engine, "a").max_retries, job_of(engine, "a").state) == (
        "true",
        9,
        PENDING,
    )


def test_suspension_ends_with_the_run() -> None:
    engine = engine_with(PROCESSING)
    engine.handle(commands.Suspend(["a"]), NOW_MS)
    assert job_of(engine, "a").suspended
    finish(engine, "a", exited(1))
    assert not job_of(engine, "a").suspended


# Keys


def with_key(id: str, policy: str = "refuse") -> commands.Enqueue:
    return commands.Enqueue([{"id": id, "command": "true", "key": "k", "on_conflict": policy}], "/")


@pytest.mark.parametrize("flushed", [False, True])
def test_only_one_unfinished_job_has_a_key(flushed: bool) -> None:
    engine = an_engine()
    engine.handle(with_key("a"), NOW_MS)
    if flushed:
        engine.table.flush(EVERYTHING, engine.sequence)
    with pytest.raises(KeyTaken, match="unfinished job a already has the key k"):
        engine.handle(with_key("b"), NOW_MS)
    assert engine.handle(with_key("b", "skip"), NOW_MS).reply == ["a"]
    assert engine.handle(with_key("c", "replace"), NOW_MS).reply == ["c"]
    assert (job_of(engine, "a").state, job_of(engine, "a").reason) == (DEAD, "replaced by job c")


def test_running_job_is_not_replaced() -> None:
    engine = an_engine()
    engine.handle(with_key("a"), NOW_MS)
    dispatch(engine)
    with pytest.raises(KeyTaken):
        engine.handle(with_key("b", "replace"), NOW_MS)
    finish(engine, "a", exited(0))
    assert engine.handle(with_key("b"), NOW_MS).reply == ["b"]


def test_dead_job_is_retried_only_when_its_key_is_free() -> None:
    engine = an_engine()
    engine.handle(with_key("a"), NOW_MS)
    engine.handle(commands.Cancel(["a"], 15), NOW_MS)
    engine.handle(with_key("b"), NOW_MS)
    with pytest.raises(KeyTaken):
        engine.handle(commands.RetryDead(["a"]), NOW_MS)
    assert run_job(engine, exited(0)) == "b"
    engine.handle(commands.RetryDead(["a"]), NOW_MS)


def test_key_is_unique_within_a_load_and_against_later_jobs() -> None:
    engine = an_engine()
    spec: dict[str, object] = {"command": "true", "key": "k"}
    load = engine.begin_load()
    engine.add_to_load(load, [{**spec, "id": "a"}], "/", NOW_MS)
    with pytest.raises(KeyTaken):
        engine.add_to_load(load, [spec], "/", NOW_MS)
    engine.end_load(load)
    load = engine.begin_load()
    engine.add_to_load(load, [{**spec, "id": "a"}], "/", NOW_MS)
    engine.handle(with_key("b"), NOW_MS)
    with pytest.raises((KeyTaken, DuplicateJob)):
        engine.commit_load(load, NOW_MS, lambda follows: None)


def test_job_dies_with_one_that_dies_because_the_same_request_replaces_a_job() -> None:
    engine = an_engine()
    engine.handle(with_key("a"), NOW_MS)
    enqueue(engine, "b", after=["a"])
    specs: list[object] = [
        {"id": "c", "command": "true", "after": ["b"]},
        {"id": "d", "command": "true", "key": "k", "on_conflict": "replace"},
    ]
    happened = engine.handle(commands.Enqueue(specs, "/"), NOW_MS).events
    assert [job_of(engine, id).state for id in "abcd"] == [DEAD, DEAD, DEAD, PENDING]
    again = an_engine()
    again.handle(with_key("a"), NOW_MS)
    enqueue(again, "b", after=["a"])
    again.replay(events.decode(events.encode(happened)), again.sequence + 1)
    assert [job_of(again, id).state for id in "abcd"] == [DEAD, DEAD, DEAD, PENDING]


def test_load_is_refused_when_its_jobs_wait_for_one_that_it_replaces() -> None:
    """A request of one part is refused too; otherwise the jobs would die at once."""
    engine = an_engine()
    engine.handle(with_key("a"), NOW_MS)
    load = engine.begin_load()
    engine.add_to_load(load, [{"id": "b", "command": "true", "after": ["a"]}], "/", NOW_MS)
    spec = {"id": "c", "command": "true", "key": "k", "on_conflict": "replace"}
    engine.add_to_load(load, [spec], "/", NOW_MS)
    with pytest.raises(BadDependency):
        engine.commit_load(load, NOW_MS, lambda follows: None)
    assert job_of(engine, "a").state == PENDING and engine.table.get("c") is None


def test_load_with_times_is_refused_when_the_clock_is_set_meanwhile() -> None:
    engine = an_engine()
    load, timeless = engine.begin_load(), engine.begin_load()
    engine.add_to_load(load, [{"id": "a", "command": "true", "at": "2030-01-01T00:00Z"}], "/", NOW_MS)
    engine.add_to_load(timeless, [{"id": "b", "command": "true", "delay": 1}], "/", NOW_MS)
    engine.handle(commands.ShiftClock(5000), NOW_MS + 5000)
    with pytest.raises(Busy):
        engine.commit_load(load, NOW_MS + 5000, lambda follows: None)
    engine.commit_load(timeless, NOW_MS + 5000, lambda follows: None)


def test_load_replaces_waiting_jobs_at_its_commit() -> None:
    engine = an_engine()
    engine.handle(with_key("a"), NOW_MS)
    load = engine.begin_load()
    spec = {"id": "b", "command": "true", "key": "k", "on_conflict": "replace"}
    engine.add_to_load(load, [spec], "/", NOW_MS)
    assert job_of(engine, "a").state == PENDING
    engine.commit_load(load, NOW_MS, lambda follows: None)
    assert (job_of(engine, "a").state, job_of(engine, "b").state) == (DEAD, PENDING)


# Earlier defects


def test_removed_option_has_its_default() -> None:
    engine = engine_with(PENDING)
    engine.handle(commands.ChangeSetting("max-retries", 5), NOW_MS)
    engine.handle(commands.Edit(["a"], {"max_retries": None, "backoff_base": None}), NOW_MS)
    assert (job_of(engine, "a").max_retries, job_of(engine, "a").backoff_base) == (5, 2)
    run_job(engine, exited(1))
    assert job_of(engine, "a").state == FAILED


def test_failed_job_edited_to_run_now_is_pending() -> None:
    engine = engine_with(FAILED)
    engine.handle(commands.Edit(["a"], {"delay": 0}), NOW_MS)
    assert job_of(engine, "a").state == PENDING and dispatch(engine) == "a"
    engine = engine_with(FAILED)
    engine.handle(commands.Edit(["a"], {"at": None}), NOW_MS)
    assert dispatch(engine) == "a"


def test_job_cannot_run_after_the_job_that_it_replaces() -> None:
    engine = an_engine()
    engine.handle(with_key("a"), NOW_MS)
    spec = {"command": "true", "key": "k", "on_conflict": "replace", "after": ["a"]}
    with pytest.raises(BadDependency):
        engine.handle(commands.Enqueue([spec], "/"), NOW_MS)


def test_only_one_of_two_dead_jobs_with_a_key_is_retried() -> None:
    engine = an_engine()
    for id in ("a", "b"):
        engine.handle(with_key(id), NOW_MS)
        engine.handle(commands.Cancel([id], 15), NOW_MS)
    with pytest.raises(KeyTaken, match="unfinished job a already has the key k"):
        engine.handle(commands.RetryDead(["a", "b"]), NOW_MS)
    assert engine.handle(commands.RetryDead(["a", "b"], skip_ineligible=True), NOW_MS).reply == ["a"]


def test_jobs_retried_together_wait_for_each_other_again() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=0)
    enqueue(engine, "b", after=["a"])
    run_job(engine, exited(1))
    engine.handle(commands.RetryDead(["b", "a"]), NOW_MS)
    assert [dispatch(engine), dispatch(engine)] == ["a", None]


def test_load_notices_a_key_of_a_retried_job() -> None:
    engine = an_engine()
    engine.handle(with_key("a"), NOW_MS)
    engine.handle(commands.Cancel(["a"], 15), NOW_MS)
    load = engine.begin_load()
    engine.add_to_load(load, [{"id": "b", "command": "true", "key": "k"}], "/", NOW_MS)
    engine.handle(commands.RetryDead(["a"]), NOW_MS)
    with pytest.raises(KeyTaken):
        engine.commit_load(load, NOW_MS, lambda follows: None)


def test_dependant_of_a_skipped_job_does_not_wait_for_it() -> None:
    engine = an_engine()
    engine.handle(with_key("a"), NOW_MS)
    enqueue(engine, "b", after=["a"])
    engine.handle(commands.Cancel(["a"], 15), NOW_MS)
    engine.handle(with_key("live"), NOW_MS)
    assert engine.handle(commands.RetryDead(["a", "b"], skip_ineligible=True), NOW_MS).reply == ["b"]
    assert job_of(engine, "b").blockers == []
