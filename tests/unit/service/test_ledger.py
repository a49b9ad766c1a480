"""Ledger: a home after a kill, a torn tail, damage and a full disk, and the bounds of journal and
memory.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from queuectl_core.errors import (
    Corrupt,
    DiskFull,
    DuplicateJob,
    NewerFormat,
    NoBackend,
    QueueError,
    StorageFailed,
)
from queuectl_core.home import Home
from queuectl_core.model import commands
from queuectl_core.model.job import COMPLETED, PENDING
from queuectl_core.service import ledger
from queuectl_core.service.ledger import CHANGED_LIMIT, SLICE, Ledger
from queuectl_core.storage import generation_store, journal, journal_format
from queuectl_core.storage.backends import CURRENT, MODULES, available
from queuectl_core.storage.journal_format import SEGMENT_HEADER_BYTES, Frame, SegmentHeader
from queuectl_core.storage.journal_scanner import segment_paths
from queuectl_core.storage.reserve import RESERVE_BYTES
from queuectl_core.system import file_io
from tests.builders import NOW_MS, exited, file_size_limit, open_descriptors, random_command, run_of, state_of


class Homes:
    """A home, and the ledgers that are open on it and on images of it; all close at the end."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(str(folder / "home"))
        self.home.prepare()
        self._folder = folder
        self._opened: list[Ledger] = []
        self._images = 0

    def open(self, home: Home | None = None) -> Ledger:
        opened = Ledger(home or self.home)
        self._opened.append(opened)
        return opened

    def image(self) -> Home:
        """Return a copy of the files as a kill at this moment would leave them."""
        self._images += 1
        copied = self._folder / f"image-{self._images}"
        shutil.copytree(self.home.path, copied)
        return Home(str(copied))

    def close(self) -> None:
        for opened in self._opened:
            opened.close()


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Homes]:
    made = Homes(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=available())
