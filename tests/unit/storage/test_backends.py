"""Backends: one contract for each backend of this Python, and the effects of a crash or damage on
each.
"""

from __future__ import annotations

import dbm
import errno
import gc
import importlib
import os
import random
import shutil
import stat
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl_core.errors import Corrupt, DiskFull, InvalidInput, NoBackend, StorageFailed
from queuectl_core.storage.backends import CURRENT, MODULES, available, current_backend, open_store
from queuectl_core.storage.checksum_store import without_checksum
from queuectl_core.storage.generation_store import GenerationStore
from queuectl_core.storage.memory_store import MemoryStore
from queuectl_core.system import file_io
from queuectl_core.table.store import Store
from tests.builders import Syncs, file_size_limit, open_descriptors

Pairs = dict[bytes, bytes]

ON_DISK = available()
GENERATIONS = [backend for backend in ON_DISK if backend != "sqlite"]
needs_sqlite = pytest.mark.skipif("sqlite" not in ON_DISK, reason="this Python has no sqlite3")


class StoreFolder:
    """One backend in its own folder; its open stores close at the end."""

    def __init__(self, backend: str, folder: Path) -> None:
        self.backend = backend
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._memory = MemoryStore()
        self._opened: list[Store] = []

    def open(self) -> Store:
        store: Store = self._memory if self.backend == "memory" else open_store(str(self.folder), self.backend)
        self._opened.append(store)
        return store

    def image(self, name: str) -> StoreFolder:
        """Return a copy of the files as a kill at this moment would leave them."""
        copied = self.folder.parent / name
        shutil.copytree(self.folder, copied)
        return StoreFolder(self.backend, copied)

    def close(self) -> None:
        for store in self._opened:
            store.close()


@pytest.fixture(params=["memory", *ON_DISK])
def store_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreFolder]:
    made = StoreFolder(request.param, tmp_path / "store")
    yield made
    made.close()


@pytest.fixture(params=ON_DISK)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreFolder]:
    made = StoreFolder(request.param, tmp_path / "store")
    yield made
    made.close()


@pytest.fixture(params=GENERATIONS)
def generations(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreFolder]:
    made = StoreFolder(request.param, tmp_path / "store")
    yield made
    made.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[StoreFolder]:
    made = StoreFolder("sqlite", tmp_path / "store")
    yield made
    made.close()


def everything(store: Store) -> Pairs:
    return dict(store.scan(b"", b"\xff", 1_000_000))


def put(store: Store, *keys: bytes, value: bytes = b"v") -> None:
    store.write([(key, value) for key in keys], [])


# The contract


def test_new_store_is_empty(store_folder: StoreFolder) -> None:
    store = store_folder.open()
    assert store.get(b"a") is None
    assert everything(store) == {}


def test_written_pairs_are_readable_at_once(store_folder: StoreFolder) -> None:
    store = store_folder.open()
    store.write([(b"a", b"1"), (b"b", b"2")], [])
    assert (store.get(b"a"), store.get(b"b"), store.get(b"c")) == (b"1", b"2", None)
    assert everything(store) == {b"a": b"1", b"b": b"2"}


def test_later_value_replaces_the_earlier_one(store_folder: StoreFolder) -> None:
    store = store_folder.open()
    put(store, b"a", value=b"1")
    put(store, b"a", value=b"2")
    assert everything(store) == {b"a": b"2"}
    store.sync()
    put(store, b"a", value=b"3")
    assert everything(store) == {b"a": b"3"} and store.get(b"a") == b"3"


def test_deleted_pair_is_gone_before_and_after_a_sync(store_folder: StoreFolder) -> None:
    store = store_folder.open()
    put(store, b"a", b"b", b"c")
    store.write([], [b"a"])
    store.sync()
    store.write([], [b"b"])
    assert (store.get(b"a"), store.get(b"b")) == (None, None)
    assert everything(store) == {b"c": b"v"}
    store.sync()
    assert everything(store) == {b"c": b"v"}


def test_deleting_a_missing_key_is_no_error(store_folder: StoreFolder) -> None:
    store = store_folder.open()
    store.write([(b"a", b"1")], [b"never", b"there"])
    assert everything(store) == {b"a": b"1"}


def test_pair_that_is_deleted_and_put_in_one_write_exists(store_folder: StoreFolder) -> None:
    store = store_folder.open()
    put(store, b"a", value=b"1")
    store.write([(b"a", b"2")], [b"a"])
    assert everything(store) == {b"a": b"2"}


