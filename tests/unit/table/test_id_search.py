"""ID search: the newest job of a user, and the jobs whose IDs begin with a text."""

from __future__ import annotations

import pytest

from queuectl_core.storage.memory_store import MemoryStore
from queuectl_core.table import id_search
from queuectl_core.table.job_table import JobTable
from tests.builders import an_engine, enqueue


@pytest.mark.parametrize("flushed", [0, 3, 100])
def test_ids_are_found_by_their_beginning_in_memory_and_store(flushed: int) -> None:
    engine = an_engine()
    enqueue(engine, *(f"job-{n}" for n in range(30)), "web-1", "job")
    engine.table.flush(flushed, engine.sequence)
    ids = engine.table.ids
    assert ids.beginning_with("web", 4) == ["web-1"]
    assert ids.beginning_with("job-29", 4) == ["job-29"]
    assert sorted(ids.beginning_with("job", 100) or ()) == sorted(["job", *(f"job-{n}" for n in range(30))])
    assert len(ids.beginning_with("job-", 4) or ()) == 4
    assert ids.beginning_with("job-3x", 4) == [] and ids.beginning_with("zzz", 4) == []


def test_a_removed_job_is_not_found() -> None:
    engine = an_engine()
    enqueue(engine, "job-1", "job-2")
    engine.table.flush(100, engine.sequence)
    engine.table.remove("job-1", engine.sequence + 1)
    assert engine.table.ids.beginning_with("job", 4) == ["job-2"]


def test_a_search_refuses_too_many_changed_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(id_search, "MAX_ENTRIES", 2)
    engine = an_engine()
    enqueue(engine, "a", "b", "c")
    assert engine.table.ids.beginning_with("a", 4) is None


def test_the_newest_job_survives_a_flush_and_is_no_hook() -> None:
    store = MemoryStore()
    table = JobTable(store)
    assert table.ids.newest == (0, "")
    table.ids.note(7, "b", {})
    table.ids.note(8, "b.on-dead.8", {"hook": {}})
    table.ids.note(9, "nightly.1.9", {"schedule": "nightly"})
    table.ids.note(3, "a", {})
    table.flush(100, 1)
    assert JobTable(store).ids.newest == (7, "b")
    engine = an_engine()
    enqueue(engine, "x", "y")
    assert engine.table.ids.newest[1] == "y"
