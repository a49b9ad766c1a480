"""Metrics: counters, histograms and minutes, which come back from the store as they were."""

from __future__ import annotations

import pytest

from queuectl_core.storage.memory_store import MemoryStore
from queuectl_core.table import metrics
from queuectl_core.table.metrics import MAX_QUEUES, OTHER, Metrics


def flush(table: Metrics, store: MemoryStore) -> None:
    puts: list[tuple[bytes, bytes]] = []
    deletes: list[bytes] = []
    table.write(puts, deletes)
    store.write(puts, deletes)
    table.note_stored()


def content(table: Metrics) -> dict[str, tuple[list[int], dict[int, list[int]]]]:
    return {name: (each.values, each.minutes) for name, each in table.queues().items()}


@pytest.mark.parametrize(
    ("time_ms", "bucket"), [(0, 0), (10, 0), (11, 1), (100, 1), (86_400_000, 11), (86_400_001, 12), (10**12, 12)]
)
def test_a_time_belongs_to_the_first_bucket_that_it_does_not_exceed(time_ms: int, bucket: int) -> None:
    queue = Metrics(MemoryStore()).of("a")
    queue.observe(metrics.WAIT, [time_ms])
    places = queue.values[metrics.WAIT : metrics.DURATION]
    assert places == [time_ms, *(int(n == bucket) for n in range(13))]
    assert sum(queue.values) == time_ms + 1


def test_a_minute_is_forgotten_after_an_hour() -> None:
    queue = Metrics(MemoryStore()).of("a")
    for minute in range(200):
        queue.note_minute(0, minute * 60_000 + 59_999)
        assert len(queue.minutes) <= metrics.MINUTES
    queue.note_minute(1, 199 * 60_000)
    assert queue.history(200 * 60_000) == [[1] * 59 + [0], [0] * 58 + [1, 0], [0] * 60]
    assert queue.history(10**10) == [[0] * 60] * 3


def test_what_is_stored_comes_back_and_counts_go_on() -> None:
    store = MemoryStore()
    first = Metrics(store)
    first.note_enqueued({"pending": 5, "pending@*": 2, "pending@gpu": 2, "pending@batch/b": 5, "after@gpu": 1})
    first.of("gpu").note_minute(2, 60_000)
    first.note_schedule("nightly", 7, True)
    first.note_schedule("nightly", 8, False)
    flush(first, store)
    second = Metrics(store)
    assert content(second) == content(first)
    assert second.schedules() == {"nightly": [8, 1]}
    second.note_enqueued({"pending": 1})
    assert {name: each.values[metrics.ENQUEUED] for name, each in second.queues().items()} == {"default": 4, "gpu": 2}
    second.forget_schedule("nightly")
    flush(second, store)
    assert Metrics(store).schedules() == {}


def test_a_flush_writes_only_what_changed() -> None:
    store = MemoryStore()
    table = Metrics(store)
    table.of("a")
    table.of("b")
    flush(table, store)
    table.of("b")
    puts: list[tuple[bytes, bytes]] = []
    table.write(puts, [])
    assert [key for key, _ in puts] == [b"metrics/b"]


def test_queues_beyond_a_hundred_share_a_record() -> None:
    store = MemoryStore()
    table = Metrics(store)
    for n in range(MAX_QUEUES + 50):
        table.of(f"q{n}").values[metrics.ENQUEUED] += 1
    flush(table, store)
    table = Metrics(store)
    table.of("new").values[metrics.ENQUEUED] += 1
    table.of("q0").values[metrics.ENQUEUED] += 1
    assert len(table.queues()) == MAX_QUEUES + 1
    assert table.queues()[OTHER].values[metrics.ENQUEUED] == 51
    assert table.queues()["q0"].values[metrics.ENQUEUED] == 2


def test_many_records_are_read_page_by_page() -> None:
    store = MemoryStore()
    table = Metrics(store)
    for n in range(1000):
        table.note_schedule(f"s{n}", n, True)
    flush(table, store)
    assert len(Metrics(store).schedules()) == 1000