def test_scan_includes_its_start_and_excludes_its_stop(store_folder: StoreFolder) -> None:
    store = store_folder.open()
    put(store, b"d", b"b", b"a", b"c", b"c0")
    assert [key for key, _ in store.scan(b"b", b"c0", 10)] == [b"b", b"c"]
    assert [key for key, _ in store.scan(b"b", b"c0", 10, reverse=True)] == [b"c", b"b"]
    assert [key for key, _ in store.scan(b"bb", b"d", 10)] == [b"c", b"c0"]


def test_scan_returns_the_first_pairs_or_in_reverse_the_last(store_folder: StoreFolder) -> None:
    store = store_folder.open()
    put(store, *b"a b c d e".split())
    assert [key for key, _ in store.scan(b"a", b"e", 2)] == [b"a", b"b"]
    assert [key for key, _ in store.scan(b"a", b"e", 2, reverse=True)] == [b"d", b"c"]


def test_scan_of_an_empty_range_is_empty(store_folder: StoreFolder) -> None:
    store = store_folder.open()
    put(store, b"a", b"z")
    assert store.scan(b"b", b"c", 10) == store.scan(b"b", b"c", 10, reverse=True) == []


@pytest.mark.parametrize("size", [0, 1, 899, 900, 901, 1800, 1801, 100_000])
def test_value_of_any_size_round_trips(store_folder: StoreFolder, size: int) -> None:
    value = random.Random(size).getrandbits(8 * size + 1).to_bytes(size + 1, "little")[:size]
    store = store_folder.open()
    put(store, b"a", value=value)
    assert store.get(b"a") == value
    store.sync()
    store.close()
    again = store_folder.open()
    assert again.get(b"a") == value
    assert everything(again) == {b"a": value}


def test_shorter_value_leaves_nothing_of_the_longer_one(store_folder: StoreFolder) -> None:
    store = store_folder.open()
    put(store, b"a", value=b"x" * 5000)
    store.sync()
    put(store, b"a", value=b"short")
    store.sync()
    store.close()
    assert everything(store_folder.open()) == {b"a": b"short"}


def test_longest_key_is_stored(store_folder: StoreFolder) -> None:
    key = b"job/" + b"x" * 128
    store = store_folder.open()
    put(store, key)
    store.sync()
    store.close()
    assert everything(store_folder.open()) == {key: b"v"}


def test_synced_pairs_survive_a_reopen(store_folder: StoreFolder) -> None:
    store = store_folder.open()
    put(store, b"a", b"b")
    store.sync()
    store.write([(b"c", b"3")], [b"a"])
    store.sync()
    store.close()
    assert everything(store_folder.open()) == {b"b": b"v", b"c": b"3"}


def test_second_sync_without_a_change_is_harmless(store_folder: StoreFolder) -> None:
    store = store_folder.open()
    store.sync()
    put(store, b"a")
    store.sync()
    store.sync()
    store.close()
    assert everything(store_folder.open()) == {b"a": b"v"}


def test_large_journal_is_always_worth_a_sync(store_folder: StoreFolder) -> None:
    store = store_folder.open()
    put(store, b"a")
    assert store.sync_is_due(1 << 40)


def test_short_journal_is_not_worth_a_sync(disk: StoreFolder) -> None:
    assert not disk.open().sync_is_due(1000)


def test_store_agrees_with_a_dictionary_in_a_random_run(store_folder: StoreFolder) -> None:
    for seed in range(4):
        source = random.Random(seed)
        store = store_folder.open()
        store.write([], list(everything(store)))
        model: Pairs = {}
        for step in range(40):
            puts = {
                b"%02d" % source.randrange(40): b"%d" % step * source.choice([1, 500])
                for _ in range(source.randrange(5))
            }
            deletes = [b"%02d" % source.randrange(40) for _ in range(source.randrange(3))]
            store.write(list(puts.items()), deletes)
            model = {key: value for key, value in model.items() if key not in deletes}
            model.update(puts)
            if source.random() < 0.1:
                store.sync()
                if source.random() < 0.5:
                    store.close()
                    store = store_folder.open()
            start, stop = sorted(b"%02d" % source.randrange(41) for _ in range(2))
            limit, reverse = source.randint(1, 9), source.choice([True, False])
            wanted = sorted((pair for pair in model.items() if start <= pair[0] < stop), reverse=reverse)[:limit]
            assert store.scan(start, stop, limit, reverse) == wanted, f"{store_folder.backend}, seed {seed}, step {step}"
            key = b"%02d" % source.randrange(40)
            assert store.get(key) == model.get(key), f"{store_folder.backend}, seed {seed}, step {step}"
        store.sync()
        store.close()
        store = store_folder.open()
        assert everything(store) == model, f"{store_folder.backend}, seed {seed}"
        store.close()


