"""Store upgrade: stores of format 1, which lacked the order over all queues and the record of each
queue's counts, and of the formats 2 and 3, which lacked metrics and the counts of jobs that wait.
"""

from __future__ import annotations

import json
import random

import pytest

from queuectl_core.errors import NewerFormat
from queuectl_core.home import Home
from queuectl_core.model.job import STATES
from queuectl_core.repair import store_check
from queuectl_core.service.ledger import Ledger
from queuectl_core.storage.checksum_store import ChecksumStore
from queuectl_core.storage.memory_store import MemoryStore
from queuectl_core.storage.store_upgrade import upgraded
from queuectl_core.table.counts import AFTER
from queuectl_core.table.index_keys import DELAYED
from queuectl_core.table.job_table import FORMAT, JobTable
from queuectl_core.table.store import Store
from tests.builders import EVERYTHING, NOW_MS, an_engine, enqueue, random_command, state_of
from tests.homes import CommandLine

NEW = (AFTER, DELAYED)
"""The counts of format 4."""


def as_format_3(pairs: dict[bytes, bytes], format: int = 3) -> dict[bytes, bytes]:
    """Return the same store in format 3, or in format 2, which differs only by the number."""
    found = {key: value for key, value in pairs.items() if not key.startswith(b"metrics/")}
    meta = json.loads(pairs[b"meta"])
    meta["counts"] = {name: number for name, number in meta["counts"].items() if name.partition("@")[0] not in NEW}
    for key, value in found.items():
        if key.startswith(b"queue/"):
            counts = {name: number for name, number in json.loads(value).items() if name not in NEW}
            found[key] = json.dumps(counts, separators=(",", ":")).encode()
    return {**found, b"meta": json.dumps({**meta, "format": format}).encode()}


def content(store: Store) -> dict[bytes, object]:
    """Return the pairs of a store but `meta`. The counts of a queue may come in any order."""
    pairs = {key: value for key, value in store.readable() if key != b"meta"}
    return {key: json.loads(value) if key.startswith(b"queue/") else value for key, value in pairs.items()}


def without_metrics(pairs: dict[bytes, bytes]) -> MemoryStore:
    """Return a store whose metrics are new, as after an upgrade."""
    store = MemoryStore()
    store.pairs = {key: value for key, value in pairs.items() if not key.startswith(b"metrics/")}
    return store


