"""Journal reader: the facts of a home from its journal, for readers while others write.

It knows files and frames. It changes nothing, but syncs the facts that it returns.

The journal's sequence is a cursor that survives restarts: a reader that has the facts up to N asks for those behind N.
The journal has the events that the store still needs, and up to `ledger.KEPT_BYTES` of older ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from ..errors import Corrupt, EventsExpired
from ..home import Home
from ..model import events
from ..system import lockfile
from ..timestamps import utc
from .journal_format import Frame
from .journal_scanner import Scanner, events_of, read_header, segment_paths

Fact = dict[str, Any]

END = 2**62
"""A sequence that no journal reaches."""


def journal_folder(home: Home) -> str:
    """Return the folder of this home's journal. Corrupt means that the home has lost its journal.

    A home that another process is creating has no journal yet; that process holds the lock.

    Raises: BadHome, Corrupt.
    """
    is_begun = home.exists() and home.has_begun()
    if is_begun and not segment_paths(home.journal) and not lockfile.is_held(home.lock):
        raise Corrupt(path=home.journal, why="it has no segments")
    return home.journal


def first_known(folder: str) -> int:
    """Return the sequence of the oldest event in the journal; 1 if there is no journal yet.

    Raises: Corrupt, NewerFormat.
    """
    for path in segment_paths(folder):
        try:
            return read_header(path).first_sequence
        except FileNotFoundError:  # the writer has removed it meanwhile
            pass
    return 1


def last_known(folder: str) -> int:
    """Return the sequence of the newest event in the journal, which may not be synced yet; 0 if there is none.

    Raises: Corrupt, NewerFormat, EventsExpired.
    """
    scanner = Scanner(folder, END)
    try:
        for _ in scanner.frames():
            pass
    except FileNotFoundError:  # the writer has removed the segment meanwhile
        raise EventsExpired(after=END, first=first_known(folder)) from None
    return scanner.next_sequence - 1


def read(
    folder: str, after: int, of_jobs: Collection[str] | None = None, synced: bool = True
) -> Iterator[Fact]:
    """Yield the facts behind sequence `after`, oldest first, up to the current end of the journal.

    `of_jobs` limits them to these jobs. EventsExpired means that the journal no longer has some of them.
    Without `synced`, a power cut can take back facts, and give their numbers to others.

    Raises: EventsExpired, NewerFormat.
    """
    mark = b"" if of_jobs is None or len(of_jobs) != 1 else f'"{next(iter(of_jobs))}"'.encode()
    for frame in _frames(folder, after, synced):
        if mark not in frame.payload:
            continue
        for sequence, event in enumerate(events_of(frame, folder), frame.sequence):
            if sequence > after and (of_jobs is None or getattr(event, "id", None) in of_jobs):
                yield _fact(sequence, event)


def read_frames(folder: str, after: int) -> Iterator[tuple[int, list[events.Event]]]:
    """Yield the events behind sequence `after`, one frame at a time, each with its first sequence.

    The first frame can begin before `after`.

    Raises: EventsExpired, NewerFormat.
    """
    for frame in _frames(folder, after):
        yield frame.sequence, events_of(frame, folder)


def _fact(sequence: int, event: events.Event) -> Fact:
    """Return an event as users see it: `seq`, `event`, `at`, then its own fields; an ending is an object.

    The environment of a call can hold secrets, so no event shows it.
    """
    fields = event._asdict()
    for shown in (fields, fields.get("fields")):  # an imported job is in `fields`
        if isinstance(shown, dict) and "environ" in (shown.get("options") or ()):
            shown["options"] = {name: value for name, value in shown["options"].items() if name != "environ"}
    at_ms = fields.pop("at_ms")
    if fields.get("ending") is not None:
        fields["ending"] = fields["ending"]._asdict()
    return {"seq": sequence, "event": events.name_of(event), "at": utc(at_ms), **fields}


def _frames(folder: str, after: int, synced: bool = True) -> Iterator[Frame]:
    """Yield whole groups of frames from the segments that reach behind `after`, with `synced` all of them synced.

    Raises: EventsExpired, Corrupt, NewerFormat, StorageFailed.
    """
    scanner = Scanner(folder, after)
    if scanner.next_sequence > after + 1:
        raise EventsExpired(after=after, first=scanner.next_sequence)
    try:
        yield from scanner.frames(synced)
    except FileNotFoundError:  # the writer has removed a segment meanwhile
        raise EventsExpired(after=max(after, scanner.next_sequence - 1), first=first_known(folder)) from None