def test_readable_pairs_of_a_sound_store_are_all_pairs(store_folder: StoreFolder) -> None:
    store = store_folder.open()
    put(store, b"a", b"b", b"c")
    store.sync()
    store.write([(b"b", b"2"), (b"d", b"x" * 3000)], [b"a"])
    assert dict(store.readable()) == everything(store) == {b"b": b"2", b"c": b"v", b"d": b"x" * 3000}


def test_read_only_reads_the_files_of_a_kill_and_changes_none(disk: StoreFolder) -> None:
    store = disk.open()
    put(store, b"a")
    store.sync()
    put(store, b"b")
    left = disk.image("killed")
    (left.folder / "gen-9").mkdir()
    before = files(left.folder)
    reading = open_store(str(left.folder), read_only=True)
    found = everything(reading)
    assert found == dict(reading.readable()) and found[b"a"] == reading.get(b"a") == b"v"
    reading.close()
    assert files(left.folder) == before
    assert everything(left.open()) == found
    left.close()


def test_read_only_changes_no_file_of_a_closed_store(disk: StoreFolder) -> None:
    store = disk.open()
    put(store, b"a")
    store.sync()
    store.close()
    before = files(disk.folder)
    reading = open_store(str(disk.folder), read_only=True)
    assert everything(reading) == {b"a": b"v"}
    reading.close()
    assert files(disk.folder) == before


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


# Crashes: every backend


def states_after_each_write(writes: list[tuple[list[tuple[bytes, bytes]], list[bytes]]]) -> list[Pairs]:
    model = MemoryStore()
    states = [dict(model.pairs)]
    for puts, deletes in writes:
        model.write(puts, deletes)
        states.append(dict(model.pairs))
    return states


SOME_WRITES: list[tuple[list[tuple[bytes, bytes]], list[bytes]]] = [
    ([(b"a", b"1"), (b"b", b"1" * 3000)], []),
    ([(b"b", b"2"), (b"c", b"2")], [b"a"]),
    ([(b"a", b"3"), (b"d", b"3" * 3000)], [b"c", b"b"]),
    ([], [b"d"]),
]


def test_kill_at_any_moment_leaves_complete_writes_and_all_synced_ones(disk: StoreFolder) -> None:
    states = states_after_each_write(SOME_WRITES)
    store = disk.open()
    synced = 0
    for n, (puts, deletes) in enumerate(SOME_WRITES, 1):
        store.write(puts, deletes)
        left = disk.image(f"written-{n}")
        assert everything(left.open()) in states[synced : n + 1], f"after write {n}"
        left.close()
        if n % 2 == 0:
            store.sync()
            synced = n
            left = disk.image(f"synced-{n}")
            assert everything(left.open()) == states[n], f"after the sync of write {n}"
            left.close()


def test_close_without_a_sync_leaves_complete_writes_and_all_synced_ones(disk: StoreFolder) -> None:
    states = states_after_each_write(SOME_WRITES)
    store = disk.open()
    store.write(*SOME_WRITES[0])
    store.sync()
    for puts, deletes in SOME_WRITES[1:]:
        store.write(puts, deletes)
    store.close()
    assert everything(disk.open()) in states[1:]