def each_backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make new homes of this test with each backend in turn."""
    monkeypatch.setenv("QUEUECTL_STORE", request.param)
    return str(request.param)


def enqueue(opened: Ledger, *ids: str, command: str = "true", synced: bool = True) -> None:
    opened.decide(commands.Enqueue([{"id": id, "command": command} for id in ids], "/somewhere"), NOW_MS)
    opened.write()
    if synced:
        opened.sync()


def run_job(opened: Ledger, code: int = 0) -> None:
    id = opened.decide(commands.Dispatch("w1"), NOW_MS).id  # type: ignore[attr-defined]
    opened.decide(commands.Finish(id, run_of(opened.table, id), exited(code)), NOW_MS)
    opened.write()
    opened.sync()


def is_synced(opened: Ledger) -> bool:
    return opened.journal.synced == opened.journal.next_sequence - 1


def segments(home: Home) -> list[Path]:
    return sorted(Path(home.journal).glob("*.log"))


def contents(home: Home) -> dict[str, bytes]:
    """Return the files that recovery must not change when it refuses: the whole journal."""
    return {path.name: path.read_bytes() for path in Path(home.journal).iterdir()}


def flip_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


# Decisions, writes, and reopening


def test_new_home_is_empty(homes: Homes) -> None:
    opened = homes.open()
    assert set(opened.table.counts.values()) == {0}
    assert opened.torn is None and not opened.has_decided()


def test_state_survives_a_reopen(homes: Homes, each_backend: str) -> None:
    opened = homes.open()
    enqueue(opened, "a", "b", "c")
    run_job(opened)
    opened.checkpoint_if_over(0)
    run_job(opened, code=1)
    opened.decide(commands.ChangeSetting("max-retries", 9), NOW_MS)
    opened.write()
    before = state_of(opened.table)
    opened.close()
    again = homes.open()
    assert state_of(again.table) == before
    assert again.engine.sequence == opened.engine.sequence
    assert again.torn is None


def test_unwritten_decision_is_not_in_the_journal(homes: Homes) -> None:
    opened = homes.open()
    opened.decide(commands.Enqueue([{"id": "a", "command": "true"}], "/"), NOW_MS)
    assert opened.has_decided()
    assert homes.open(homes.image()).table.get("a") is None


def test_written_events_survive_a_kill(homes: Homes, each_backend: str) -> None:
    opened = homes.open()
    enqueue(opened, "a", synced=False)
    assert homes.open(homes.image()).table.get("a") is not None
    assert not opened.has_decided()


def test_write_returns_its_events_once(homes: Homes) -> None:
    opened = homes.open()
    opened.decide(commands.Enqueue([{"id": "a", "command": "true"}], "/"), NOW_MS)
    opened.decide(commands.Dispatch("w1"), NOW_MS)
    assert [type(event).__name__ for event in opened.write()] == ["Enqueued", "Started"]
    assert opened.write() == []


def test_refused_command_leaves_nothing_to_write(homes: Homes) -> None:
    opened = homes.open()
    enqueue(opened, "a")
    with pytest.raises(DuplicateJob):
        opened.decide(commands.Enqueue([{"id": "b", "command": "x"}, {"id": "a", "command": "x"}], "/"), NOW_MS)
    assert not opened.has_decided()
    assert opened.table.get("b") is None


def test_random_run_survives_a_kill_at_any_moment(
    homes: Homes, each_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "CHANGED_LIMIT", 3)
    monkeypatch.setattr(ledger, "SLICE", 2)
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 3000)
    source = random.Random(4711)
    opened = homes.open()
    for step in range(150):
        try:
            now_ms = NOW_MS + step * 500
            opened.decide(random_command(source, opened.table, now_ms), now_ms)
        except QueueError:
            continue
        opened.write()
        if source.random() < 0.3:
            opened.maintain()
        if source.random() < 0.05:
            opened.checkpoint_if_over(0)
        if source.random() < 0.05:
            opened.checkpoint()
        if source.random() < 0.07:
            image = homes.image()
            again = homes.open(image)
            assert state_of(again.table) == state_of(opened.table), f"{each_backend}, step {step}"
            homes.home, opened = image, again


# Checkpoints: journal and memory stay bounded


def test_checkpoint_moves_everything_into_the_store_and_begins_a_new_journal(
    homes: Homes, each_backend: str
) -> None:
    opened = homes.open()
    enqueue(opened, *(f"job{n}" for n in range(20)))
    before = state_of(opened.table)
    opened.checkpoint()
    assert (opened.table.changed_count, opened.table.position) == (0, 20)
    assert len(segments(homes.home)) == 1
    assert segments(homes.home)[0].stat().st_size == SEGMENT_HEADER_BYTES
    assert state_of(homes.open(homes.image()).table) == before


def tend_until_idle(opened: Ledger) -> int:
    """Tend until nothing is due, and return the number of turns."""
    turns = 0
    while opened.maintain():
        turns += 1
        assert turns < 1000
    return turns


def test_nothing_is_due_after_a_few_jobs(homes: Homes) -> None:
    opened = homes.open()
    enqueue(opened, "a")
    assert opened.maintain() is False
    assert opened.table.changed_count == 1


def test_tending_flushes_excess_jobs_slice_by_slice(homes: Homes) -> None:
    opened = homes.open()
    count = CHANGED_LIMIT + 2 * SLICE
    enqueue(opened, *(f"job{n}" for n in range(count)))
    opened.maintain()
    assert opened.table.changed_count == count - SLICE
    assert tend_until_idle(opened) == 1
    assert opened.table.changed_count <= CHANGED_LIMIT


class RecordingStore:
    """A store that records at each write whether the journal was synced."""

    def __init__(self, opened: Ledger) -> None:
        self._opened = opened
        self._store = opened.table._store
        self.was_synced: list[bool] = []
        opened.table._store = self

    def write(self, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None:
        self.was_synced.append(is_synced(self._opened))
        self._store.write(puts, deletes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_store_gets_no_unwritten_decision(homes: Homes) -> None:
    opened = homes.open()
    opened.decide(commands.Enqueue([{"id": "a", "command": "true"}], "/"), NOW_MS)
    for move in (lambda: opened.checkpoint_if_over(0), opened.checkpoint):
        with pytest.raises(AssertionError, match="must not get ahead"):
            move()
    assert opened.table.changed_count == 1


@pytest.mark.parametrize("way", ["maintain", "checkpoint_if_over", "checkpoint"])
def test_store_gets_only_synced_events(homes: Homes, way: str) -> None:
    opened = homes.open()
    watched = RecordingStore(opened)
    enqueue(opened, *(f"job{n}" for n in range(CHANGED_LIMIT + 1)), synced=False)
    assert not is_synced(opened)
    {"maintain": opened.maintain, "checkpoint_if_over": lambda: opened.checkpoint_if_over(0), "checkpoint": opened.checkpoint}[way]()
    assert watched.was_synced and all(watched.was_synced)


SMALL_BYTES = 100_000


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Change segments and stores after 100 kB, instead of megabytes."""
    monkeypatch.setattr(journal, "SEGMENT_BYTES", SMALL_BYTES)
    monkeypatch.setattr(generation_store, "_MIN_SYNC_BYTES", SMALL_BYTES)
    if "sqlite" in available():
        from queuectl_core.storage import sqlite_store

        monkeypatch.setattr(sqlite_store, "_FREED_BYTES", SMALL_BYTES)


