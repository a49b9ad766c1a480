"""Journal: what survives a cut, a flipped bit, a missing segment and a full disk, and what is
refused.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from queuectl_core.errors import Corrupt, DiskFull, NewerFormat, StorageFailed
from queuectl_core.model import events
from queuectl_core.model.events import Event, Purged
from queuectl_core.storage import journal, journal_format
from queuectl_core.storage.journal import FRAME_EVENTS, Journal, Known, recover
from queuectl_core.storage.journal_format import MORE, SEGMENT_HEADER_BYTES, Frame, SegmentHeader
from queuectl_core.system import file_io
from tests.builders import Syncs, file_size_limit, open_descriptors


def open_journal(folder: Path, position: int = 0, read_only: bool = False) -> tuple[Journal, list[Frame]]:
    """Return the journal, and the frames that it read."""
    frames: list[Frame] = []
    return Journal.open(recover(str(folder), Known(position), frames.append), read_only), frames


def recovered(folder: Path, position: int = 0) -> tuple[Journal, list[Event]]:
    """Return the journal, open for appending, and the events of the frames that it read."""
    opened, frames = open_journal(folder, position)
    return opened, [event for frame in frames for event in events.decode(frame.payload)]


def events_of(folder: Path, position: int = 0) -> list[Event]:
    opened, found = recovered(folder, position)
    opened.close()
    return found


def some_events(count: int) -> list[Event]:
    return [Purged(str(n), n) for n in range(1, count + 1)]


def write_synced(folder: Path, emitted: list[Event]) -> Journal:
    """Return an open journal with one synced frame for each event."""
    opened, _ = recovered(folder)
    for event in emitted:
        opened.append([event])
        opened.sync()
    return opened


def segment(folder: Path, number: int) -> Path:
    return folder / f"{number:010}.log"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def flip(path: Path, offset: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << bit
    path.write_bytes(data)


def frame_ends(path: Path, log_id: int, first_sequence: int) -> list[int]:
    found = journal_format.scan(path.read_bytes(), log_id, first_sequence)
    return [SEGMENT_HEADER_BYTES, *(frame.end for frame in found.frames)]


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """Yield a folder in memory where possible, for tests that sync hundreds of times."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        yield Path(folder)


# Writing and reading back


def test_new_journal_is_empty_and_begins_with_event_1(tmp_path: Path) -> None:
    opened, found = recovered(tmp_path)
    assert (found, opened.next_sequence, opened.synced, opened.torn) == ([], 1, 0, None)
    opened.close()


def test_appended_events_come_back_in_order_with_their_sequences(tmp_path: Path) -> None:
    opened, _ = recovered(tmp_path)
    opened.append(some_events(3))
    opened.append([Purged("x", 9)])
    opened.close()
    opened, frames = open_journal(tmp_path, 0)
    assert [(frame.sequence, frame.events) for frame in frames] == [(1, 3), (4, 1)]
    assert opened.next_sequence == 5
    opened.close()
    assert events_of(tmp_path) == [*some_events(3), Purged("x", 9)]


def test_appended_events_are_synced_only_by_sync(tmp_path: Path) -> None:
    opened, _ = recovered(tmp_path)
    opened.append(some_events(2))
    assert opened.synced == 0
    opened.sync()
    assert opened.synced == 2
    opened.close()


def test_frame_records_the_synced_sequence(tmp_path: Path) -> None:
    opened, _ = recovered(tmp_path)
    opened.append(some_events(2))
    opened.append(some_events(1))
    opened.sync()
    opened.append(some_events(1))
    opened.close()
    _, frames = open_journal(tmp_path, 0)
    assert [frame.synced for frame in frames] == [0, 0, 3]


def test_recovered_events_count_as_synced(tmp_path: Path) -> None:
    opened, _ = recovered(tmp_path)
    opened.append(some_events(2))
    opened.close()
    opened, _ = recovered(tmp_path)
    assert opened.synced == 2
    opened.append([Purged("x", 9)])
    opened.close()
    flip(segment(tmp_path, 1), SEGMENT_HEADER_BYTES + 30)
    with pytest.raises(Corrupt):
        recovered(tmp_path)


