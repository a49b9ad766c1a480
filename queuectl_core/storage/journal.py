"""Journal: the append-only segments on disk.

It knows files and frames, not the meaning of events.

    append   write() of a frame for each group commit: survives the death of every process
    sync     fdatasync: survives a power cut; must come before any reply leaves
    free     removes segments that the store no longer needs

Invariant: no reply acknowledges an event before it is synced. All other state follows from the journal.
Invariant: only the holder of the home's lock opens the journal for writing.
Invariant: after a failed write or sync (StorageFailed), the process stops using the journal, because the content of the
disk is unknown. A full disk is different: the journal takes the frame back and rejects it (DiskFull).
Invariant: the journal unlinks a segment only after the store is synced past it.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from typing import NamedTuple

from .. import home_files
from ..errors import Corrupt, DiskFull, NewerFormat, StorageFailed
from ..model import events
from ..system import file_io
from . import journal_format
from .journal_format import MORE, Frame, Scan, SegmentHeader

SEGMENT_BYTES = 4 * 1024 * 1024
"""A segment that has grown to this size is followed by a new one."""

FRAME_EVENTS = 5000
"""The most events in a frame. A larger group commit has several frames; none counts before the last is there."""


class TornTail(NamedTuple):
    """The bytes that a crash during a write left behind the last whole frame, and the file that now holds them."""

    path: str
    bytes: int
    aside: str

    def told(self) -> str:
        """Return a clause for people."""
        return f"set aside a torn tail of {self.bytes} bytes, never acknowledged, as {self.aside}"


class _Segment(NamedTuple):
    """One segment. A first sequence of 0 means that it was not opened, because the store has all its events."""

    path: str
    number: int
    first_sequence: int
    version: int


class Journal:
    """The journal of a home, as `open_journal` returns it.

    `next_sequence` is the sequence of the next event. `synced` is the last sequence known to be on the disk.
    """

    def __init__(self, folder: str, log_id: int) -> None:
        self.folder = folder
        self.log_id = log_id
        self.next_sequence = 1
        self.synced = 0
        self.torn: TornTail | None = None
        self._segments: list[_Segment] = []
        self._sizes: dict[str, int] = {}
        """The sizes of complete segments, as far as somebody has asked for them."""
        self._descriptor = -1
        self._size = 0

    @property
    def name(self) -> str:
        """Return the log ID as text. The store keeps it to recognize its journal."""
        return f"{self.log_id:016x}"

    @property
    def number(self) -> int:
        """Return the number of the last segment; 0 if there is none."""
        return self._segments[-1].number if self._segments else 0

    @property
    def size(self) -> int:
        """Return the size of the last segment in bytes."""
        return self._size

    def append(self, happened: list[events.Event]) -> None:
        """Append one group commit. After DiskFull, none of it is in the journal.

        Raises: DiskFull, StorageFailed.
        """
        parts = [happened[start : start + FRAME_EVENTS] for start in range(0, len(happened), FRAME_EVENTS)]
        self.append_frames([(len(part), events.encode(part)) for part in parts])

    def append_frames(self, parts: list[tuple[int, bytes]]) -> None:
        """Append one group commit of several frames, each given as its number of events and its payload.

        After DiskFull, none of it is in the journal.

        Raises: DiskFull, StorageFailed.
        """
        before, sequence = self._size, self.next_sequence
        try:
            for n, (count, payload) in enumerate(parts, 1):
                flags = MORE if n < len(parts) else 0
                frame = journal_format.encode_frame(self.log_id, sequence, count, self.synced, payload, flags)
                file_io.write_all(self._descriptor, frame)
                self._size += len(frame)
                sequence += count
        except OSError as fault:
            self._take_back(before, fault)
        self.next_sequence = sequence

    def sync(self) -> None:
        """Write everything appended to the disk, and return when it is there. Never retry after an error.

        Raises: StorageFailed.
        """
        if self.synced == self.next_sequence - 1:
            return
        try:
            file_io.fsync(self._descriptor)
        except OSError as fault:
            raise StorageFailed(path=self._segments[-1].path, why=fault.strerror) from fault
        self.synced = self.next_sequence - 1

    def is_there(self) -> bool:
        """Return whether the current segment still has a name: nobody has removed or replaced it."""
        return os.fstat(self._descriptor).st_nlink > 0

    def rotate_if_full(self) -> bool:
        """Continue in a new segment if this one is long enough; return whether that happened.

        It returns False if the system has no room or no descriptor for a new segment.

        Raises: StorageFailed.
        """
        return self._size >= SEGMENT_BYTES and self.rotate()

    def rotate(self) -> bool:
        """Continue in a new segment, or return False and keep the old one if resources are short."""
        self.sync()
        old = self._descriptor
        try:
            self._begin_segment(self._segments[-1].number + 1, self.next_sequence)
        except OSError as fault:
            if fault.errno in (*file_io.FULL, errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                return False
            raise StorageFailed(path=self.folder, why=fault.strerror) from fault
        os.close(old)
        return True

    def free(self, position: int, kept_bytes: int = 0) -> None:
        """Remove segments that the store no longer needs, oldest first, until at most `kept_bytes` are left.

        The store must be synced up to `position`, and have all events of these segments.
        """
        for path, _ in self._to_free(position, kept_bytes):
            os.unlink(path)
            del self._segments[0]

    def bytes_to_free(self, position: int, kept_bytes: int = 0) -> int:
        """Return the bytes of the segments that `free` would remove."""
        return sum(size for _, size in self._to_free(position, kept_bytes))

    def _to_free(self, position: int, kept_bytes: int) -> list[tuple[str, int]]:
        pairs = zip(self._segments, self._segments[1:])
        done = [segment.path for segment, after in pairs if after.first_sequence <= position + 1]
        sizes = [self._size_of(path) for path in done]
        over = sum(sizes) - kept_bytes
        found = []
        for path, size in zip(done, sizes):
            if over <= 0:
                break
            found.append((path, size))
            over -= size
        return found

    def _size_of(self, path: str) -> int:
        if path not in self._sizes:
            self._sizes[path] = os.path.getsize(path)
        return self._sizes[path]

    def close(self) -> None:
        """Close the current segment."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _take_back(self, size: int, fault: OSError) -> None:
        path = self._segments[-1].path
        if fault.errno not in file_io.FULL:
            raise file_io.failure(path, fault) from fault
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as worse:
            raise StorageFailed(path=path, why=worse.strerror) from worse
        self._size = size
        raise DiskFull(path=self.folder) from fault

    def _begin_segment(self, number: int, first_sequence: int) -> None:
        """Begin a new segment. After an error, the old segment is still in use.

        Raises: OSError.
        """
        path = os.path.join(self.folder, f"{number:010}.log")
        header = SegmentHeader(journal_format.VERSION, self.log_id, number, first_sequence)
        try:
            file_io.replace_file(path, journal_format.encode_segment_header(header))
            self._descriptor = file_io.owned(path, os.O_WRONLY | os.O_APPEND)
        except OSError:
            if os.path.exists(path):  # the old segment stays in use, so it must have no successor
                os.unlink(path)
                file_io.fsync_folder(self.folder)
            raise
        self._segments.append(_Segment(path, number, first_sequence, header.version))
        self._size = journal_format.SEGMENT_HEADER_BYTES


