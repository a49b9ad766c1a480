"""Output log: the bytes of each attempt among those of others, and output over the limit."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from queuectl_core.storage import output_log
from queuectl_core.storage.output_log import OutputWriter
from queuectl_core.system import file_io
from tests.builders import file_size_limit, open_descriptors


def written(writer: OutputWriter, *pieces: bytes, max_bytes: int = 1000) -> tuple[str, int, int]:
    """Return the location of the output of one attempt with these pieces: segment, offset, size."""
    writer.begin(max_bytes)
    for piece in pieces:
        writer.write(piece)
    writer.finish()
    return writer.segment, writer.start, writer.kept_bytes


def read(folder: Path, place: tuple[str, int, int]) -> bytes:
    return b"".join(output_log.read(str(folder), *place))


def test_each_attempt_has_only_its_own_output(tmp_path: Path) -> None:
    writer = OutputWriter(str(tmp_path), "w1")
    printed = [b"first\n", b"", b"third, in binary: \x00\xff", b"last"]
    places = [written(writer, data) for data in printed]
    assert [read(tmp_path, place) for place in places] == printed
    assert [place[0] for place in places] == ["w1.0001.log"] * 4
    assert len(list(tmp_path.iterdir())) == 1


def test_pieces_of_one_attempt_are_joined(tmp_path: Path) -> None:
    place = written(OutputWriter(str(tmp_path), "w1"), b"a", b"", b"bc", b"d")
    assert read(tmp_path, place) == b"abcd"


def test_output_over_the_limit_is_dropped_counted_and_reported(tmp_path: Path) -> None:
    writer = OutputWriter(str(tmp_path), "w1")
    place = written(writer, b"12345", b"67890", b"more", max_bytes=7)
    assert read(tmp_path, place) == b"1234567\n[queuectl: 7 more bytes of output were dropped]\n"
    assert writer.dropped_bytes == 7


def test_output_of_exactly_the_limit_is_complete(tmp_path: Path) -> None:
    writer = OutputWriter(str(tmp_path), "w1")
    place = written(writer, b"1234567", max_bytes=7)
    assert (read(tmp_path, place), writer.dropped_bytes) == (b"1234567", 0)


def test_limit_of_zero_keeps_no_output(tmp_path: Path) -> None:
    writer = OutputWriter(str(tmp_path), "w1")
    place = written(writer, b"secret", max_bytes=0)
    assert b"secret" not in read(tmp_path, place)
    assert writer.dropped_bytes == 6


def test_dropped_output_does_not_count_for_the_next_attempt(tmp_path: Path) -> None:
    writer = OutputWriter(str(tmp_path), "w1")
    written(writer, b"12345678", max_bytes=7)
    place = written(writer, b"12345678", max_bytes=8)
    assert (read(tmp_path, place), writer.dropped_bytes) == (b"12345678", 0)


def test_full_segment_is_followed_by_a_new_one_at_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_log, "SEGMENT_BYTES", 10)
    writer = OutputWriter(str(tmp_path), "w1")
    printed = [b"123456789", b"a long attempt stays in one piece", b"next"]
    places = [written(writer, data) for data in printed]
    assert [place[:2] for place in places] == [("w1.0001.log", 0), ("w1.0001.log", 9), ("w1.0002.log", 0)]
    assert [read(tmp_path, place) for place in places] == printed


def test_segments_that_are_full_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_log, "SEGMENT_BYTES", 1)
    writer = OutputWriter(str(tmp_path), "w1")
    written(writer, b"first")
    before = open_descriptors()
    for _ in range(5):
        written(writer, b"another")
    assert open_descriptors() == before
    assert len(list(tmp_path.iterdir())) == 6


def test_segment_of_an_earlier_worker_of_the_same_name_is_left_alone(tmp_path: Path) -> None:
    earlier = written(OutputWriter(str(tmp_path), "w1"), b"of an earlier worker")
    place = written(OutputWriter(str(tmp_path), "w1"), b"mine")
    assert [earlier[0], place[0]] == ["w1.0001.log", "w1.0002.log"]
    assert (read(tmp_path, earlier), read(tmp_path, place)) == (b"of an earlier worker", b"mine")


def test_workers_do_not_share_segments(tmp_path: Path) -> None:
    places = [written(OutputWriter(str(tmp_path), worker), worker.encode()) for worker in ("w1", "w2")]
    assert [read(tmp_path, place) for place in places] == [b"w1", b"w2"]


def test_output_of_a_running_attempt_can_be_read_up_to_now(tmp_path: Path) -> None:
    writer = OutputWriter(str(tmp_path), "w1")
    written(writer, b"another attempt")
    writer.begin(1000)
    writer.write(b"so far")
    assert b"".join(output_log.read(str(tmp_path), writer.segment, writer.start, None)) == b"so far"
    assert output_log.size_from(str(tmp_path), writer.segment, writer.start) == 6


def test_large_output_is_read_in_pieces_up_to_the_limit(tmp_path: Path) -> None:
    data = os.urandom(200_000)
    writer = OutputWriter(str(tmp_path), "w1")
    segment, start, size = written(writer, data, max_bytes=200_000)
    written(writer, b"of another attempt")
    pieces = list(output_log.read(str(tmp_path), segment, start, size))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) < 100_000


def test_removed_segment_is_reported_and_has_no_bytes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(output_log.read(str(tmp_path), "w1.0001.log", 0, 5))
    assert output_log.size_from(str(tmp_path), "w1.0001.log", 0) == 0


def test_size_is_never_negative(tmp_path: Path) -> None:
    segment, _, _ = written(OutputWriter(str(tmp_path), "w1"), b"abc")
    assert output_log.size_from(str(tmp_path), segment, 1) == 2
    assert output_log.size_from(str(tmp_path), segment, 99) == 0


def test_output_is_private(tmp_path: Path) -> None:
    segment, _, _ = written(OutputWriter(str(tmp_path), "w1"), b"abc")
    assert stat.S_IMODE((tmp_path / segment).stat().st_mode) == 0o600


def test_full_disk_costs_only_output(tmp_path: Path) -> None:
    writer = OutputWriter(str(tmp_path), "w1")
    with file_size_limit(100):
        segment, start, kept = written(writer, b"x" * 60, b"y" * 60)
    assert read(tmp_path, (segment, start, kept)) == b"x" * 60 + b"y" * 40
    assert writer.dropped_bytes >= 20
    place = written(writer, b"there is room again")
    assert read(tmp_path, place) == b"there is room again"


def test_output_is_not_written_into_a_removed_segment(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    writer = OutputWriter(str(folder), "w1")
    segment, _, _ = written(writer, b"removed")
    (folder / segment).unlink()
    folder.rmdir()
    place = written(writer, b"to be found")
    assert read(folder, place) == b"to be found"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_note_about_cut_output_is_complete_or_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = OutputWriter(str(tmp_path), "w1")
    monkeypatch.setattr(file_io, "FULL", (errno.EFBIG,))
    with file_size_limit(70):
        segment, start, kept = written(writer, b"x" * 99, max_bytes=60)
    assert (kept, writer.dropped_bytes, writer.found_full) == (60, 39, True)
    assert not output_log.says_dropped(str(tmp_path), segment, start + kept, 39)
    place = written(writer, b"x" * 99, max_bytes=60)
    assert (writer.dropped_bytes, writer.found_full, place[0]) == (39, False, "w1.0002.log")
    assert output_log.says_dropped(str(tmp_path), place[0], place[1] + place[2], 39)
