"""Journal scanner: the segments of a journal, and the frames in them that count.

It knows files and frames. It changes nothing. Recovery, the journal reader, and the repair read segments through it.

Invariant: a group of frames counts only once its last frame is there. The last group in the file can be incomplete.
"""

from __future__ import annotations

import errno
import os

from .. import home_files
from ..errors import Corrupt, NewerFormat
from ..light_types import NamedTuple
from ..model import events
from ..system import file_io
from . import journal_format
from .journal_format import MORE, SEGMENT_HEADER_BYTES, Frame, Scan, SegmentHeader

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterator


class Segment(NamedTuple):
    """One segment. A first sequence of 0 means that nobody opened it, because nobody needs its events."""

    path: str
    number: int
    first_sequence: int = 0
    version: int = 0


class Scanner:
    """Read the frames of a journal that reach behind a position, oldest first.

    `next_sequence` is the sequence after the last whole group that `frames` has read. That group ends at byte
    `good_end` of its segment, and `tail` has the bytes behind it.
    """

    def __init__(self, folder: str, position: int) -> None:
        """Find the segments. Open only those that reach behind `position`, from the last one back.

        Raises: Corrupt, NewerFormat.
        """
        self.folder = folder
        self.log_id = 0
        self.segments: list[Segment] = []
        for path in reversed(segment_paths(folder)):
            number = int(os.path.basename(path)[:10])
            if self.segments and self.segments[0].first_sequence <= position + 1:
                self.segments.insert(0, Segment(path, number))
                continue
            try:
                header = read_header(path)
            except FileNotFoundError:  # the writer has removed it and the older ones
                break
            if self.segments and header.log_id != self.log_id:
                raise Corrupt(path=path, why="it belongs to another journal")
            if header.number != number:
                raise Corrupt(path=path, why=f"it is segment {header.number} under another name")
            self.log_id = header.log_id
            self.segments.insert(0, Segment(path, number, header.first_sequence, header.version))
        self._position = position
        self._needed = [segment for segment in self.segments if segment.first_sequence]
        self.next_sequence = self._needed[0].first_sequence if self._needed else 1
        self.good_end = 0
        self.tail = b""

    def frames(self, synced: bool = False) -> Iterator[Frame]:
        """Yield the frames. With `synced`, first sync those that the writer may not have synced yet.

        The error is FileNotFoundError if the writer has removed a segment meanwhile.

        Raises: Corrupt, StorageFailed, OSError.
        """
        for segment, successor in zip(self._needed, [*self._needed[1:], None]):
            with open(segment.path, "rb", opener=file_io.open_owned) as file:
                data = file_io.read_from(file)
                scan = journal_format.scan(data, self.log_id, segment.first_sequence)
                if synced:
                    self._fsync_new(file.fileno(), segment.path, scan)
            self.good_end = SEGMENT_HEADER_BYTES
            group: list[Frame] = []
            for frame in scan.frames:
                group.append(frame)
                if not frame.flags & MORE:
                    self.next_sequence, self.good_end = frame.next_sequence, frame.end
                    yield from (part for part in group if part.next_sequence > self._position + 1)
                    group.clear()
            self.tail = data[self.good_end :]
            _check_end(segment, data, scan, successor)

    def _fsync_new(self, descriptor: int, path: str, scan: Scan) -> None:
        """Sync the frames of a segment if any of them can be only in the page cache.

        After a power cut, other facts would get the numbers of lost ones, and a reader's cursor would skip them.

        Raises: StorageFailed.
        """
        known = max((frame.synced + 1 for frame in scan.frames), default=0)
        if scan.next_sequence > max(known, self._position + 1, self.next_sequence):
            try:
                file_io.fsync(descriptor)
            except OSError as fault:
                if fault.errno not in (errno.EROFS, errno.EINVAL):  # a read-only disk has nothing to sync
                    raise file_io.failure(path, fault) from fault


def segment_paths(folder: str) -> list[str]:
    """Return the segments in a journal's folder, oldest first; none if the folder does not exist."""
    return [os.path.join(folder, name) for name in file_io.names_in(folder) if home_files.is_segment(name)]


def read_segment(path: str, size: int = -1) -> tuple[SegmentHeader | None, bytes]:
    """Return the header of a segment, None if it is damaged, and the first `size` bytes; all bytes by default.

    Raises: NewerFormat, OSError.
    """
    data = file_io.read(path, size)
    header = journal_format.decode_segment_header(data)
    if header is not None and header.version > journal_format.VERSION:
        raise NewerFormat(path=path, found=f"format {header.version}", known=journal_format.VERSION)
    return header, data


def read_header(path: str) -> SegmentHeader:
    """Return the header of a segment. A bad one is damage: a segment gets its name after its header is synced.

    Raises: Corrupt, NewerFormat, OSError.
    """
    header, _ = read_segment(path, SEGMENT_HEADER_BYTES)
    if header is None:
        raise Corrupt(path=path, why="its header is unreadable")
    return header


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


def _check_end(segment: Segment, data: bytes, scan: Scan, successor: Segment | None) -> None:
    """Check that the missing end of a segment was not synced, and that the next segment continues this one.

    Raises: Corrupt.
    """
    if successor is not None and scan.next_sequence != successor.first_sequence:
        last = successor.first_sequence - 1
    elif scan.witness is not None:
        last = min(scan.witness.synced, scan.witness.sequence - 1)
    else:
        return
    end = len(data) if scan.witness is None else scan.good_end + scan.witness.start
    ids = events.ids_in(data[scan.good_end : end])
    named = f", of jobs {', '.join(ids[:5])}{' and others' if len(ids) > 5 else ''}," if ids else ""
    why = f"acknowledged events {scan.next_sequence} to {last}{named} are unreadable (offset {scan.good_end})"
    raise Corrupt(path=segment.path, why=why)