def begin_journal(folder: str, next_sequence: int) -> Journal:
    """Create a journal for a home that has none.

    Raises: OSError.
    """
    journal = Journal(folder, log_id=int.from_bytes(os.urandom(8), "big"))
    journal.next_sequence, journal.synced = next_sequence, next_sequence - 1
    journal._begin_segment(1, next_sequence)
    return journal


def open_journal(
    folder: str, position: int, ahead: int = 0, read_only: bool = False, log_id: str = ""
) -> tuple[Journal, Iterator[Frame]]:
    """Open the journal; return it with the frames behind `position`, and read them all before you append.

    `ahead` is the last event that the store knows. `log_id` names the store's journal, if it has one. Reading the
    frames sets a torn tail aside (`Journal.torn`). With `read_only`, nothing is set aside and nothing can be appended.

    Raises: Corrupt, NewerFormat, DiskFull, StorageFailed.
    """
    paths = segment_paths(folder)
    if not paths:
        if ahead or position or log_id:
            known = max(ahead, position)
            more = f"the store has events up to {known}" if known else "the store expects some"
            raise Corrupt(path=folder, why=f"it has no segments, but {more}")
        return Journal(folder, 0) if read_only else begin_journal(folder, 1), iter(())
    found, segments = _read_headers(paths, position)
    journal = Journal(folder, found)
    if log_id not in ("", journal.name):
        raise Corrupt(path=folder, why="it is not the journal of this home's store")
    _check_row(folder, segments, position)
    journal._segments = segments
    return journal, _recover(journal, position, ahead, read_only)


def _read_headers(paths: list[str], position: int) -> tuple[int, list[_Segment]]:
    """Return the log ID and the segments.

    It reads from the last segment back, and does not open segments whose events the store has. The errors are about
    headers of the segments that it opens.

    Raises: Corrupt, NewerFormat.
    """
    segments: list[_Segment] = []
    log_id: int | None = None
    for path in reversed(paths):
        number = int(os.path.basename(path)[:10])
        if segments and segments[-1].first_sequence <= position + 1:
            segments.append(_Segment(path, number, 0, 0))
            continue
        header = _read_header(path)
        if log_id is not None and header.log_id != log_id:
            raise Corrupt(path=path, why="it belongs to another journal")
        log_id = header.log_id
        segments.append(_Segment(path, number, header.first_sequence, header.version))
    return log_id or 0, segments[::-1]