def journal_bytes(home: Home) -> int:
    return sum(os.path.getsize(path) for path in segment_paths(home.journal))


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep only the needed part of the journal, unlike `test_journal_keeps_a_bounded_past`."""
    monkeypatch.setattr(ledger, "KEPT_BYTES", 0)
    monkeypatch.setattr(ledger, "WORTH_A_SEGMENT", 0)


def test_journal_does_not_grow_without_bound(homes: Homes, each_backend: str, small_segments: None) -> None:
    opened = homes.open()
    for n in range(48):
        enqueue(opened, f"large{n}", command="x" * 5_000, synced=False)
        run_job(opened)
        opened.decide(commands.ChangeSetting("grace", n), NOW_MS)
        opened.write()
        tend_until_idle(opened)
    assert journal_bytes(homes.home) < 48 * 5_000 - SMALL_BYTES + 50_000
    assert segments(homes.home)[0].name != "0000000001.log"
    before = state_of(opened.table)
    assert state_of(homes.open(homes.image()).table) == before


def test_journal_keeps_a_bounded_past(homes: Homes, small_segments: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "KEPT_BYTES", 250_000)
    opened = homes.open()
    for n in range(120):
        enqueue(opened, f"large{n}", command="x" * 5_000)
        tend_until_idle(opened)
    opened.checkpoint()
    assert 100_000 < journal_bytes(homes.home) < 250_000 + SMALL_BYTES
    before = state_of(opened.table)
    assert state_of(homes.open(homes.image()).table) == before


def test_briefly_opened_ledger_keeps_the_journal_short(
    homes: Homes, each_backend: str, small_segments: None
) -> None:
    for n in range(0, 45, 5):
        opened = Ledger(homes.home)
        enqueue(opened, *(f"large{n + k}" for k in range(5)), command="x" * 5_000, synced=False)
        opened.checkpoint_if_over(1)
        opened.close()
    opened = homes.open()
    assert opened.table.counts[PENDING] == 45
    assert journal_bytes(homes.home) < 45 * 5_000 - SMALL_BYTES + 25_000


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_journal_stays_when_the_store_has_no_room_to_sync(
    homes: Homes, efbig_is_full: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (backend,) = [backend for backend in available() if backend != "sqlite"][-1:]
    monkeypatch.setenv("QUEUECTL_STORE", backend)
    opened = homes.open()
    enqueue(opened, "a", command="x" * 100_000)
    before = state_of(opened.table)
    with file_size_limit(50_000):
        opened.checkpoint()
    assert [path.name for path in segments(homes.home)] == ["0000000001.log", "0000000002.log"]
    assert state_of(homes.open(homes.image()).table) == before


def test_closed_ledger_keeps_no_file_open(homes: Homes) -> None:
    before = open_descriptors()
    opened = homes.open()
    enqueue(opened, "a")
    opened.checkpoint()
    assert open_descriptors() > before
    opened.close()
    assert open_descriptors() == before


def test_briefly_opened_ledger_moves_all_or_nothing(homes: Homes) -> None:
    opened = homes.open()
    enqueue(opened, "a", "b", "c")
    opened.checkpoint_if_over(3)
    assert opened.table.changed_count == 3
    enqueue(opened, "d")
    opened.checkpoint_if_over(3)
    assert opened.table.changed_count == 0
    opened.close()
    assert homes.open().table.changed_count == 0


# Torn tails and damage


def test_torn_tail_is_set_aside_and_reported(homes: Homes) -> None:
    opened = homes.open()
    enqueue(opened, "a")
    opened.close()
    with open(segments(homes.home)[-1], "ab") as file:
        file.write(b"half a frame")
    again = homes.open()
    assert again.torn is not None and again.torn.bytes == 12
    assert again.table.counts[PENDING] == 1
    enqueue(again, "b")
    again.close()
    last = homes.open()
    assert last.torn is None and last.table.counts[PENDING] == 2


def test_damaged_synced_frame_is_refused_and_the_home_unchanged(homes: Homes) -> None:
    opened = homes.open()
    enqueue(opened, "a")
    flip_at = segments(homes.home)[-1].stat().st_size - 1
    enqueue(opened, "b")
    opened.close()
    path = segments(homes.home)[-1]
    data = bytearray(path.read_bytes())
    data[flip_at] ^= 1
    path.write_bytes(data)
    before = contents(homes.home)
    for _ in range(2):
        with pytest.raises(Corrupt, match="events 1 to 1, of jobs a, "):
            homes.open()
    assert contents(homes.home) == before


def home_with_a_store_ahead_of_its_journal(homes: Homes) -> Path:
    """Return a home whose store has event 2, while the frame of that event, in the only segment, is
    damaged.
    """
    opened = homes.open()
    enqueue(opened, "a")
    enqueue(opened, "b")
    opened.checkpoint_if_over(0)
    opened.close()
    path = segments(homes.home)[-1]
    flip_last_byte(path)
    return path


def test_journal_that_ends_behind_the_store_is_refused(homes: Homes) -> None:
    home_with_a_store_ahead_of_its_journal(homes)
    for _ in range(2):
        with pytest.raises(Corrupt, match="it ends at event 1, but the store has events up to 2"):
            homes.open()


def test_refusal_of_a_journal_behind_the_store_changes_nothing(homes: Homes) -> None:
    home_with_a_store_ahead_of_its_journal(homes)
    before = contents(homes.home)
    with pytest.raises(Corrupt, match="nothing was changed"):
        homes.open()
    assert contents(homes.home) == before


def test_repaired_home_can_be_opened_again_in_the_same_process(homes: Homes) -> None:
    opened = homes.open()
    enqueue(opened, "a")
    opened.close()
    path = segments(homes.home)[-1]
    whole = path.read_bytes()
    path.write_bytes(b"\0" + whole[1:])
    with pytest.raises(Corrupt):
        homes.open()
    path.write_bytes(whole)
    assert homes.open().table.counts[PENDING] == 1


def test_lost_journal_is_refused(homes: Homes, each_backend: str) -> None:
    opened = homes.open()
    enqueue(opened, "a")
    opened.checkpoint()
    opened.close()
    for path in segments(homes.home):
        path.unlink()
    with pytest.raises(Corrupt, match="it has no segments"):
        homes.open()


def test_lost_store_is_rebuilt_from_a_complete_journal(homes: Homes, each_backend: str) -> None:
    opened = homes.open()
    enqueue(opened, "a", "b")
    run_job(opened)
    opened.checkpoint_if_over(0)
    before = state_of(opened.table)
    opened.close()
    shutil.rmtree(homes.home.store)
    homes.home.prepare()
    assert state_of(homes.open().table) == before


def test_lost_store_is_refused_after_the_journal_was_freed(homes: Homes, each_backend: str) -> None:
    opened = homes.open()
    enqueue(opened, "a", "b")
    opened.checkpoint()
    opened.close()
    shutil.rmtree(homes.home.store)
    homes.home.prepare()
    with pytest.raises(Corrupt, match="the segment with events 1 to 2 is missing"):
        homes.open()


def test_home_without_its_store_folder_is_refused(homes: Homes) -> None:
    homes.open().close()
    shutil.rmtree(homes.home.store)
    with pytest.raises(StorageFailed):
        homes.open()


@pytest.mark.skipif("dumb" not in available(), reason="this Python has no dbm.dumb")
def test_store_that_opens_empty_does_not_pass_for_an_empty_queue(
    homes: Homes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUEUECTL_STORE", "dumb")
    opened = homes.open()
    enqueue(opened, "a")
    opened.checkpoint()
    opened.close()
    (directory,) = Path(homes.home.store).glob("gen-*/jobs.dir")
    directory.write_bytes(b"")
    with pytest.raises(Corrupt, match="is missing"):
        homes.open()


def test_damaged_position_is_reported(homes: Homes) -> None:
    opened = homes.open()
    enqueue(opened, "a")
    opened.checkpoint_if_over(0)
    opened._store.write([(b"meta", b"{junk")], [])
    opened.close()
    with pytest.raises(Corrupt):
        homes.open()


def test_damaged_job_record_is_reported(homes: Homes) -> None:
    opened = homes.open()
    enqueue(opened, "a")
    opened.checkpoint_if_over(0)
    opened._store.write([(b"job/a", b"{junk")], [])
    opened.close()
    with pytest.raises(Corrupt):
        homes.open().table.get("a")


@pytest.mark.parametrize("payload", [b"", b"[7]", b'[["purged","a"]]', b'[["purged","a",1]]'])
def test_valid_frame_with_an_invalid_event_is_refused_and_kept(homes: Homes, payload: bytes) -> None:
    opened = homes.open()
    frame = journal_format.encode_frame(opened.journal.log_id, Frame(1, 1, 0, 0, payload))
    opened.close()
    with open(segments(homes.home)[-1], "ab") as file:
        file.write(frame)
    before = contents(homes.home)
    with pytest.raises(Corrupt):
        homes.open()
    assert contents(homes.home) == before


def test_journal_of_a_newer_version_is_refused(homes: Homes) -> None:
    newer = SegmentHeader(journal_format.VERSION + 1, 5, 1, 1)
    Path(homes.home.journal, "0000000001.log").write_bytes(journal_format.encode_segment_header(newer))
    with pytest.raises(NewerFormat):
        homes.open()


@pytest.mark.skipif(len(available()) == len(MODULES), reason="this Python has every backend")
def test_home_with_a_missing_backend_is_refused(homes: Homes) -> None:
    (missing,) = [backend for backend in MODULES if backend not in available()][:1]
    Path(homes.home.store, CURRENT).write_text(f"{missing}\n")
    with pytest.raises(NoBackend):
        homes.open()
    assert segments(homes.home) == []


# Read only


def files(home: Home) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path(home.path).rglob("*") if path.is_file()}


def test_read_only_shows_the_state_after_a_kill_and_changes_no_file(homes: Homes, each_backend: str) -> None:
    opened = homes.open()
    enqueue(opened, "a", "b")
    opened.checkpoint_if_over(0)
    run_job(opened)
    image = homes.image()
    with open(segments(image)[-1], "ab") as file:
        file.write(b"half a frame")
    before = files(image)
    reading = Ledger(image, read_only=True)
    assert state_of(reading.table) == state_of(opened.table)
    reading.close()
    assert files(image) == before


def test_read_only_creates_nothing_in_an_empty_home(homes: Homes) -> None:
    try:
        Ledger(homes.home, read_only=True).close()
    except QueueError:
        pass
    assert files(homes.home) == {}


# A full disk


def limit_pages(opened: Ledger, more: int) -> None:
    """Let the SQLite file of this ledger grow by `more` pages; after that, its disk is full."""
    database = opened._store.inner._db  # type: ignore[attr-defined]
    (count,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {count + more}")


@pytest.fixture
def more_changes_than_a_full_store_takes(homes: Homes) -> Ledger:
    if "sqlite" not in available():
        pytest.skip("this Python has no sqlite3")
    opened = homes.open()
    limit_pages(opened, 0)
    enqueue(opened, *(f"job{n}" for n in range(CHANGED_LIMIT + 2 * SLICE)))
    return opened


def test_store_without_room_leaves_events_in_the_journal(
    homes: Homes, more_changes_than_a_full_store_takes: Ledger
) -> None:
    opened = more_changes_than_a_full_store_takes
    before = state_of(opened.table)
    opened.maintain()
    assert (opened.table.changed_count, opened.table.position) == (CHANGED_LIMIT + 2 * SLICE, 0)
    assert state_of(homes.open(homes.image()).table) == before
    limit_pages(opened, 100_000)
    assert opened.has_room()
    tend_until_idle(opened)
    assert opened.table.changed_count <= CHANGED_LIMIT
    assert state_of(homes.open(homes.image()).table) == before


def test_store_without_room_is_not_retried_at_once(more_changes_than_a_full_store_takes: Ledger) -> None:
    opened = more_changes_than_a_full_store_takes
    opened.maintain()
    assert opened.is_short
    assert opened.maintain() is False


@pytest.fixture
def efbig_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat a limit on the size of files as a full disk; see `file_size_limit`."""
    monkeypatch.setattr(file_io, "FULL", (*file_io.FULL, errno.EFBIG))