def as_format_1(pairs: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the same store in format 1."""
    pairs = as_format_3(pairs)
    found = {key: value for key, value in pairs.items() if b"@*/" not in key and not key.startswith(b"queue/")}
    meta = json.loads(pairs[b"meta"])
    counts = {name: number for name, number in meta["counts"].items() if not name.endswith("@*")}
    for key, value in pairs.items():
        if key.startswith(b"queue/"):
            counts.update({f"{state}@{key[6:].decode()}": n for state, n in json.loads(value).items()})
    found[b"meta"] = json.dumps({**meta, "format": 1, "counts": counts}).encode()
    return found


def random_store(seed: int) -> MemoryStore:
    source, store = random.Random(seed), MemoryStore()
    engine, now_ms = an_engine(store), NOW_MS
    for _ in range(150):
        now_ms += source.choice([0, 500, 3000])
        try:
            engine.handle(random_command(source, engine.table, now_ms), now_ms)
        except Exception:  # the engine refused it
            continue
    engine.table.flush(EVERYTHING, engine.sequence)
    return store


@pytest.mark.parametrize("read_only", [False, True])
def test_store_of_format_1_is_equal_after_an_upgrade(read_only: bool) -> None:
    for seed in range(20):
        now, old = without_metrics(random_store(seed).pairs), MemoryStore()
        old.pairs = before = as_format_1(now.pairs)
        kept = dict(before)
        found = upgraded(old, read_only)
        assert content(found) == content(now)
        assert state_of(JobTable(found)) == state_of(JobTable(now)), f"seed {seed}"
        assert old.pairs == kept or not read_only


@pytest.mark.parametrize("format", [2, 3])
def test_store_of_format_2_or_3_gets_the_new_counts(format: int) -> None:
    for seed in range(20):
        now, old = without_metrics(random_store(seed).pairs), MemoryStore()
        old.pairs = as_format_3(now.pairs, format)
        found = upgraded(old)
        assert found is old, "it is not copied"
        assert state_of(JobTable(found)) == state_of(JobTable(now)), f"seed {seed}"
        assert json.loads(old.pairs[b"meta"])["format"] == FORMAT
        assert content(old) == content(now)


@pytest.mark.parametrize("format", [2, 3])
def test_store_of_format_2_or_3_that_is_only_read_stays_as_it_is(format: int) -> None:
    old = MemoryStore()
    old.pairs = as_format_3(random_store(1).pairs, format)
    before = dict(old.pairs)
    assert upgraded(old, read_only=True) is old
    assert JobTable(old).format == format
    assert old.pairs == before
    checked = store_check.check(ChecksumStore(sealed(old), "store"))
    assert checked.faults == []


def sealed(store: MemoryStore) -> MemoryStore:
    """Return a store with checksums."""
    inner = MemoryStore()
    ChecksumStore(inner, "store").write(list(store.pairs.items()), [])
    return inner


class FailingStore(MemoryStore):
    """A store that fails for good at one of its writes, as after a kill."""

    def __init__(self, pairs: dict[bytes, bytes], writes: int) -> None:
        super().__init__()
        self.pairs = pairs
        self.writes = writes

    def write(self, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None:
        self.writes -= 1
        if self.writes < 0:
            raise KeyboardInterrupt
        super().write(puts, deletes)


@pytest.mark.parametrize("writes", range(4))
def test_interrupted_upgrade_is_repeated(writes: int) -> None:
    now = MemoryStore()
    engine = an_engine(now)
    enqueue(engine, *(f"a{n}" for n in range(5)), queue="mail")
    enqueue(engine, *(f"b{n}" for n in range(5)), queue="gpu", delay=5)
    engine.table.flush(EVERYTHING, engine.sequence)
    store = FailingStore(as_format_1(now.pairs), writes)
    try:
        upgraded(store)
    except KeyboardInterrupt:
        assert json.loads(store.pairs[b"meta"])["format"] == 1
    store.writes = EVERYTHING
    store.write([(b"ready@*/left", b"by an earlier attempt")], []) if writes < 3 else None
    assert state_of(JobTable(upgraded(store))) == state_of(JobTable(without_metrics(now.pairs)))
    assert b"ready@*/left" not in store.pairs


def sealed_and_upgraded(inner: MemoryStore) -> Store:
    store = ChecksumStore(inner, "store")
    if store.is_old:
        store.add_checksums()
    return upgraded(store)


@pytest.mark.parametrize("writes", range(1, 6))
def test_previous_version_refuses_a_partly_upgraded_store(writes: int) -> None:
    """Otherwise it would take checksums for parts of the values, and miss jobs."""
    now = without_metrics(random_store(3).pairs)
    pairs = as_format_1(now.pairs)
    pairs[b"meta"] = json.dumps(json.loads(pairs[b"meta"]), separators=(",", ":")).encode()
    inner = FailingStore(pairs, writes)
    try:
        sealed_and_upgraded(inner)
    except KeyboardInterrupt:
        pass
    assert json.loads(inner.pairs[b"meta"].partition(b"\n")[0])["format"] > 1
    inner.writes = EVERYTHING
    assert state_of(JobTable(sealed_and_upgraded(inner))) == state_of(JobTable(now))
    assert b'"from"' not in inner.pairs[b"meta"]


def test_home_of_format_1_is_opened_listed_and_sound(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--queue", "mail", "--command", "true")
    queuectl.ok("enqueue", "--id", "b", "--priority", "5", "--queue", "gpu", "--command", "true")
    home = Home(queuectl.home)
    ledger = Ledger(home)
    ledger.checkpoint()
    store = ledger._store
    pairs = dict(store.readable())
    store.write(list(as_format_1(pairs).items()), [key for key in pairs if b"@*/" in key or key.startswith(b"queue/")])
    store.sync()
    ledger.close()
    assert "it says" not in queuectl.ok("doctor")
    assert [job["id"] for job in queuectl.json("list")] == ["b", "a"]
    assert [one["queue"] for one in queuectl.json("queue", "list")] == ["default", "gpu", "mail"]
    assert queuectl.json("status")["counts"] == {**dict.fromkeys(STATES, 0), "pending": 2}
    queuectl.ok("doctor")


def test_store_of_a_later_format_is_refused() -> None:
    store = MemoryStore()
    store.write([(b"meta", json.dumps({"format": FORMAT + 1}).encode())], [])
    with pytest.raises(NewerFormat):
        JobTable(upgraded(store))