def test_appending_nothing_writes_nothing(tmp_path: Path) -> None:
    opened, _ = recovered(tmp_path)
    before = contents(tmp_path)
    opened.append([])
    opened.close()
    assert contents(tmp_path) == before


def test_segments_are_private(tmp_path: Path) -> None:
    recovered(tmp_path)[0].close()
    assert stat.S_IMODE(segment(tmp_path, 1).stat().st_mode) == 0o600


def test_draft_of_a_segment_is_no_segment(tmp_path: Path) -> None:
    write_synced(tmp_path, some_events(1)).close()
    (tmp_path / "0000000002.log.new").write_bytes(b"half a hea")
    assert events_of(tmp_path) == some_events(1)


def test_closed_journal_holds_no_file_open(tmp_path: Path) -> None:
    before = open_descriptors()
    opened = write_synced(tmp_path, some_events(1))
    opened.rotate()
    opened.rotate()
    assert open_descriptors() == before + 1
    opened.close()
    opened.close()
    assert open_descriptors() == before


# What survives a power cut


def inode(path: Path) -> int:
    return path.stat().st_ino


def test_sync_makes_the_segment_durable_and_is_skipped_without_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, _ = recovered(tmp_path)
    syncs = Syncs(monkeypatch)
    opened.append(some_events(1))
    assert syncs.inodes == []
    opened.sync()
    assert syncs.inodes == [inode(segment(tmp_path, 1))]
    opened.sync()
    assert syncs.inodes == [inode(segment(tmp_path, 1))]
    opened.close()


def test_new_segment_is_durable_with_its_name_and_the_old_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, _ = recovered(tmp_path)
    opened.append(some_events(1))
    syncs = Syncs(monkeypatch)
    opened.rotate()
    opened.close()
    assert syncs.inodes == [inode(segment(tmp_path, 1)), inode(segment(tmp_path, 2)), inode(tmp_path)]


def test_recovery_makes_its_changes_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_synced(tmp_path, some_events(1)).close()
    with open(segment(tmp_path, 1), "ab") as file:
        file.write(b"half a frame")
    syncs = Syncs(monkeypatch)
    opened, _ = recovered(tmp_path)
    opened.close()
    assert opened.torn is not None
    assert syncs.inodes == [inode(Path(opened.torn.aside)), inode(tmp_path), inode(segment(tmp_path, 1))]


# A torn tail


def test_cut_at_any_byte_recovers_the_complete_frames_before_it(quick_folder: Path) -> None:
    opened = write_synced(quick_folder, some_events(1))
    opened.rotate()
    opened.append([Purged("2", 2)])
    opened.append([Purged("3", 3)])
    opened.close()
    last = segment(quick_folder, 2)
    whole = last.read_bytes()
    ends = frame_ends(last, opened.log_id, 2)
    for cut in range(len(whole)):
        last.write_bytes(whole[:cut])
        if cut < SEGMENT_HEADER_BYTES:
            with pytest.raises(Corrupt, match="its header is unreadable"):
                recovered(quick_folder)
            continue
        good = sum(end <= cut for end in ends) - 1
        again, found = recovered(quick_folder)
        again.close()
        assert found == some_events(3)[: 1 + good], f"cut at {cut}"
        assert last.read_bytes() == whole[: ends[good]], f"cut at {cut}"
        assert (again.torn.bytes if again.torn else 0) == cut - ends[good], f"cut at {cut}"


def test_torn_tail_is_set_aside_exactly_and_reported(tmp_path: Path) -> None:
    write_synced(tmp_path, some_events(1)).close()
    with open(segment(tmp_path, 1), "ab") as file:
        file.write(b"half a frame")
    opened, found = recovered(tmp_path)
    assert found == some_events(1)
    assert opened.torn is not None
    assert opened.torn.aside.startswith(f"{segment(tmp_path, 1)}.") and opened.torn.bytes == 12
    assert Path(opened.torn.aside).read_bytes() == b"half a frame"
    opened.close()
    opened, _ = recovered(tmp_path)
    assert opened.torn is None
    opened.close()