def test_files_of_a_store_are_private(disk: StoreFolder) -> None:
    store = disk.open()
    put(store, b"a")
    store.sync()
    put(store, b"b")
    files = [path for path in disk.folder.rglob("*") if path.is_file() or path.is_dir()]
    assert [str(path) for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
    assert len(files) >= 2


# Which backend a home has


def test_new_home_gets_the_best_backend_and_keeps_its_name(tmp_path: Path) -> None:
    assert current_backend(str(tmp_path)) is None
    open_store(str(tmp_path)).close()
    assert current_backend(str(tmp_path)) == available()[0]


def test_sqlite_comes_first_and_dumb_last() -> None:
    assert list(MODULES) == ["sqlite", "gnu", "ndbm", "dumb"]
    assert [backend for backend in MODULES if backend in ON_DISK] == ON_DISK


def test_new_home_gets_the_requested_backend(disk: StoreFolder) -> None:
    disk.open()
    assert current_backend(str(disk.folder)) == disk.backend


def test_home_keeps_its_backend_despite_a_request(disk: StoreFolder) -> None:
    store = disk.open()
    put(store, b"a")
    store.sync()
    store.close()
    for wanted in (None, *MODULES, "nonsense"):
        store = open_store(str(disk.folder), wanted)
        assert everything(store) == {b"a": b"v"}
        store.close()


def test_home_with_a_missing_backend_is_refused_by_name(
    disk: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.open().close()
    module = MODULES[disk.backend]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(NoBackend, match=f"is a {disk.backend} file, .*import {module}") as refusal:
        open_store(str(disk.folder))
    assert refusal.value.fields["module"] == module
    monkeypatch.undo()
    open_store(str(disk.folder)).close()


@pytest.mark.skipif(len(ON_DISK) == len(MODULES), reason="this Python has every backend")
def test_home_with_a_really_missing_backend_is_refused(tmp_path: Path) -> None:
    (missing,) = [backend for backend in MODULES if backend not in ON_DISK][:1]
    (tmp_path / CURRENT).write_text(f"{missing}\n")
    with pytest.raises(NoBackend, match=f"is a {missing} file"):
        open_store(str(tmp_path))


def test_missing_backend_is_not_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "_sqlite3", None)
    assert "sqlite" not in available()
    open_store(str(tmp_path)).close()
    assert current_backend(str(tmp_path)) == available()[0]


def test_home_refused_for_a_missing_backend_can_be_made_with_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dbm.dumb", None)
    with pytest.raises(NoBackend):
        open_store(str(tmp_path), "dumb")
    assert list(tmp_path.iterdir()) == []


def test_unknown_backend_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="unknown store backend 'oracle'"):
        open_store(str(tmp_path), "oracle")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [b"", b"oracle\n", b"\xff\xfe", b"sqlite gnu"])
def test_damaged_name_of_the_backend_is_refused(tmp_path: Path, name: bytes) -> None:
    (tmp_path / CURRENT).write_bytes(name)
    with pytest.raises(Corrupt, match="it must name a backend"):
        open_store(str(tmp_path))


# Generations: gnu, ndbm, dumb


def current_generation(store_folder: StoreFolder) -> Path:
    (folder,) = store_folder.folder.glob("gen-*")
    return folder


def a_synced_store(store_folder: StoreFolder) -> Store:
    store = store_folder.open()
    put(store, b"a", value=b"1")
    store.sync()
    return store


def test_partial_generation_is_ignored_and_removed(generations: StoreFolder) -> None:
    a_synced_store(generations).close()
    half = generations.folder / "gen-2"
    shutil.copytree(generations.folder / "gen-1", half)
    for path in half.iterdir():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert everything(generations.open()) == {b"a": b"1"}
    assert current_generation(generations).name == "gen-1"


def test_partial_first_generation_is_no_store_yet(generations: StoreFolder) -> None:
    generations.open().close()
    half = generations.folder / "gen-1"
    half.mkdir()
    (half / "jobs.dat").write_bytes(b"half")
    store = generations.open()
    assert everything(store) == {}
    put(store, b"a", value=b"1")
    store.sync()
    store.close()
    assert everything(generations.open()) == {b"a": b"1"}


def test_pair_with_a_missing_part_is_damage(generations: StoreFolder) -> None:
    store = generations.open()
    put(store, b"a", value=b"1" * 2000)
    store.sync()
    store.close()
    file = importlib.import_module(MODULES[generations.backend]).open(str(current_generation(generations) / "jobs"), "w")
    del file[b"a\x001"]
    file.close()
    with pytest.raises(Corrupt, match="missing"):
        generations.open().scan(b"a", b"b", 1)


def test_draft_of_the_pointer_switches_nothing(generations: StoreFolder) -> None:
    a_synced_store(generations).close()
    (generations.folder / "GENERATION.new").write_bytes(b"2\n")
    assert everything(generations.open()) == {b"a": b"1"}