def test_full_disk_refuses_new_jobs_and_still_records_results(homes: Homes, efbig_is_full: None) -> None:
    opened = homes.open()
    enqueue(opened, "a")
    opened.close()
    os.truncate(homes.home.reserve, 0)
    with file_size_limit(100_000):
        opened = homes.open()
        assert not opened.has_room()
        with pytest.raises(DiskFull):
            opened.decide(commands.Enqueue([{"id": "b", "command": "true"}], "/"), NOW_MS)
        assert not opened.has_decided() and opened.table.get("b") is None
        run_job(opened)
    enqueue(opened, "b")
    opened.close()
    again = homes.open()
    assert (again.table.counts[COMPLETED], again.table.counts[PENDING]) == (1, 1)


def test_write_without_room_frees_the_reserve_before_it_fails(homes: Homes, efbig_is_full: None) -> None:
    opened = homes.open()
    enqueue(opened, "a")
    before = contents(homes.home)
    opened.decide(commands.Enqueue([{"id": "b", "command": "x" * 5000}], "/"), NOW_MS)
    assert os.path.getsize(homes.home.reserve) == RESERVE_BYTES
    with file_size_limit(segments(homes.home)[-1].stat().st_size + 100):
        with pytest.raises(DiskFull):
            opened.write()
    assert os.path.getsize(homes.home.reserve) == 0
    assert opened.is_short
    assert contents(homes.home) == before
    opened.close()
    again = homes.open()
    assert again.torn is None
    assert (again.table.get("a") is not None, again.table.get("b")) == (True, None)