def test_journal_continues_where_the_torn_tail_was_cut_off(tmp_path: Path) -> None:
    write_synced(tmp_path, some_events(2)).close()
    with open(segment(tmp_path, 1), "ab") as file:
        file.write(b"half a frame")
    opened, _ = recovered(tmp_path)
    opened.append([Purged("3", 3)])
    opened.close()
    assert events_of(tmp_path) == some_events(3)


@pytest.mark.parametrize("zeros", [1, 4096, 100_000])
def test_zeros_at_the_end_are_a_torn_tail(tmp_path: Path, zeros: int) -> None:
    write_synced(tmp_path, some_events(2)).close()
    with open(segment(tmp_path, 1), "ab") as file:
        file.write(bytes(zeros))
    opened, found = recovered(tmp_path)
    opened.close()
    assert found == some_events(2)
    assert opened.torn is not None and opened.torn.bytes == zeros


def test_zeros_in_place_of_the_last_frame_are_a_torn_tail(tmp_path: Path) -> None:
    opened = write_synced(tmp_path, some_events(1))
    opened.append([Purged("2", 2)])
    opened.close()
    last = segment(tmp_path, 1)
    start, end = frame_ends(last, opened.log_id, 1)[1:]
    last.write_bytes(last.read_bytes()[:start] + bytes(end - start))
    assert events_of(tmp_path) == some_events(1)


def test_frames_after_an_unsynced_torn_one_do_not_count(tmp_path: Path) -> None:
    opened, _ = recovered(tmp_path)
    for event in some_events(3):
        opened.append([event])
    opened.close()
    flip(segment(tmp_path, 1), frame_ends(segment(tmp_path, 1), opened.log_id, 1)[1] + 30)
    opened, found = recovered(tmp_path)
    opened.close()
    assert found == some_events(1)
    assert opened.next_sequence == 2


# Group commits of several frames


def append_frame(opened: Journal, sequence: int, emitted: list[Event], flags: int) -> None:
    """Write one frame of a larger group, as `append` does."""
    with open(segment(Path(opened.folder), 1), "ab") as file:
        payload = events.encode(emitted)
        file.write(journal_format.encode_frame(opened.log_id, Frame(sequence, len(emitted), flags, 1, payload)))


def test_group_without_its_last_frame_does_not_count(tmp_path: Path) -> None:
    opened = write_synced(tmp_path, some_events(1))
    opened.close()
    before = segment(tmp_path, 1).read_bytes()
    append_frame(opened, 2, [Purged("2", 2)], MORE)
    append_frame(opened, 3, [Purged("3", 3)], MORE)
    again, found = recovered(tmp_path)
    again.close()
    assert (found, again.next_sequence) == (some_events(1), 2)
    assert segment(tmp_path, 1).read_bytes() == before
    assert again.torn is not None and again.torn.bytes > 0


def test_group_counts_once_its_last_frame_exists(tmp_path: Path) -> None:
    opened = write_synced(tmp_path, some_events(1))
    opened.close()
    append_frame(opened, 2, [Purged("2", 2)], MORE)
    append_frame(opened, 3, [Purged("3", 3)], 0)
    assert events_of(tmp_path) == some_events(3)


def test_large_group_spans_frames_and_counts_as_one(tmp_path: Path) -> None:
    opened, _ = recovered(tmp_path)
    emitted = some_events(2 * FRAME_EVENTS + 1)
    opened.append(emitted)
    opened.close()
    assert opened.next_sequence == len(emitted) + 1
    last = segment(tmp_path, 1)
    ends = frame_ends(last, opened.log_id, 1)
    assert len(ends) == 4
    assert events_of(tmp_path) == emitted
    last.write_bytes(last.read_bytes()[: ends[2]])
    assert events_of(tmp_path) == []


# Damage


