"""Wall times: `--at` follows the wall clock, and `--delay` and retries do not.

When the clock is set, a time of `--at` stays and the wait changes; other waits keep their length.
"""

from __future__ import annotations

import random

import pytest

from queuectl_core.engine.engine import Engine
from queuectl_core.errors import QueueError
from queuectl_core.model import commands, events
from queuectl_core.storage.memory_store import MemoryStore
from queuectl_core.table.job_table import JobTable
from queuectl_core.timestamps import utc
from tests.builders import NOW_MS, an_engine, dispatch, enqueue, exited, job_of, random_command, run_job, state_of

HOUR_MS = 3_600_000
AT_MS = NOW_MS // 1000 * 1000 + 2 * HOUR_MS
AT = str(utc(AT_MS))


def set_clock(engine: Engine, jump_ms: int, now_ms: int) -> None:
    """Set the clock, which shows `now_ms` afterwards."""
    engine.handle(commands.ShiftClock(jump_ms), now_ms)


def shown(engine: Engine, id: str) -> object:
    return job_of(engine, id).record(engine.table.clock_shift_ms)["next_run_at"]


@pytest.mark.parametrize("jump_ms", [-10 * HOUR_MS, -HOUR_MS, HOUR_MS, 365 * 24 * HOUR_MS])
def test_job_runs_at_its_requested_time_after_any_clock_change(jump_ms: int) -> None:
    engine = an_engine()
    wrong_ms = NOW_MS - jump_ms
    enqueue(engine, "a", now_ms=wrong_ms, at=AT)
    enqueue(engine, "b", now_ms=wrong_ms, delay=1800)
    set_clock(engine, jump_ms, NOW_MS)
    assert (shown(engine, "a"), shown(engine, "b")) == (AT, utc(NOW_MS + 1_800_000))
    assert dispatch(engine, NOW_MS) is None
    assert engine.next_due_ms(NOW_MS) == NOW_MS + 1_800_000
    assert dispatch(engine, NOW_MS + 1_800_000) == "b"
    assert engine.next_due_ms(NOW_MS) == AT_MS
    assert dispatch(engine, AT_MS - 1) is None
    assert dispatch(engine, AT_MS) == "a"


def test_time_that_the_clock_jumped_past_is_due() -> None:
    engine = an_engine()
    enqueue(engine, "a", at=AT)
    set_clock(engine, 3 * HOUR_MS, NOW_MS + 3 * HOUR_MS)
    assert dispatch(engine, NOW_MS + 3 * HOUR_MS) == "a"


def test_due_job_waits_again_when_the_clock_is_set_back() -> None:
    engine = an_engine()
    enqueue(engine, "first", now_ms=AT_MS, priority=5)
    enqueue(engine, "a", at=AT)
    assert dispatch(engine, AT_MS) == "first"  # `a` is due by now
    set_clock(engine, -2 * HOUR_MS, AT_MS - 2 * HOUR_MS)
    assert dispatch(engine, AT_MS - 1) is None
    assert dispatch(engine, AT_MS) == "a"


def test_edited_time_has_the_kind_of_the_last_edit() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", now_ms=NOW_MS, delay=60)
    run = engine.handle
    run(commands.Edit(["a"], {"at": AT}), NOW_MS)
    enqueue(engine, "c", at=AT)
    run(commands.Edit(["c"], {"delay": 60}), NOW_MS)
    set_clock(engine, HOUR_MS, NOW_MS + HOUR_MS)
    assert [shown(engine, id) for id in "abc"] == [AT, *[utc(NOW_MS + HOUR_MS + 60_000)] * 2]


def test_failed_job_keeps_an_edited_time_and_its_next_retry_is_a_length() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=5, backoff_base=2)
    run_job(engine, exited(1))
    engine.handle(commands.Edit(["a"], {"at": AT}), NOW_MS)
    set_clock(engine, -HOUR_MS, NOW_MS - HOUR_MS)
    assert shown(engine, "a") == AT and job_of(engine, "a").state == "failed"
    assert run_job(engine, exited(1), AT_MS) == "a"
    before = job_of(engine, "a").due_ms
    set_clock(engine, HOUR_MS, AT_MS + HOUR_MS)
    assert job_of(engine, "a").due_ms == before and job_of(engine, "a").wall_ms is None