def test_new_home_on_a_full_disk_is_refused_and_can_be_opened_later(homes: Homes, efbig_is_full: None) -> None:
    opened = homes.open()
    opened._store.write([], [b"meta"])
    opened.close()
    segments(homes.home)[0].unlink()
    with file_size_limit(SEGMENT_HEADER_BYTES - 1):
        with pytest.raises(DiskFull):
            Ledger(homes.home)
    opened = homes.open()
    enqueue(opened, "a")
    assert state_of(homes.open(homes.image()).table) == state_of(opened.table)


def test_reserve_exists_from_the_start_and_is_refilled_when_there_is_room(
    homes: Homes, efbig_is_full: None
) -> None:
    opened = homes.open()
    assert os.path.getsize(homes.home.reserve) == RESERVE_BYTES
    opened.close()
    os.truncate(homes.home.reserve, 0)
    with file_size_limit(100_000):
        opened = homes.open()
    assert os.path.getsize(homes.home.reserve) == 0
    assert opened.has_room()
    assert os.path.getsize(homes.home.reserve) == RESERVE_BYTES


def test_read_only_home_gets_no_reserve(homes: Homes) -> None:
    homes.open().close()
    os.unlink(homes.home.reserve)
    Ledger(homes.home, read_only=True).close()
    assert not os.path.exists(homes.home.reserve)