def test_flipped_bit_never_yields_a_wrong_event(quick_folder: Path) -> None:
    """Flip every bit of a journal of two segments; in the last frame, only one bit of each byte, to
    save time.
    """
    opened = write_synced(quick_folder, some_events(1))
    opened.rotate()
    for n in (2, 3):
        opened.append([Purged(str(n), n)])
        opened.sync()
    opened.close()
    last_start = frame_ends(segment(quick_folder, 2), opened.log_id, 2)[-2]
    for number in (1, 2):
        path = segment(quick_folder, number)
        whole = path.read_bytes()
        for bit in range(len(whole) * 8):
            in_last_frame = number == 2 and bit >= last_start * 8
            if in_last_frame and bit % 8 != bit // 8 % 8:
                continue
            flip(path, bit // 8, bit % 8)
            if in_last_frame:
                assert events_of(quick_folder) == some_events(2), f"segment {number}, bit {bit}"
            else:
                with pytest.raises(Corrupt):
                    recovered(quick_folder)
            path.write_bytes(whole)


def test_damage_of_synced_events_is_refused_with_the_loss_and_changes_nothing(tmp_path: Path) -> None:
    opened = write_synced(tmp_path, some_events(5))
    opened.close()
    flip(segment(tmp_path, 1), frame_ends(segment(tmp_path, 1), opened.log_id, 1)[1] + 30)
    before = contents(tmp_path)
    with pytest.raises(Corrupt, match="events 2 to 2, of jobs 2, "):
        recovered(tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("number", [1, 2])
def test_cut_older_segment_is_refused(tmp_path: Path, number: int) -> None:
    opened, _ = recovered(tmp_path)
    for event in some_events(3):
        opened.append([event])
        opened.rotate()
    opened.close()
    path = segment(tmp_path, number)
    path.write_bytes(path.read_bytes()[:-1])
    before = contents(tmp_path)
    with pytest.raises(Corrupt, match=f"events {number} to {number}, of jobs {number}, "):
        recovered(tmp_path)
    assert contents(tmp_path) == before


def test_long_list_of_affected_jobs_is_cut(tmp_path: Path) -> None:
    opened, _ = recovered(tmp_path)
    opened.append(some_events(9))
    opened.rotate()
    opened.close()
    flip(segment(tmp_path, 1), SEGMENT_HEADER_BYTES + 2)
    with pytest.raises(Corrupt, match="events 1 to 9, of jobs 1, 2, 3, 4, 5 and others, "):
        recovered(tmp_path)


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_missing_segment_is_refused(tmp_path: Path, missing: int) -> None:
    opened, _ = recovered(tmp_path)
    for event in some_events(3):
        opened.append([event])
        opened.rotate()
    opened.close()
    segment(tmp_path, missing).unlink()
    with pytest.raises(Corrupt, match="is missing"):
        recovered(tmp_path)


def test_journal_without_segments_is_refused_when_the_store_has_events(tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match="it has no segments, but the store has events up to 7"):
        recovered(tmp_path, position=7)
    assert list(tmp_path.iterdir()) == []


def test_segment_of_another_journal_is_refused(tmp_path: Path) -> None:
    folders = [tmp_path / "ours", tmp_path / "theirs"]
    for folder in folders:
        folder.mkdir()
        opened = write_synced(folder, some_events(1))
        opened.rotate()
        opened.append([Purged("2", 2)])
        opened.close()
    shutil.copy(segment(folders[1], 2), segment(folders[0], 2))
    with pytest.raises(Corrupt):
        recovered(folders[0])


def test_segment_of_a_newer_version_is_refused_and_kept(tmp_path: Path) -> None:
    newer = SegmentHeader(journal_format.VERSION + 1, 5, 1, 1)
    segment(tmp_path, 1).write_bytes(journal_format.encode_segment_header(newer) + b"who knows")
    before = contents(tmp_path)
    with pytest.raises(NewerFormat):
        recovered(tmp_path)
    assert contents(tmp_path) == before


# Read only


def test_read_only_finds_the_same_and_keeps_a_torn_tail(tmp_path: Path) -> None:
    write_synced(tmp_path, some_events(2)).close()
    with open(segment(tmp_path, 1), "ab") as file:
        file.write(b"half a frame")
    before = contents(tmp_path)
    opened, frames = open_journal(tmp_path, 0, read_only=True)
    assert [event for frame in frames for event in events.decode(frame.payload)] == some_events(2)
    opened.close()
    assert (opened.next_sequence, opened.torn) == (3, None)
    assert contents(tmp_path) == before


def test_read_only_refuses_damage(tmp_path: Path) -> None:
    opened = write_synced(tmp_path, some_events(3))
    opened.close()
    flip(segment(tmp_path, 1), SEGMENT_HEADER_BYTES + 30)
    with pytest.raises(Corrupt):
        open_journal(tmp_path, 0, read_only=True)


# Segments


def test_journal_may_begin_with_any_event(tmp_path: Path) -> None:
    opened = Journal.begin(str(tmp_path), 8)
    assert (opened.next_sequence, opened.synced) == (8, 7)
    opened.append([Purged("8", 8)])
    opened.close()
    assert events_of(tmp_path, position=7) == [Purged("8", 8)]
    with pytest.raises(Corrupt, match="the segment with events 1 to 7 is missing"):
        recovered(tmp_path)


def test_full_segment_is_followed_by_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, _ = recovered(tmp_path)
    assert opened.rotate_if_full() is False
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 100)
    opened.append(some_events(10))
    assert opened.rotate_if_full() is True
    assert opened.synced == 10
    opened.append([Purged("11", 11)])
    opened.close()
    assert sorted(contents(tmp_path)) == ["0000000001.log", "0000000002.log"]
    assert events_of(tmp_path) == some_events(11)


def test_only_segments_that_the_store_no_longer_needs_are_freed(tmp_path: Path) -> None:
    opened, _ = recovered(tmp_path)
    for event in some_events(3):
        opened.append([event])
        opened.rotate()
    for position, left in [(0, 4), (1, 3), (1, 3), (3, 1), (99, 1)]:
        opened.free(position)
        assert len(contents(tmp_path)) == left, f"position {position}"
    opened.close()
    assert segment(tmp_path, 4).exists()


def test_freed_segments_do_not_count_as_missing(tmp_path: Path) -> None:
    opened, _ = recovered(tmp_path)
    for event in some_events(3):
        opened.append([event])
        opened.rotate()
    opened.free(2)
    opened.close()
    assert events_of(tmp_path, position=2) == [Purged("3", 3)]
    with pytest.raises(Corrupt, match="the segment with events 2 to 2 is missing"):
        recovered(tmp_path, position=1)


def test_freed_segment_that_returns_does_no_harm(tmp_path: Path) -> None:
    opened, _ = recovered(tmp_path)
    for event in some_events(3):
        opened.append([event])
        opened.rotate()
    opened.close()
    flip(segment(tmp_path, 1), SEGMENT_HEADER_BYTES + 30)
    assert events_of(tmp_path, position=1) == [Purged("2", 2), Purged("3", 3)]


def test_frames_after_the_position_are_complete_and_earlier_ones_skipped(tmp_path: Path) -> None:
    opened, _ = recovered(tmp_path)
    opened.append(some_events(3))
    opened.append([Purged("4", 4)])
    opened.close()
    for position, first in [(0, 1), (1, 1), (2, 1), (3, 4)]:
        opened, frames = open_journal(tmp_path, position)
        assert [frame.sequence for frame in frames][0] == first, f"position {position}"
        assert opened.next_sequence == 5
        opened.close()
    assert events_of(tmp_path, position=4) == []


def test_bytes_to_free_equal_the_freed_bytes(tmp_path: Path) -> None:
    opened, _ = recovered(tmp_path)
    for event in some_events(3):
        opened.append([event])
        opened.rotate()
    for position in range(4):
        before, expected_bytes = sum(map(len, contents(tmp_path).values())), opened.bytes_to_free(position)
        opened.free(position)
        assert expected_bytes == before - sum(map(len, contents(tmp_path).values())) and (expected_bytes > 0) == (position > 0)
    opened.close()


# A full disk


def test_full_disk_removes_the_partial_frame_and_the_journal_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_io, "FULL", (*file_io.FULL, errno.EFBIG))
    opened = write_synced(tmp_path, some_events(1))
    before = contents(tmp_path)
    with file_size_limit(os.path.getsize(segment(tmp_path, 1)) + 500):
        with pytest.raises(DiskFull):
            opened.append([Purged("x" * 1000, 2)])
        assert contents(tmp_path) == before
        opened.append([Purged("2", 2)])
    opened.append([Purged("3", 3)])
    opened.close()
    assert events_of(tmp_path) == some_events(3)