def test_sync_switches_to_a_new_generation_and_removes_the_old_one(generations: StoreFolder) -> None:
    store = a_synced_store(generations)
    put(store, b"b")
    store.sync()
    assert current_generation(generations).name == "gen-2"
    store.sync()
    assert current_generation(generations).name == "gen-2"


def test_sync_that_fails_after_the_switch_leaves_a_generation(
    generations: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = a_synced_store(generations)
    put(store, b"b", value=b"2")
    sync_folder = file_io.fsync_folder

    def fail_once_switched(path: str) -> None:
        if (generations.folder / "GENERATION").read_bytes() == b"2\n":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync_folder(path)

    monkeypatch.setattr(file_io, "fsync_folder", fail_once_switched)
    with pytest.raises(StorageFailed):
        store.sync()
    store.close()
    assert everything(generations.open()) in ({b"a": b"1"}, {b"a": b"1", b"b": b"2"})


def test_generation_and_its_names_are_durable_before_the_switch_and_the_switch_after_it(
    generations: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = generations.open()
    put(store, b"a")
    syncs = Syncs(monkeypatch)
    store.sync()
    pointer = syncs.inodes.index((generations.folder / "GENERATION").stat().st_ino)
    folder = current_generation(generations)
    must_come_first = [path.stat().st_ino for path in (*folder.iterdir(), folder, generations.folder)]
    assert set(must_come_first) <= set(syncs.inodes[:pointer])
    assert generations.folder.stat().st_ino in syncs.inodes[pointer:]


@pytest.mark.parametrize("pointer", [b"", b"x\n", b"\xff"])
def test_damaged_pointer_is_refused(generations: StoreFolder, pointer: bytes) -> None:
    a_synced_store(generations).close()
    (generations.folder / "GENERATION").write_bytes(pointer)
    with pytest.raises(Corrupt, match="it does not name a generation"):
        generations.open()
    assert current_generation(generations).name == "gen-1"


def test_generation_without_its_files_is_refused(generations: StoreFolder) -> None:
    a_synced_store(generations).close()
    for path in current_generation(generations).iterdir():
        path.unlink()
    with pytest.raises(Corrupt, match="the current generation is missing"):
        generations.open()


def test_missing_generation_is_refused(generations: StoreFolder) -> None:
    a_synced_store(generations).close()
    shutil.rmtree(current_generation(generations))
    with pytest.raises(Corrupt, match="the current generation is missing"):
        generations.open()


def test_sync_of_a_large_store_is_due_only_for_a_journal_as_large(generations: StoreFolder) -> None:
    store = generations.open()
    store.write([(b"%03d" % n, b"x" * 100_000) for n in range(45)], [])
    store.sync()
    assert not store.sync_is_due(4_400_000)
    store.close()
    again = generations.open()
    assert not again.sync_is_due(4_400_000)
    assert again.sync_is_due(30_000_000)


@pytest.mark.skipif("dumb" not in ON_DISK, reason="this Python has no dbm.dumb")
def test_backend_that_silently_loses_a_value_is_noticed_before_the_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dbm.dumb

    class Forgetful(dbm.dumb._Database):
        """A backend that loses large values, as ndbm may."""

        def __setitem__(self, key: bytes, value: bytes) -> None:
            super().__setitem__(key, value if len(value) < 500 else b"1 ")

    module = types.ModuleType("forgetful")
    module.open = lambda file, flag="c", mode=0o666: Forgetful(file, mode, flag=flag)  # type: ignore[attr-defined]
    module.error = dbm.dumb.error  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "forgetful", module)
    store = GenerationStore(str(tmp_path), "forgetful")
    put(store, b"a")
    store.sync()
    put(store, b"b", value=b"x" * 600)
    with pytest.raises(StorageFailed, match="forgetful did not keep b'b'"):
        store.sync()
    store.close()
    assert everything(GenerationStore(str(tmp_path), "forgetful")) == {b"a": b"v"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_full_disk_keeps_the_old_generation_and_a_usable_store(generations: StoreFolder) -> None:
    if generations.backend == "ndbm":
        pytest.skip("the library of ndbm retries for four seconds")
    store = a_synced_store(generations)
    put(store, b"b", value=b"x" * 200_000)
    with file_size_limit(40_000):
        with pytest.raises((StorageFailed, DiskFull)):
            store.sync()
    assert current_generation(generations).name == "gen-1"
    left = generations.image("killed")
    assert everything(left.open()) == {b"a": b"1"}
    left.close()
    assert everything(store) == {b"a": b"1", b"b": b"x" * 200_000}
    store.sync()
    store.close()
    assert everything(generations.open()) == {b"a": b"1", b"b": b"x" * 200_000}


@pytest.mark.skipif("dumb" not in ON_DISK, reason="this Python has no dbm.dumb")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_failed_sync_does_not_affect_a_later_generation(tmp_path: Path) -> None:
    """Python closes an open dumb file when the error is freed, and the close writes its directory."""
    store_folder = StoreFolder("dumb", tmp_path / "store")
    store = a_synced_store(store_folder)
    put(store, b"b", b"c", value=b"x" * 80_000)
    with pytest.raises((StorageFailed, DiskFull)) as failure:
        with file_size_limit(100_000):
            store.sync()
    store.write([], [b"c"])
    store.sync()
    del failure
    gc.collect()
    store.close()
    store = store_folder.open()
    assert everything(store) == {b"a": b"1", b"b": b"x" * 80_000}


@pytest.mark.skipif("dumb" not in ON_DISK, reason="this Python has no dbm.dumb")
def test_damaged_value_of_a_generation_is_reported(tmp_path: Path) -> None:
    store_folder = StoreFolder("dumb", tmp_path / "store")
    a_synced_store(store_folder).close()
    data = current_generation(store_folder) / "jobs.dat"
    data.write_bytes(b"\xff" + data.read_bytes()[1:])
    with pytest.raises(Corrupt):
        store_folder.open().get(b"a")


@pytest.mark.skipif("dumb" not in ON_DISK, reason="this Python has no dbm.dumb")
def test_pairs_beside_a_damaged_value_of_a_generation_are_readable(tmp_path: Path) -> None:
    store_folder = StoreFolder("dumb", tmp_path / "store")
    store = a_synced_store(store_folder)
    put(store, b"b", b"c")
    store.sync()
    store.close()
    data = current_generation(store_folder) / "jobs.dat"
    data.write_bytes(b"\xff" + data.read_bytes()[1:])
    assert dict(store_folder.open().readable()) == {b"b": b"v", b"c": b"v"}


@pytest.mark.skipif("dumb" not in ON_DISK, reason="this Python has no dbm.dumb")
def test_damaged_directory_of_a_dumb_file_is_refused(tmp_path: Path) -> None:
    store_folder = StoreFolder("dumb", tmp_path / "store")
    a_synced_store(store_folder).close()
    (current_generation(store_folder) / "jobs.dir").write_bytes(b"'a', (0,\n")
    with pytest.raises(Corrupt, match="dbm.dumb says"):
        store_folder.open()


# SQLite


@needs_sqlite
def test_failed_sqlite_write_leaves_nothing(sqlite: StoreFolder) -> None:
    store = sqlite.open()
    put(store, b"a", b"b", value=b"1")
    refuse = "CREATE TEMP TRIGGER t BEFORE INSERT ON Dict WHEN NEW.key = x'64' BEGIN SELECT RAISE(FAIL, 'no'); END"
    store.inner._db.execute(refuse)  # type: ignore[attr-defined]
    with pytest.raises(StorageFailed):
        store.inner.write([(b"c", b"2"), (b"d", b"2")], [b"a"])  # type: ignore[attr-defined]
    assert everything(store) == {b"a": b"1", b"b": b"1"}
    put(store, b"c", value=b"3")
    assert everything(store) == {b"a": b"1", b"b": b"1", b"c": b"3"}


@needs_sqlite
def test_sqlite_write_without_room_is_a_full_disk_and_leaves_nothing(sqlite: StoreFolder) -> None:
    store = sqlite.open()
    put(store, b"a")
    store.inner._db.execute("PRAGMA max_page_count = 5")  # type: ignore[attr-defined]
    with pytest.raises(DiskFull):
        store.write([(b"b", b"2"), (b"c", b"x" * 100_000)], [b"a"])
    assert everything(store) == {b"a": b"v"}
    put(store, b"d")
    assert everything(store) == {b"a": b"v", b"d": b"v"}


@needs_sqlite
def test_sqlite_file_is_changed_only_by_sync(sqlite: StoreFolder) -> None:
    store = sqlite.open()
    store.sync()
    before = (sqlite.folder / "jobs.db").read_bytes()
    for n in range(6):
        put(store, b"%d" % n, value=b"x" * 1_000_000)
    assert (sqlite.folder / "jobs.db").read_bytes() == before
    store.sync()
    assert (sqlite.folder / "jobs.db").stat().st_size > 6_000_000


@needs_sqlite
def test_sqlite_writes_survive_a_kill_without_any_sync(sqlite: StoreFolder) -> None:
    store = sqlite.open()
    put(store, b"a")
    left = sqlite.image("killed")
    assert everything(left.open()) == {b"a": b"v"}
    left.close()


@needs_sqlite
def test_cut_sqlite_log_has_complete_writes(sqlite: StoreFolder) -> None:
    store = sqlite.open()
    for puts, deletes in SOME_WRITES:
        store.write(puts, deletes)
    left = sqlite.image("killed")
    log = left.folder / "jobs.db-wal"
    whole = log.read_bytes()
    states, seen = [{}, *states_after_each_write(SOME_WRITES)], []
    for cut in range(0, len(whole) + 1, 1501):
        for path in left.folder.glob("jobs.db*"):
            path.unlink()
        shutil.copy(sqlite.folder / "jobs.db", left.folder)
        log.write_bytes(whole[:cut])
        store = left.open()
        seen.append(states.index(everything(store)))
        store.close()
    assert seen == sorted(seen)
    assert len(set(seen)) > 2


@needs_sqlite
@pytest.mark.parametrize("junk", [b"this is not a database, but long enough to be taken for the header of one" * 20])
def test_file_that_is_not_sqlite_is_refused_and_kept(sqlite: StoreFolder, junk: bytes) -> None:
    sqlite.open().close()
    (sqlite.folder / "jobs.db").write_bytes(junk)
    with pytest.raises(Corrupt, match="SQLite says"):
        sqlite.open()
    assert (sqlite.folder / "jobs.db").read_bytes() == junk


@needs_sqlite
def test_damaged_sqlite_pages_are_reported_when_they_are_read(sqlite: StoreFolder) -> None:
    store = sqlite.open()
    store.write([(b"%05d" % n, b"v" * 100) for n in range(500)], [])
    store.sync()
    store.close()
    path = sqlite.folder / "jobs.db"
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    store = sqlite.open()
    with pytest.raises(Corrupt, match="SQLite says"):
        everything(store)


@needs_sqlite
def test_sqlite_pairs_beside_a_damaged_page_are_readable(sqlite: StoreFolder) -> None:
    store = sqlite.open()
    written = {b"%05d" % n: b"%d" % n * 50 for n in range(300)}
    store.write(list(written.items()), [])
    store.sync()
    store.close()
    path = sqlite.folder / "jobs.db"
    data = path.read_bytes()
    pages = [n for n in range(1, len(data) // 4096) if data[4096 * n] == 13]  # leaf pages of the table
    damaged = pages[len(pages) // 2] * 4096
    path.write_bytes(data[:damaged] + b"\xff" * 4096 + data[damaged + 4096 :])
    found = dict(open_store(str(sqlite.folder), read_only=True).readable())
    assert found.items() <= written.items()
    assert len(written) // 2 < len(found) < len(written)


@needs_sqlite
def test_sqlite_file_opens_with_dbm_of_newer_pythons(sqlite: StoreFolder) -> None:
    if not has_module("dbm.sqlite3"):
        pytest.skip("this Python has no dbm.sqlite3")
    store = sqlite.open()
    put(store, b"a", b"b")
    store.sync()
    store.close()
    path = str(sqlite.folder / "jobs.db")
    assert dbm.whichdb(path) == "dbm.sqlite3"
    with dbm.open(path, "r") as found:
        assert {key: without_checksum(key, found[key]) for key in list(found.keys())} == {b"a": b"v", b"b": b"v"}


def has_module(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


@needs_sqlite
def test_store_that_cannot_be_opened_is_closed_even_if_its_error_is_kept(tmp_path: Path) -> None:
    """Otherwise the store would stay locked for all others."""
    open_store(str(tmp_path), "sqlite").close()
    (tmp_path / "jobs.db").write_bytes(b"no database" * 1000)
    before = open_descriptors()
    with pytest.raises(Corrupt) as kept:
        open_store(str(tmp_path))
    assert open_descriptors() == before, kept