def test_size_of_a_load_is_checked_as_it_arrives_but_not_of_a_single_job(
    homes: Homes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "JOB_BYTES", 1 << 60)
    opened = homes.open()
    load = opened.engine.begin_load()
    with pytest.raises(DiskFull):
        opened.add_to_load(load, [{"command": "true"}, {"command": "true"}], "/", NOW_MS)
    opened.engine.end_load(load)
    opened.decide(commands.Enqueue([{"command": "true"}], "/"), NOW_MS)
    assert opened.has_decided() and opened.table.counts[PENDING] == 1


def test_load_is_in_the_journal_completely_or_not_at_all(homes: Homes) -> None:
    opened = homes.open()
    load = opened.engine.begin_load()
    for n in range(3):
        opened.add_to_load(load, [{"id": f"job{n}-{k}", "command": "true"} for k in range(4)], "/", NOW_MS)
        enqueue(opened, f"between{n}")
    before = homes.image()
    opened.commit_load(load, NOW_MS)
    opened.sync()
    assert homes.open(before).table.counts[PENDING] == 3
    after = homes.open(homes.image())
    assert after.table.counts[PENDING] == 15
    assert state_of(after.table) == state_of(opened.table)


def test_load_that_fills_the_disk_at_its_end_leaves_nothing(homes: Homes, efbig_is_full: None) -> None:
    opened = homes.open()
    load = opened.engine.begin_load()
    opened.add_to_load(load, [{"command": "x" * 50_000}], "/", NOW_MS)
    with file_size_limit(20_000):
        with pytest.raises(DiskFull):
            opened.commit_load(load, NOW_MS)
    enqueue(opened, "a")
    assert opened.table.counts[PENDING] == 1
    assert state_of(homes.open(homes.image()).table) == state_of(opened.table)