def test_full_disk_removes_all_frames_of_a_large_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_io, "FULL", (*file_io.FULL, errno.EFBIG))
    monkeypatch.setattr(journal, "FRAME_EVENTS", 2)
    opened = write_synced(tmp_path, some_events(1))
    before = contents(tmp_path)
    with file_size_limit(os.path.getsize(segment(tmp_path, 1)) + 200):
        with pytest.raises(DiskFull):
            opened.append([Purged("x" * 40, 2) for _ in range(20)])
    assert contents(tmp_path) == before
    assert opened.next_sequence == 2
    opened.append([Purged("2", 2)])
    opened.close()
    assert events_of(tmp_path) == some_events(2)


def test_old_segment_stays_in_use_without_room_for_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_io, "FULL", (*file_io.FULL, errno.EFBIG))
    opened = write_synced(tmp_path, some_events(1))
    with file_size_limit(SEGMENT_HEADER_BYTES - 1):
        assert opened.rotate() is False
    assert_old_segment_continues(tmp_path, opened)


def test_old_segment_stays_in_use_without_a_descriptor_for_a_new_one(tmp_path: Path) -> None:
    opened = write_synced(tmp_path, some_events(1))
    with no_more_descriptors():
        assert opened.rotate() is False
    assert_old_segment_continues(tmp_path, opened)