@pytest.mark.parametrize(
    "command", [commands.RunNow(["a"]), commands.Cancel(["a"], 15), commands.Remove(["a"])], ids=lambda c: type(c).__name__
)  # fmt: skip
def test_clock_does_not_affect_a_job_that_waits_for_no_time(command: object) -> None:
    engine = an_engine()
    enqueue(engine, "a", at=AT)
    engine.handle(command, NOW_MS)  # type: ignore[arg-type]
    set_clock(engine, HOUR_MS, NOW_MS)
    assert engine.table.scan("wall", 10) == []
    job = engine.table.get("a")
    assert job is None or (job.due_ms, job.wall_ms) == (None, None)


def test_time_survives_export_and_import_with_another_clock() -> None:
    engine, other = an_engine(), an_engine()
    set_clock(engine, HOUR_MS, NOW_MS)
    enqueue(engine, "a", at=AT)
    set_clock(other, -5 * HOUR_MS, NOW_MS)
    exported = {**job_of(engine, "a").fields(), "due_ms": AT_MS}
    other.handle(commands.Import([exported], False), NOW_MS)
    assert shown(other, "a") == AT
    set_clock(other, 5 * HOUR_MS, NOW_MS)
    assert shown(other, "a") == AT and other.next_due_ms(NOW_MS) == AT_MS


def test_job_with_a_dependency_keeps_its_time() -> None:
    engine = an_engine()
    enqueue(engine, "first")
    enqueue(engine, "a", at=AT, after=["first"])
    set_clock(engine, HOUR_MS, NOW_MS)
    run_job(engine, exited(0), NOW_MS)
    assert dispatch(engine, AT_MS - 1) is None and dispatch(engine, AT_MS) == "a"


def test_event_of_format_1_keeps_its_wait() -> None:
    """It has only the due time without clock jumps."""
    old = b'[["enqueued","a",1,1700000000000,"true","/",3,2,{},1700007200000,[]],["edited","a",1700000000000,{},1700007300000]]'
    engine = an_engine()
    engine.replay(events.decode(old), 1)
    job = job_of(engine, "a")
    assert (job.due_ms, job.wall_ms) == (1_700_007_300_000, None)


@pytest.mark.parametrize("seed", range(12))
def test_replay_from_any_point_of_the_store_gives_the_live_state(seed: int) -> None:
    source = random.Random(seed)
    store = MemoryStore()
    live, written = an_engine(store), []
    fresh = an_engine()
    now_ms = NOW_MS
    for _ in range(150):
        now_ms += source.randrange(60_000)
        command = random_command(source, live.table, now_ms)
        if source.random() < 0.25:
            jump_ms = source.choice([-HOUR_MS, HOUR_MS])
            now_ms += jump_ms
            command = commands.ShiftClock(jump_ms)
        elif type(command) is commands.Enqueue and source.random() < 0.7:
            for spec in command.specs:
                spec.pop("delay", None)  # type: ignore[attr-defined]
                spec["at"] = utc(now_ms + source.randrange(5) * HOUR_MS)  # type: ignore[index]
        try:
            written.append((live.sequence + 1, live.handle(command, now_ms).events))
        except QueueError:
            continue
        if source.random() < 0.2:
            live.table.flush(source.randrange(1, 6), live.sequence)
    again = Engine(JobTable(store))
    for first, emitted in written:
        fresh.replay(events.decode(events.encode(emitted)), first)
        again.replay(events.decode(events.encode(emitted)), first)
    assert state_of(live.table) == state_of(fresh.table) == state_of(again.table)
    assert live.table.scan("wall", 1000) == fresh.table.scan("wall", 1000) == again.table.scan("wall", 1000)
    for id in (id for _, id in live.table.scan("wall", 1000)):
        assert job_of(live, id).next_run_ms(live.table.clock_shift_ms) == job_of(live, id).wall_ms