def test_full_disk_for_earlier_events_does_not_refuse_the_load(
    homes: Homes, efbig_is_full: None
) -> None:
    opened = homes.open()
    load = opened.engine.begin_load()
    opened.add_to_load(load, [{"command": "true"}], "/", NOW_MS)
    opened.decide(commands.Enqueue([{"id": "a", "command": "x" * 50_000}], "/"), NOW_MS)
    os.truncate(homes.home.reserve, 0)
    with file_size_limit(20_000):
        with pytest.raises(StorageFailed):
            opened.commit_load(load, NOW_MS)


def test_size_of_several_jobs_includes_all_their_texts(homes: Homes, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = homes.open()
    seen: list[int] = []
    monkeypatch.setattr(opened._reserve, "has_room_for", lambda size_bytes: seen.append(size_bytes) or False)
    wanted: list[object] = [{"command": "true", "cwd": "/" + "x" * 4000} for _ in range(10)]
    with pytest.raises(DiskFull):
        opened.decide(commands.Enqueue(wanted, "/"), NOW_MS)
    assert seen[0] > 2 * 40_000
    assert not opened.has_decided()


def test_failed_write_acknowledges_nothing_and_the_home_recovers(homes: Homes) -> None:
    opened = homes.open()
    enqueue(opened, "a")
    opened.decide(commands.Enqueue([{"id": "b", "command": "x" * 5000}], "/"), NOW_MS)
    with file_size_limit(segments(homes.home)[-1].stat().st_size + 100):
        with pytest.raises(StorageFailed):
            opened.write()
    opened.close()
    again = homes.open()
    assert again.torn is not None and again.torn.bytes == 100
    assert (again.table.get("a") is not None, again.table.get("b")) == (True, None)
