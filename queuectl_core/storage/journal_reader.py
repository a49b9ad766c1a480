"""Journal reader: the facts of a home from its journal, for readers while others write.

It knows files and frames. It changes nothing, but syncs the facts that it returns.

The journal's sequence is a cursor that survives restarts: a reader that has the facts up to N asks for those behind N.
The journal has the events that the store still needs, and up to `ledger.KEPT_BYTES` of older ones.

Invariant: a group of frames counts only once its last frame is there. The last group in the file can be incomplete.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

from ..errors import Corrupt, EventsExpired
from ..home import Home
from ..model import events
from ..system import file_io, lockfile
from ..timestamps import utc
from . import journal_format
from .journal import check_version, events_of, segment_paths
from .journal_format import MORE, Frame, Scan

Fact = dict[str, Any]


def folder_of(home: Home) -> str:
    """Return the folder of this home's journal. Corrupt means that the home has lost its journal.

    A home that another process is creating has no journal yet; that process holds the lock.

    Raises: BadHome, Corrupt.
    """
    is_begun = home.exists() and home.has_begun()
    if is_begun and not segment_paths(home.journal) and not lockfile.is_held(home.lock):
        raise Corrupt(path=home.journal, why="it has no segments")
    return home.journal


def first_known(folder: str) -> int:
    """Return the sequence of the oldest event in the journal; 1 if there is no journal yet."""
    paths = segment_paths(folder)
    header = _header(paths[0]) if paths else None
    return 1 if header is None else header.first_sequence


def read(folder: str, after: int, of_job: str | None = None) -> Iterator[Fact]:
    """Yield the facts behind sequence `after`, oldest first, up to the current end of the journal.

    `of_job` limits them to one job. EventsExpired means that the journal no longer has some of them.

    Raises: EventsExpired, NewerFormat.
    """
    first = first_known(folder)
    if after + 1 < first:
        raise EventsExpired(after=after, first=first)
    mark = None if of_job is None else f'"{of_job}"'.encode()
    for frame in _frames(folder, after):
        if mark is not None and mark not in frame.payload:
            continue
        for sequence, event in enumerate(events_of(frame, folder), frame.sequence):
            if sequence > after and (of_job is None or getattr(event, "id", None) == of_job):
                yield fact(sequence, event)


def as_they_stand(folder: str, after: int) -> Iterator[tuple[int, list[events.Event]]]:
    """Yield the events behind sequence `after`, one frame at a time, each with its first sequence.

    The first frame can begin before `after`.

    Raises: EventsExpired, NewerFormat.
    """
    for frame in _frames(folder, after):
        yield frame.sequence, events_of(frame, folder)


def fact(sequence: int, event: events.Event) -> Fact:
    """Return an event as users see it: `seq`, `event`, `at`, then its own fields; an ending is an object."""
    fields = event._asdict()
    at_ms = fields.pop("at_ms")
    if fields.get("ending") is not None:
        fields["ending"] = fields["ending"]._asdict()
    return {"seq": sequence, "event": events.name_of(event), "at": utc(at_ms), **fields}


def _frames(folder: str, after: int) -> Iterator[Frame]:
    """Yield whole groups of frames from the segments that reach behind `after`, all of them synced."""
    expected = after + 1
    for n, (path, header) in enumerate(_segments(folder, after)):
        if header.first_sequence > expected and n == 0:
            raise EventsExpired(after=expected - 1, first=header.first_sequence)
        if header.first_sequence > expected:
            raise _damage(path, expected, header.first_sequence - 1)
        group: list[Frame] = []
        scan = _synced_scan(path, header, expected - 1)
        for frame in scan.frames:
            group.append(frame)
            if not frame.flags & MORE:
                yield from (part for part in group if part.next_sequence > after + 1)
                expected = max(expected, frame.next_sequence)
                group.clear()
        if scan.witness is not None:
            raise _damage(path, expected, min(scan.witness.synced, scan.witness.sequence - 1))


def _damage(path: str, first: int, last: int) -> Corrupt:
    return Corrupt(path=path, why=f"events {first} to {last} are unreadable")


def _segments(folder: str, after: int) -> list[tuple[str, journal_format.SegmentHeader]]:
    """Return the segments that reach behind `after`, oldest first. It starts at the last, and opens no older one."""
    found = []
    for path in reversed(segment_paths(folder)):
        header = _header(path)
        if header is not None:
            found.append((path, header))
            if header.first_sequence <= after + 1:
                break
    return found[::-1]


def _synced_scan(path: str, header: journal_format.SegmentHeader, after: int) -> Scan:
    """Read the frames of a segment, and sync those that the writer may not have synced yet.

    After a power cut, other facts would get the numbers of lost ones, and a reader's cursor would skip them.
    EventsExpired means that the segment was freed meanwhile. StorageFailed means that the sync failed.

    Raises: EventsExpired, StorageFailed.
    """
    try:
        with open(path, "rb", opener=file_io.owned) as file:
            data = file.read()
            scan = journal_format.scan(data, header.log_id, header.first_sequence)
            frames = scan.frames
            known = max((frame.synced for frame in frames), default=0)
            if frames and frames[-1].next_sequence - 1 > max(known, after):
                _sync(path, file.fileno())
    except FileNotFoundError:
        raise EventsExpired(after=after, first=header.first_sequence) from None
    return scan


def _sync(path: str, descriptor: int) -> None:
    try:
        file_io.fsync(descriptor)
    except OSError as fault:
        if fault.errno not in (errno.EROFS, errno.EINVAL):  # a read-only disk has nothing to sync
            raise file_io.failure(path, fault) from fault


def _header(path: str) -> journal_format.SegmentHeader | None:
    try:
        with open(path, "rb", opener=file_io.owned) as file:
            header = journal_format.decode_segment_header(file.read(journal_format.SEGMENT_HEADER_BYTES))
    except FileNotFoundError:
        return None
    if header is None:
        raise Corrupt(path=path, why="its header is unreadable")
    check_version(path, header)
    return header
