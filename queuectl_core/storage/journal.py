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

from ..errors import Corrupt, DiskFull, StorageFailed
from ..light_types import NamedTuple
from ..model import events
from ..system import file_io
from . import journal_format
from .journal_format import MORE, Frame, SegmentHeader
from .journal_scanner import Scanner, Segment

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SEGMENT_BYTES = 4 * 1024 * 1024
"""A segment that has grown to this size is followed by a new one."""

FRAME_EVENTS = 5000
"""The most events in a frame. A larger group commit has several frames; none counts before the last is there."""


class TornTail(NamedTuple):
    """The bytes that a crash during a write left behind the last whole frame, and the file that now holds them."""

    bytes: int
    aside: str

    def message(self) -> str:
        """Return a clause for people."""
        return f"set aside a torn tail of {self.bytes} bytes, never acknowledged, as {self.aside}"


class Known(NamedTuple):
    """What the store knows of its journal: the position to read from, and what else must be there.

    `ahead` is the last event that a record includes. `log_id` names the journal, and `segment` is its last number.
    """

    position: int = 0
    ahead: int = 0
    log_id: str = ""
    segment: int = 0


class Journal:
    """The journal of a home.

    `next_sequence` is the sequence of the next event. `synced` is the last sequence known to be on the disk. `size` is
    the size of the last segment in bytes.
    """

    def __init__(self, folder: str, log_id: int, next_sequence: int = 1, segments: Sequence[Segment] = ()) -> None:
        """Know a journal. Only `begin` and `open` make it possible to append."""
        self.folder = folder
        self.log_id = log_id
        self.next_sequence = next_sequence
        self.synced = 0
        self.torn: TornTail | None = None
        self._segments = list(segments)
        self._descriptor = -1
        self.size = 0

    @classmethod
    def begin(cls, folder: str, next_sequence: int) -> Journal:
        """Create a journal for a home that has none.

        Raises: OSError.
        """
        journal = cls(folder, int.from_bytes(os.urandom(8), "big"), next_sequence)
        journal.synced = next_sequence - 1
        journal._begin_segment(1)
        return journal

    @classmethod
    def open(cls, recovered: Scanner, read_only: bool = False) -> Journal:
        """Open a recovered journal for appending, and set its torn tail aside; create a journal if there is none.

        With `read_only`, nothing is set aside and nothing can be appended.

        Raises: DiskFull, StorageFailed, OSError.
        """
        if not (recovered.segments or read_only):
            return cls.begin(recovered.folder, 1)
        journal = cls(recovered.folder, recovered.log_id, recovered.next_sequence, recovered.segments)
        if not read_only:
            journal._open_end(recovered.good_end, recovered.tail)
            if journal._segments[-1].version < journal_format.VERSION and not journal.rotate():
                raise DiskFull(path=journal.folder)  # new events may not fit into the old format
        return journal

    @property
    def name(self) -> str:
        """Return the log ID as text. The store keeps it to recognize its journal."""
        return f"{self.log_id:016x}"

    @property
    def number(self) -> int:
        """Return the number of the last segment; 0 if there is none."""
        return self._segments[-1].number if self._segments else 0

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
        before, sequence = self.size, self.next_sequence
        try:
            for n, (count, payload) in enumerate(parts, 1):
                frame = Frame(sequence, count, MORE if n < len(parts) else 0, self.synced, payload)
                data = journal_format.encode_frame(self.log_id, frame)
                file_io.write_all(self._descriptor, data)
                self.size += len(data)
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
        return self.size >= SEGMENT_BYTES and self.rotate()

    def rotate(self) -> bool:
        """Continue in a new segment, or return False and keep the old one if resources are short."""
        self.sync()
        old = self._descriptor
        try:
            self._begin_segment(self._segments[-1].number + 1)
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
        """Return the paths and sizes of the segments to remove."""
        pairs = zip(self._segments, self._segments[1:])
        done = [segment.path for segment, after in pairs if after.first_sequence <= position + 1]
        sized = [(path, os.path.getsize(path)) for path in done]
        while sized and kept_bytes >= sized[-1][1]:
            kept_bytes -= sized.pop()[1]
        return sized

    def close(self) -> None:
        """Close the current segment."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _take_back(self, size: int, fault: OSError) -> None:
        """Remove a part of a group commit from a full disk, and raise the error for the failed write.

        Raises: DiskFull, StorageFailed.
        """
        path = self._segments[-1].path
        if fault.errno not in file_io.FULL:
            raise file_io.failure(path, fault) from fault
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as worse:
            raise StorageFailed(path=path, why=worse.strerror) from worse
        self.size = size
        raise DiskFull(path=self.folder) from fault

    def _begin_segment(self, number: int) -> None:
        """Begin a new segment. After an error, the old segment is still in use.

        Raises: OSError.
        """
        path = os.path.join(self.folder, f"{number:010}.log")
        header = SegmentHeader(journal_format.VERSION, self.log_id, number, self.next_sequence)
        try:
            file_io.replace_file(path, journal_format.encode_segment_header(header))
            self._descriptor = file_io.open_owned(path, os.O_WRONLY | os.O_APPEND)
        except OSError:
            if os.path.exists(path):  # the old segment stays in use, so it must have no successor
                os.unlink(path)
                file_io.fsync_folder(self.folder)
            raise
        self._segments.append(Segment(path, number, header.first_sequence, header.version))
        self.size = journal_format.SEGMENT_HEADER_BYTES

    def _open_end(self, good_end: int, tail: bytes) -> None:
        """Set aside and cut off the bytes behind the last whole group, and open the segment for appending."""
        path = self._segments[-1].path
        try:
            if tail:
                aside = f"{path}.{time.time_ns()}.torn"
                file_io.replace_file(aside, tail)
                self.torn = TornTail(len(tail), aside)
            self._descriptor = file_io.open_owned(path, os.O_WRONLY | os.O_APPEND)
            if tail:
                os.ftruncate(self._descriptor, good_end)
            # The frames can still be only in the page cache. They count from now on, so a power cut must not lose them.
            file_io.fsync(self._descriptor)
        except OSError as fault:
            raise file_io.failure(path, fault) from fault
        self.size = good_end
        self.synced = self.next_sequence - 1


def recover(folder: str, known: Known, replay: Callable[[Frame], None]) -> Scanner:
    """Replay the frames that the store does not have, and return the journal for `Journal.open`.

    Raises: Corrupt, NewerFormat, OSError.
    """
    scanner = Scanner(folder, known.position)
    if not scanner.segments:
        if any(known):
            last = max(known.position, known.ahead)
            more = f"the store has events up to {last}" if last else "the store expects some"
            raise Corrupt(path=folder, why=f"it has no segments, but {more}")
        return scanner
    if known.log_id not in ("", f"{scanner.log_id:016x}"):
        raise Corrupt(path=folder, why="it is not the journal of this home's store")
    _check_no_gap(folder, scanner.segments, known)
    for frame in scanner.frames():
        replay(frame)
    reached = scanner.next_sequence - 1
    if reached < known.ahead:
        raise Corrupt(path=folder, why=f"it ends at event {reached}, but the store has events up to {known.ahead}")
    return scanner


def _check_no_gap(folder: str, segments: list[Segment], known: Known) -> None:
    """Check that no segment is missing: at the front, between two others, or at the end.

    Raises: Corrupt.
    """
    first = segments[0].first_sequence
    if first > known.position + 1:
        raise Corrupt(path=folder, why=f"the segment with events {known.position + 1} to {first - 1} is missing")
    numbers = [segment.number for segment in segments]
    if numbers[-1] < known.segment:
        numbers.append(known.segment + 1)
    for number, following in zip(numbers, numbers[1:]):
        if following != number + 1:
            raise Corrupt(path=folder, why=f"segment {number + 1:010}.log is missing")
