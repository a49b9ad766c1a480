"""Job table: jobs, counts and indexes over a store that lags behind, compared with a plain
dictionary.
"""

from __future__ import annotations

import copy
import json
import random
from collections import Counter

import pytest

from queuectl_core.errors import NewerFormat
from queuectl_core.model.events import Enqueued
from queuectl_core.model.job import COMPLETED, DEAD, FAILED, PENDING, PROCESSING, STATES, Job
from queuectl_core.storage.memory_store import MemoryStore
from queuectl_core.table.counts import AFTER, count_names
from queuectl_core.table.index_keys import DELAYED, DUE, READY, Entry, index_keys_of, indexes_of
from queuectl_core.table.job_table import JobTable
from queuectl_core.table.memtable import InsertBatch
from tests.builders import EVERYTHING, state_of

Fields = dict[str, object]


class CountingStore(MemoryStore):
    """A store that counts its writes: each is atomic, so an atomic change must be one write."""

    writes = 0

    def write(self, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None:
        self.writes += 1
        super().write(puts, deletes)


def add(table: JobTable, id: str, sequence: int, number: int | None = None) -> Entry:
    number = table.next_number if number is None else number
    job = Job(id, number, "true", "/somewhere", 3, 2, 1000 + sequence, revision=sequence)
    table.add(job)
    return table.reindex(job)


def move(table: JobTable, id: str, state: str, sequence: int, due_ms: int | None = None) -> Entry:
    job = table.for_update(id, sequence)
    assert job is not None
    job.state, job.due_ms, job.updated_ms, job.revision = state, due_ms, 1000 + sequence, sequence
    return table.reindex(job)


def ids(entries: list[Entry]) -> list[str]:
    return [id for _, id in entries]


def test_new_table_is_empty() -> None:
    table = JobTable(MemoryStore())
    assert table.counts == dict.fromkeys(STATES, 0)
    assert table.get("a") is None
    assert not any(table.in_order(index, 10) for state in STATES for index in indexes_of(state))
    assert (table.position, table.ahead, table.next_number) == (0, 0, 1)


def test_job_is_found_counted_and_indexed_before_a_flush() -> None:
    table = JobTable(MemoryStore())
    entry = add(table, "a", 1)
    assert table.get("a").id == "a"  # type: ignore[union-attr]
    assert table.counts[PENDING] == 1
    assert table.scan(READY, 10) == [entry] == [("ready/000000000001", "a")]


@pytest.mark.parametrize(
    "state, key",
    [
        (PENDING, "ready/000000000007"),
        (FAILED, "due/000000000005000/000000000007"),
        (PROCESSING, "processing/000000000007"),
        (COMPLETED, "completed/000000000001002/000000000007"),
        (DEAD, "dead/000000000001002/000000000007"),
    ],
)
def test_job_has_only_the_index_key_of_its_state(state: str, key: str) -> None:
    store = MemoryStore()
    table = JobTable(store)
    add(table, "a", 1, number=7)
    assert move(table, "a", state, 2, due_ms=5000 if state == FAILED else None) == (key, "a")
    table.flush(EVERYTHING, 2)
    assert sorted(store.pairs) == sorted([b"job/a", b"meta", key.encode()])


def test_moved_job_leaves_its_old_index_in_memory_and_store() -> None:
    table = JobTable(MemoryStore())
    add(table, "a", 1)
    table.flush(10, 1)
    move(table, "a", PROCESSING, 2)
    assert table.scan(READY, 10) == []
    assert ids(table.scan(PROCESSING, 10)) == ["a"]
    assert (table.counts[PENDING], table.counts[PROCESSING]) == (0, 1)
    table.flush(10, 2)
    assert table.scan(READY, 10) == []
    assert ids(table.scan(PROCESSING, 10)) == ["a"]


def test_pending_jobs_are_in_the_order_of_their_numbers() -> None:
    table = JobTable(MemoryStore())
    for sequence, (id, number) in enumerate([("z", 1), ("b", 10), ("m", 2)], 1):
        add(table, id, sequence, number)
    table.flush(2, 3)
    assert ids(table.scan(READY, 10)) == ["z", "m", "b"]


def test_failed_jobs_are_in_the_order_of_their_due_times() -> None:
    table = JobTable(MemoryStore())
    for sequence, (id, due_ms) in enumerate([("a", 90_000), ("b", 5_000), ("c", 100_000)], 1):
        add(table, id, sequence)
        move(table, id, FAILED, sequence, due_ms)
    assert ids(table.scan(DUE, 10)) == ["b", "a", "c"]


def test_indexes_with_similar_names_stay_separate() -> None:
    table = JobTable(MemoryStore())
    add(table, "a", 1)
    add(table, "b", 2)
    move(table, "a", DEAD, 3)
    move(table, "b", FAILED, 4, 7)
    for _ in range(2):
        assert (ids(table.scan(DEAD, 10)), ids(table.scan(DUE, 10))) == (["a"], ["b"])
        table.flush(10, 4)


def test_removed_job_leaves_nothing_behind() -> None:
    store = MemoryStore()
    table = JobTable(store)
    add(table, "a", 1)
    table.flush(10, 1)
    table.remove("a", 2)
    assert table.get("a") is None
    assert table.scan(READY, 10) == []
    assert table.counts == dict.fromkeys(STATES, 0)
    table.flush(10, 2)
    assert list(store.pairs) == [b"meta"]
    assert JobTable(store).counts == dict.fromkeys(STATES, 0)


def test_id_of_a_removed_job_can_be_used_again_before_the_flush() -> None:
    store = MemoryStore()
    table = JobTable(store)
    add(table, "a", 1)
    move(table, "a", DEAD, 2)
    table.flush(10, 2)
    table.remove("a", 3)
    add(table, "a", 4)
    assert ids(table.scan(READY, 10)) == ["a"] and table.scan(DEAD, 10) == []
    table.flush(10, 4)
    assert state_of(JobTable(store)) == state_of(table)
    assert len(store.pairs) == 3


def test_number_of_a_removed_job_is_not_used_again() -> None:
    store = MemoryStore()
    table = JobTable(store)
    add(table, "a", 1)
    table.remove("a", 2)
    table.flush(10, 2)
    assert JobTable(store).next_number == 2


def test_removing_twice_counts_once() -> None:
    table = JobTable(MemoryStore())
    add(table, "a", 1)
    table.remove("a", 2)
    table.remove("a", 3)
    table.remove("never-there", 4)
    assert table.counts[PENDING] == 0


def test_change_of_a_missing_job_returns_none() -> None:
    table = JobTable(MemoryStore())
    assert table.for_update("a", 1) is None
    add(table, "a", 2)
    table.remove("a", 3)
    assert table.for_update("a", 4) is None


def test_flush_is_one_atomic_write() -> None:
    store = CountingStore()
    table = JobTable(store)
    for n in range(5):
        add(table, f"job{n}", n + 1)
    table.flush(3, 5)
    assert store.writes == 1
    assert json.loads(store.pairs[b"meta"])["counts"][PENDING] == 3


def test_flush_takes_the_oldest_changes_and_returns_the_rest() -> None:
    store = MemoryStore()
    table = JobTable(store)
    for sequence, id in enumerate("abcde", 1):
        add(table, id, sequence)
    move(table, "a", PROCESSING, 6)
    assert table.flush(2, 6) == 3 == table.changed_count
    assert [id for id in "abcde" if f"job/{id}".encode() in store.pairs] == ["a", "b"]
    assert json.loads(store.pairs[b"job/a"])["state"] == PROCESSING


def test_position_is_before_the_first_change_that_the_store_lacks() -> None:
    store = MemoryStore()
    table = JobTable(store)
    add(table, "a", 1)
    add(table, "b", 2)
    move(table, "a", PROCESSING, 3)
    move(table, "b", PROCESSING, 4)
    table.flush(1, 4)
    assert (table.position, table.ahead) == (1, 4)
    table.flush(1, 4)
    assert (table.position, table.ahead) == (4, 4)
    again = JobTable(store)
    assert (again.position, again.ahead) == (4, 4)


def test_job_that_changes_after_its_flush_holds_the_position_back() -> None:
    table = JobTable(MemoryStore())
    add(table, "a", 1)
    table.flush(10, 1)
    move(table, "a", PROCESSING, 7)
    add(table, "b", 8)
    table.flush(0, 8)
    assert table.position == 6


def test_flush_without_changes_advances_the_position() -> None:
    table = JobTable(MemoryStore())
    table.settings["grace"] = 5
    assert table.flush(10, 9) == 0
    assert table.position == 9


def test_reopened_table_has_the_counts_of_the_flushed_jobs() -> None:
    store = MemoryStore()
    table = JobTable(store)
    for n in range(4):
        add(table, f"job{n}", n + 1)
    table.flush(4, 4)
    move(table, "job0", COMPLETED, 5)
    move(table, "job1", COMPLETED, 6)
    table.flush(1, 6)
    assert table.counts == {**dict.fromkeys(STATES, 0), PENDING: 2, COMPLETED: 2}
    assert JobTable(store).counts == {**dict.fromkeys(STATES, 0), PENDING: 3, COMPLETED: 1}


def test_flush_includes_the_settings() -> None:
    store = MemoryStore()
    table = JobTable(store)
    table.settings["grace"] = 5
    table.flush(1, 1)
    assert JobTable(store).settings == {"grace": 5}


def test_scan_continues_after_a_key_in_both_directions() -> None:
    table = JobTable(MemoryStore())
    entries = [add(table, id, sequence) for sequence, id in enumerate("abcde", 1)]
    table.flush(3, 5)
    assert ids(table.scan(READY, 2, after=entries[1][0])) == ["c", "d"]
    assert ids(table.scan(READY, 2, reverse=True)) == ["e", "d"]
    assert ids(table.scan(READY, 2, after=entries[3][0], reverse=True)) == ["c", "b"]
    assert table.scan(READY, 2, after=entries[4][0]) == []


def test_scan_of_nothing_is_empty() -> None:
    table = JobTable(MemoryStore())
    add(table, "a", 1)
    table.flush(1, 1)
    add(table, "b", 2)
    assert table.scan(READY, 0) == []


def test_scan_finds_entries_behind_many_moved_ones() -> None:
    table = JobTable(MemoryStore())
    for n in range(50):
        add(table, f"job{n:02}", n + 1)
    table.flush(50, 50)
    for n in range(48):
        move(table, f"job{n:02}", COMPLETED, 51 + n)
    assert ids(table.scan(READY, 2)) == ["job48", "job49"]
    assert ids(table.scan(READY, 5)) == ["job48", "job49"]


def test_store_of_a_newer_version_is_refused() -> None:
    store = MemoryStore()
    table = JobTable(store)
    table.flush(1, 1)
    meta = json.loads(store.pairs[b"meta"])
    store.pairs[b"meta"] = json.dumps({**meta, "format": meta["format"] + 1}).encode()
    with pytest.raises(NewerFormat):
        JobTable(store)


class Model:
    """The same table as two dictionaries: the current jobs, and the jobs of the last flush."""

    def __init__(self) -> None:
        self.jobs: dict[str, Fields] = {}
        self.stored: dict[str, Fields] = {}
        self.changed: dict[str, int] = {}
        self.position = 0

    def set(self, id: str, fields: Fields | None, sequence: int) -> None:
        self.changed.setdefault(id, sequence)
        self.jobs.pop(id, None)
        if fields is not None:
            self.jobs[id] = copy.deepcopy(fields)

    def flush(self, limit: int, last_sequence: int) -> None:
        for id in list(self.changed)[:limit]:
            del self.changed[id]
            self.stored.pop(id, None)
            if id in self.jobs:
                self.stored[id] = copy.deepcopy(self.jobs[id])
        self.position = min(self.changed.values()) - 1 if self.changed else last_sequence

    def reopen(self) -> None:
        self.jobs, self.changed = copy.deepcopy(self.stored), {}

    def indexes(self) -> dict[str, list[Entry]]:
        """Return every index that a job can be in, with its entries."""
        found: dict[str, list[Entry]] = {
            name: [] for name in ("ready", "ready@a", "delayed", "due@a", "blocked", *STATES)
        }
        for id, fields in self.jobs.items():
            for index, key in index_keys_of(Job(**fields)):  # type: ignore[arg-type]
                found.setdefault(index, []).append((key, id))
        return {name: sorted(entries) for name, entries in found.items()}

    def counts(self) -> dict[str, int]:
        return dict(Counter(name for fields in self.jobs.values() for name in count_names(Job(**fields))))  # type: ignore[arg-type]


def pages(table: JobTable, index: str, size: int, reverse: bool) -> list[Entry]:
    """Return a whole index, read page by page."""
    found: list[Entry] = []
    while True:
        page = table.scan(index, size, found[-1][0] if found else "", reverse)
        found += page
        if len(page) < size:
            return found


def random_step(source: random.Random, table: JobTable, model: Model, sequence: int) -> None:
    """Add, move or remove one job in the table and in the model."""
    id = f"job{source.randrange(15)}"
    if id not in model.jobs:
        enqueue(source, table, id, sequence)
    elif source.random() < 0.2:
        table.remove(id, sequence)
        model.set(id, None, sequence)
        return
    else:
        state = source.choice(STATES)
        waits = state == FAILED or (state == PENDING and source.random() < 0.3)
        move(table, id, state, sequence, source.randrange(10_000) if waits else None)
    model.set(id, table.get(id).fields(), sequence)  # type: ignore[union-attr]


def enqueue(source: random.Random, table: JobTable, id: str, sequence: int) -> None:
    """Return a new job, often with fields that affect its index keys."""
    options: dict[str, object] = {"queue": "a"} if source.random() < 0.3 else {}
    options.update({"priority": source.randint(-2, 2)} if source.random() < 0.3 else {})
    options.update({"key": f"key{id}"} if source.random() < 0.3 else {})
    options.update({"name": "some name"} if source.random() < 0.3 else {})
    blockers = [f"job{source.randrange(15)}"] if source.random() < 0.2 else []
    options.update({"after": blockers} if blockers else {})
    due_ms = source.randrange(10_000) if source.random() < 0.2 else None
    event = Enqueued(id, table.next_number, 1000 + sequence, "true", "/somewhere", 3, 2, options, due_ms, blockers)
    batch = InsertBatch()
    batch.add([event])
    table.insert(batch, sequence)


def counts_of(table: JobTable) -> dict[str, int]:
    """Return all counts, including those of each named queue."""
    named = table.queue_names()[1:]
    states = (*STATES, AFTER, DELAYED)
    return {**table.counts, **{f"{state}@{queue}": table.count_of(queue, state) for queue in named for state in states}}


def check(source: random.Random, table: JobTable, model: Model, label: str) -> None:
    assert {name: number for name, number in counts_of(table).items() if number} == model.counts(), label
    assert (table.position, table.changed_count) == (model.position, len(model.changed)), label
    for n in range(15):
        job = table.get(f"job{n}")
        assert (None if job is None else job.fields()) == model.jobs.get(f"job{n}"), f"{label}, job{n}"
    for index, expected in model.indexes().items():
        assert pages(table, index, source.randint(1, 4), False) == expected, f"{label}, {index}"
        assert pages(table, index, source.randint(1, 4), True) == expected[::-1], f"{label}, {index} reversed"


def test_table_agrees_with_a_dictionary_in_random_runs() -> None:
    for seed in range(30):
        source = random.Random(seed)
        store, model = MemoryStore(), Model()
        table = JobTable(store)
        for sequence in range(1, 100):
            random_step(source, table, model, sequence)
            label = f"seed {seed}, sequence {sequence}"
            if source.random() < 0.25:
                limit = source.randint(0, 8)
                left = table.flush(limit, sequence)
                model.flush(limit, sequence)
                assert left == len(model.changed), label
            if source.random() < 0.05:
                table.flush(0, sequence)
                model.flush(0, sequence)
                table = JobTable(store)
                model.reopen()
                assert table.position == model.position, label
            if source.random() < 0.2:
                check(source, table, model, label)
        table.flush(EVERYTHING, 100)
        model.flush(EVERYTHING, 100)
        check(source, table, model, f"seed {seed}, all flushed")
        entries = sum(len(index_keys_of(Job(**fields))) for fields in model.jobs.values())  # type: ignore[arg-type]
        queues = len(table.queue_names()) - 1
        kept = len(model.jobs) + entries + queues + 1
        assert len(store.pairs) == kept, f"seed {seed}: a record, its entries, those of queues, and meta"
