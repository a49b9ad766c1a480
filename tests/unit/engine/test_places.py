"""Places: the order that users give to waiting jobs."""

from __future__ import annotations

import random

import pytest

from queuectl_core.engine.engine import Engine
from queuectl_core.engine.places import MAX_PLACE, between
from queuectl_core.errors import InvalidInput, NothingToDo, QueueError, UnknownJob, WrongState
from queuectl_core.model import commands
from queuectl_core.model.events import decode, encode
from queuectl_core.model.job import PENDING, STATES
from queuectl_core.table.job_table import JobTable
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
    state_of,
)


def order(engine: Engine, index: str = "ready") -> list[str]:
    return [id for _, id in engine.table.scan(index, EVERYTHING)]


def move(engine: Engine, id: str, to: object) -> None:
    engine.handle(commands.Move(id, to), NOW_MS)


def test_move_to_front_back_and_a_place() -> None:
    engine = an_engine()
    enqueue(engine, *"abcde")
    move(engine, "d", "front")
    assert order(engine) == list("dabce")
    move(engine, "a", "back")
    assert order(engine) == list("dbcea")
    move(engine, "e", 2)
    assert order(engine) == list("debca")
    move(engine, "d", 3)
    assert order(engine) == list("ebdca")
    move(engine, "b", 17)
    assert order(engine) == list("edcab")
    enqueue(engine, "new")
    assert order(engine) == [*"edcab", "new"]
    assert [dispatch(engine) for _ in range(6)] == [*"edcab", "new"]


def test_moves_are_the_same_as_moves_in_a_list() -> None:
    for seed in range(20):
        source = random.Random(seed)
        engine, names = an_engine(), [f"j{n}" for n in range(8)]
        enqueue(engine, *names)
        for _ in range(60):
            id, other, to = source.choice(names), source.choice(names), source.choice(["front", "back", 1, 3, 7, 99])
            if source.random() < 0.3 and id != other:
                engine.handle(commands.Switch(id, other), NOW_MS)
                one, two = names.index(id), names.index(other)
                names[one], names[two] = other, id
            else:
                move(engine, id, to)
                names.remove(id)
                names.insert({"front": 0, "back": 99}.get(str(to), int(to) - 1 if type(to) is int else 0), id)
            assert order(engine) == names, f"seed {seed}"


def test_place_counts_among_jobs_of_the_same_queue_and_priority() -> None:
    engine = an_engine()
    enqueue(engine, "high1", "high2", priority=5)
    enqueue(engine, *"abc")
    enqueue(engine, "low1", "low2", priority=-1)
    enqueue(engine, "x", "y", "z", queue="gpu")
    for id in ("b", "high2", "low2"):
        move(engine, id, "front")
    assert order(engine) == ["high2", "high1", *"bac", "low2", "low1"]
    for id in ("b", "high2", "low2"):
        move(engine, id, "back")
    assert order(engine) == ["high1", "high2", *"acb", "low1", "low2"]
    move(engine, "c", 1)
    move(engine, "low1", 5)
    assert order(engine) == ["high1", "high2", *"cab", "low2", "low1"]
    move(engine, "z", 2)
    assert order(engine, "ready@gpu") == ["x", "z", "y"]
    assert len(order(engine, "ready@*")) == 3
    engine.handle(commands.Edit(["c"], {"priority": 5}), NOW_MS)
    assert order(engine)[:3] == ["high1", "high2", "c"], "its place counted only among others"


def test_job_returns_to_its_place_beside_later_moves_to_it() -> None:
    engine = an_engine()
    enqueue(engine, *"abc")
    move(engine, "c", 1)
    assert dispatch(engine) == "c"
    move(engine, "b", 1)
    finish(engine, "c", exited(1))
    engine.handle(commands.RunNow(["c"]), NOW_MS)
    assert sorted(order(engine)) == ["a", "b", "c"]
    assert [dispatch(engine) for _ in range(3)] == ["c", "b", "a"]


def test_place_survives_a_replay_and_the_store() -> None:
    engine = an_engine()
    happened = enqueue(engine, *"abcd")
    happened += engine.handle(commands.Move("d", "front"), NOW_MS).events
    happened += engine.handle(commands.Switch("a", "c"), NOW_MS).events
    again = an_engine()
    again.replay(decode(encode(happened)), 1)
    assert state_of(again.table) == state_of(engine.table)
    engine.table.flush(EVERYTHING, engine.sequence)
    opened = Engine(JobTable(engine.table._store))
    assert order(opened) == ["d", "c", "b", "a"]
    opened.replay(decode(encode(happened)), 1)
    assert state_of(opened.table) == state_of(engine.table)


@pytest.mark.parametrize("state", [state for state in STATES if state != PENDING])
def test_job_that_does_not_wait_is_not_moved(state: str) -> None:
    engine = engine_with(state)
    enqueue(engine, "b")
    for command in (commands.Move("a", "front"), commands.Switch("b", "a"), commands.Switch("a", "b")):
        with pytest.raises(WrongState, match=state):
            engine.handle(command, NOW_MS)


def test_impossible_moves_are_refused() -> None:
    engine = an_engine()
    enqueue(engine, "a")
    enqueue(engine, "b", priority=1)
    enqueue(engine, "c", queue="gpu")
    refusals: list[tuple[object, type[QueueError], str]] = [
        (commands.Switch("a", "b"), NothingToDo, "priority 0"),
        (commands.Switch("a", "c"), NothingToDo, "queue gpu"),
        (commands.Switch("a", "a"), InvalidInput, "different"),
        (commands.Switch("a", "none"), UnknownJob, "none"),
        (commands.Move("none", "front"), UnknownJob, "none"),
        *((commands.Move("a", to), InvalidInput, "place from 1") for to in (0, -1, MAX_PLACE + 1, True, None, "up", 1.0)),
    ]
    before = state_of(engine.table)
    for command, error, words in refusals:
        with pytest.raises(error, match=words):
            engine.handle(command, NOW_MS)  # type: ignore[arg-type]
    assert state_of(engine.table) == before


def test_waiting_job_keeps_its_new_place_until_it_is_ready() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b")
    enqueue(engine, "late", delay=5)
    move(engine, "late", "front")
    assert dispatch(engine) == "a"
    assert dispatch(engine, NOW_MS + 6000) == "late"


def test_many_moves_to_one_end_stay_short() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b")
    for n in range(1500):
        move(engine, "ab"[n % 2], "back")
        move(engine, "ab"[n % 2], "front")
    assert len(job_of(engine, "a").rank) < 30


def test_too_many_moves_to_one_place_are_refused() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", "c")
    with pytest.raises(NothingToDo, match="move . to another"):
        for n in range(5000):
            move(engine, "bc"[n % 2], 2)
    move(engine, "b", "front")
    assert order(engine)[0] == "b"


def test_between_returns_a_place_between() -> None:
    source = random.Random(1)
    places = [f"{n:012}" for n in range(1, 4)]
    for _ in range(3000):
        at = source.randrange(len(places) + 1)
        before, behind = (places[at - 1] if at else None), (places[at] if at < len(places) else None)
        new = between(before, behind)
        assert (before or "") < new and (behind is None or (new < behind and not behind.startswith(new)))
        places.insert(at, new)
    assert between("000000000004", "000000000004") == "000000000004"
