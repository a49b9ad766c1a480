"""The members, counts and times of batches in a table, before and after its flushes."""

from __future__ import annotations

import pytest

from queuectl_core.model import commands
from queuectl_core.model.job import COMPLETED, DEAD, FAILED, PENDING, PROCESSING, STATES
from queuectl_core.storage.memory_store import MemoryStore
from queuectl_core.table.batch_times import SAMPLE, BatchTimes, Times
from queuectl_core.table.index_keys import member_index
from queuectl_core.table.job_table import JobTable
from tests.builders import EVERYTHING, NOW_MS, an_engine, dispatch, enqueue, exited, finish, run_job


def members(table: JobTable, batch: str, state: str, **how: bool) -> list[str]:
    return [id for _, id in table.scan(member_index(batch, state), EVERYTHING, **how)]


def keys_of(store: MemoryStore, *prefixes: str) -> list[str]:
    return sorted(key.decode() for key in store.pairs if key.decode().startswith(prefixes))


def counts(**numbers: int) -> dict[str, int]:
    return {**dict.fromkeys(STATES, 0), **numbers}


@pytest.mark.parametrize("flush", [False, True])
def test_members_are_listed_and_counted_by_state(flush: bool) -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", batch="x", max_retries=0)
    enqueue(engine, "other")
    enqueue(engine, "c", batch="x", priority=5)
    enqueue(engine, "d", batch="y")
    if flush:
        engine.table.flush(EVERYTHING, engine.sequence)
    assert run_job(engine, exited(0)) == "c" and run_job(engine, exited(1)) == "a"
    assert members(engine.table, "x", PENDING) == ["b"]
    assert members(engine.table, "x", COMPLETED) == ["c"] and members(engine.table, "x", DEAD) == ["a"]
    assert engine.table.counts_of_batch("x") == counts(pending=1, completed=1, dead=1)
    assert engine.table.counts_of_batch("y") == counts(pending=1) and engine.table.counts_of_batch("nothing") == counts()


def test_fresh_members_are_found_from_any_key_in_both_directions() -> None:
    engine = an_engine()
    for n in range(6):
        enqueue(engine, f"a{n}", batch="xy"[n % 2])
    enqueue(engine, "b0", "b1", batch="x")
    table, index = engine.table, member_index("x", PENDING)
    assert members(table, "x", PENDING) == ["a0", "a2", "a4", "b0", "b1"]
    assert members(table, "x", PENDING, reverse=True) == ["b1", "b0", "a4", "a2", "a0"]
    second = table.scan(index, 2)[-1][0]
    assert [id for _, id in table.scan(index, 2, after=second)] == ["a4", "b0"]
    assert [id for _, id in table.scan(index, 2, after=second, reverse=True)] == ["a0"]
    assert dispatch(engine) == "a0"
    assert members(table, "x", PENDING) == ["a2", "a4", "b0", "b1"]
    table.flush(3, engine.sequence)
    assert members(table, "x", PENDING) == ["a2", "a4", "b0", "b1"]


def test_store_forgets_a_batch_with_its_last_job() -> None:
    store = MemoryStore()
    engine = an_engine(store)
    enqueue(engine, "a", "b", batch="x")
    run_job(engine, exited(0))
    engine.table.flush(EVERYTHING, engine.sequence)
    assert keys_of(store, "batch/", "times/") == ["batch/x", "times/x"]
    engine.handle(commands.Remove(["a", "b"]), NOW_MS)
    assert not any(engine.table.counts_of_batch("x").values())
    engine.table.flush(EVERYTHING, engine.sequence)
    assert keys_of(store, "batch/", "times/", "member/") == []


def test_batch_that_is_used_again_starts_anew() -> None:
    engine = an_engine()
    enqueue(engine, "a", batch="x")
    run_job(engine, exited(0), NOW_MS + 1000)
    engine.handle(commands.Remove(["a"]), NOW_MS)
    enqueue(engine, "b", batch="x")
    assert engine.table.batch_times.of("x") == Times()


def test_job_without_a_batch_adds_nothing_to_the_store() -> None:
    store = MemoryStore()
    engine = an_engine(store)
    enqueue(engine, "a")
    run_job(engine, exited(0))
    engine.table.flush(EVERYTHING, engine.sequence)
    assert keys_of(store, "batch/", "times/", "member/") == []


def test_times_have_the_first_start_the_last_end_and_the_time_of_all_attempts() -> None:
    store = MemoryStore()
    engine = an_engine(store)
    enqueue(engine, "a", "b", batch="x", backoff_base=1)
    assert dispatch(engine, NOW_MS) == "a"
    finish(engine, "a", exited(1), NOW_MS + 50)
    assert engine.table.counts_of_batch("x")[FAILED] == 1
    assert dispatch(engine, NOW_MS + 40) == "b"
    finish(engine, "b", exited(0)._replace(ended_ms=NOW_MS + 100), NOW_MS + 110)
    assert engine.table.batch_times.of("x") == Times(NOW_MS, NOW_MS + 100, 90, 1)
    engine.table.flush(EVERYTHING, engine.sequence)
    assert JobTable(store).batch_times.of("x") == Times(NOW_MS, NOW_MS + 100, 90, 1)
    assert dispatch(engine, NOW_MS + 2000) == "a"
    assert engine.table.counts_of_batch("x")[PROCESSING] == 1
    engine.handle(commands.Release("a", 7, "stopped", True), NOW_MS + 3000)
    assert engine.table.batch_times.of("x").run_ms == 90


def test_imported_jobs_tell_when_their_batch_ran() -> None:
    store = MemoryStore()
    engine = an_engine(store)
    base = {"command": "true", "cwd": "/", "max_retries": 0, "backoff_base": 1, "created_ms": NOW_MS, "attempts": 1}
    jobs: list[object] = []
    for n, state in enumerate((COMPLETED, DEAD)):
        start_ms = NOW_MS + 100 - 10 * n
        attempt = {"attempt": 1, "run": 1, "started_ms": start_ms, "worker": "w", "outcome": "exit"}
        ended = {"state": state, "updated_ms": start_ms + 5, "history": [attempt]}
        jobs.append({**base, **ended, "id": f"a{n}", "options": {"batch": "x"}})
    engine.handle(commands.Import(jobs, skip=False), NOW_MS + 500)
    assert engine.table.batch_times.of("x")[:2] == (NOW_MS + 90, NOW_MS + 105)
    engine.table.flush(EVERYTHING, engine.sequence)
    assert JobTable(store).batch_times.of("x")[:2] == (NOW_MS + 90, NOW_MS + 105)


def test_times_of_the_latest_jobs_count_most() -> None:
    times = BatchTimes(MemoryStore())
    for _ in range(SAMPLE):
        times.note_run("x", 1000, True)
    for _ in range(4 * SAMPLE):
        times.note_run("x", 10, True)
    latest = times.of("x")
    assert latest.jobs <= SAMPLE and latest.run_ms < 100 * latest.jobs