def _recover(journal: Journal, position: int, ahead: int, read_only: bool) -> Iterator[Frame]:
    """Yield the frames behind `position` that count, and leave the journal open at the end of the last one."""
    group: list[Frame] = []
    good_end = journal_format.SEGMENT_HEADER_BYTES
    segments = journal._segments
    wanted = [
        n
        for n, segment in enumerate(segments)
        if n + 1 == len(segments) or segments[n + 1].first_sequence > position + 1
    ]
    journal.next_sequence = segments[wanted[0]].first_sequence
    for n in wanted:
        segment, is_last = segments[n], n + 1 == len(segments)
        with open(segment.path, "rb", opener=file_io.owned) as file:
            data = file.read()
        found = journal_format.scan(data, journal.log_id, segment.first_sequence)
        _check_end(segment, data, found, None if is_last else segments[n + 1].first_sequence)
        good_end = journal_format.SEGMENT_HEADER_BYTES
        for frame in found.frames:
            group.append(frame)
            if not frame.flags & MORE:
                journal.next_sequence = frame.next_sequence
                good_end = frame.end
                yield from (part for part in group if part.next_sequence > position + 1)
                group.clear()
    if journal.next_sequence - 1 < ahead:
        reached = journal.next_sequence - 1
        raise Corrupt(path=journal.folder, why=f"it ends at event {reached}, but the store has events up to {ahead}")
    if not read_only:
        _open_end(journal, data, good_end)
        _leave_old_format(journal)


def _check_end(segment: _Segment, data: bytes, found: Scan, next_first: int | None) -> None:
    """Check that the missing end of a segment was not synced, and that the next segment continues this one.

    Raises: Corrupt.
    """
    reached = found.frames[-1].next_sequence if found.frames else segment.first_sequence
    if next_first is not None and reached != next_first:
        last = next_first - 1
    elif found.witness is not None:
        last = min(found.witness.synced, found.witness.sequence - 1)
    else:
        return
    end = len(data) if found.witness is None else found.good_end + found.witness.start
    ids = events.ids_in(data[found.good_end : end])
    named = f", of jobs {', '.join(ids[:5])}{' and others' if len(ids) > 5 else ''}," if ids else ""
    why = f"acknowledged events {reached} to {last}{named} are unreadable (offset {found.good_end})"
    raise Corrupt(path=segment.path, why=why)


def _open_end(journal: Journal, data: bytes, good_end: int) -> None:
    """Set aside and cut off the bytes behind the last whole group, and open the segment for appending."""
    path = journal._segments[-1].path
    try:
        if len(data) > good_end:
            aside = f"{path}.{time.time_ns()}.torn"
            file_io.replace_file(aside, data[good_end:])
            journal.torn = TornTail(path, len(data) - good_end, aside)
        journal._descriptor = file_io.owned(path, os.O_WRONLY | os.O_APPEND)
        if len(data) > good_end:
            os.ftruncate(journal._descriptor, good_end)
        # The frames can still be only in the page cache. They count from now on, so a power cut must not lose them.
        file_io.fsync(journal._descriptor)
    except OSError as fault:
        raise file_io.failure(path, fault) from fault
    journal._size = good_end
    journal.synced = journal.next_sequence - 1


def _leave_old_format(journal: Journal) -> None:
    """Continue in a new segment if the last one has an older format, which new events may not fit."""
    if journal._segments[-1].version < journal_format.VERSION and not journal.rotate():
        raise DiskFull(path=journal.folder)


def segment_paths(folder: str) -> list[str]:
    """Return the segments in a journal's folder, oldest first; none if the folder does not exist."""
    names = sorted(filter(home_files.is_segment, file_io.names_in(folder)))
    return [os.path.join(folder, name) for name in names]


def _read_header(path: str) -> SegmentHeader:
    """Return the header of a segment. A bad one is damage: a segment gets its name after its header is synced."""
    with open(path, "rb", opener=file_io.owned) as file:
        header = journal_format.decode_segment_header(file.read(journal_format.SEGMENT_HEADER_BYTES))
    if header is None:
        raise Corrupt(path=path, why="its header is unreadable")
    check_version(path, header)
    return header


def check_version(path: str, header: SegmentHeader) -> None:
    """Check that the format of a segment is not newer than this version.

    Raises: NewerFormat.
    """
    if header.version > journal_format.VERSION:
        raise NewerFormat(path=path, found=f"format {header.version}", known=journal_format.VERSION)


def events_of(frame: Frame, folder: str) -> list[events.Event]:
    """Return the events of a frame whose checksum is correct.

    NewerFormat means that the frame has an unknown event or field. Corrupt means that it is not a list of events.

    Raises: NewerFormat, Corrupt.
    """
    try:
        return events.decode(frame.payload)
    except events.UnknownFact as fault:
        raise NewerFormat(path=folder, found=str(fault), known=journal_format.VERSION) from None
    except (ValueError, TypeError) as fault:
        raise Corrupt(path=folder, why=f"a frame is invalid ({fault})") from fault


def _check_row(folder: str, segments: list[_Segment], position: int) -> None:
    """Check that no segment is missing, at the front or between two others.

    Raises: Corrupt.
    """
    if segments[0].first_sequence > position + 1:
        first = segments[0].first_sequence
        raise Corrupt(path=folder, why=f"the segment with events {position + 1} to {first - 1} is missing")
    for before, after in zip(segments, segments[1:]):
        if after.number != before.number + 1:
            raise Corrupt(path=folder, why=f"segment {before.number + 1:010}.log is missing")