def assert_old_segment_continues(folder: Path, opened: Journal) -> None:
    assert [path.name for path in folder.glob("*.log")] == ["0000000001.log"]
    opened.append([Purged("2", 2)])
    assert opened.rotate() is True
    opened.append([Purged("3", 3)])
    opened.close()
    assert events_of(folder) == some_events(3)


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """Let every open of a file fail with EMFILE inside the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.open(os.devnull, os.O_RDONLY)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_write_with_another_error_ends_the_journal_with_a_torn_tail(tmp_path: Path) -> None:
    opened = write_synced(tmp_path, some_events(1))
    with file_size_limit(os.path.getsize(segment(tmp_path, 1)) + 500):
        with pytest.raises(StorageFailed):
            opened.append([Purged("x" * 1000, 2)])
    opened.close()
    again, found = recovered(tmp_path)
    again.close()
    assert found == some_events(1)
    assert again.torn is not None and again.torn.bytes == 500


def test_failed_sync_is_reported_and_nothing_counts_as_synced(tmp_path: Path) -> None:
    opened = write_synced(tmp_path, some_events(1))
    opened.append([Purged("2", 2)])
    readable, writable = os.pipe()
    os.dup2(writable, opened._descriptor)  # a file that no system can sync
    with pytest.raises(StorageFailed):
        opened.sync()
    assert opened.synced == 1
    for descriptor in (readable, writable):
        os.close(descriptor)
    opened.close()


def test_a_copy_of_an_old_segment_does_not_count_as_the_last_one(tmp_path: Path) -> None:
    opened = write_synced(tmp_path, some_events(2))
    opened.rotate()
    opened.append(some_events(3))
    opened.sync()
    opened.rotate()
    opened.append(some_events(3))
    opened.sync()
    opened.close()
    shutil.copy(segment(tmp_path, 2), segment(tmp_path, 3))
    with pytest.raises(Corrupt, match="it is segment 2 under another name"):
        open_journal(tmp_path, position=4)
