"""Salvage: a new home from the readable parts of a damaged one, which stays unchanged.

It takes every readable record of the store, then every undamaged frame of the journal in order, despite gaps.
If a lost event makes a later one impossible, the job is changed to fit and reported.
Knows the files of both homes. Does not decide anything else about jobs.

Invariant: events after a gap are facts.
Even if the start of a job is lost, the job must not run again after it has succeeded.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, NamedTuple

from .. import home_files
from ..engine.engine import Engine
from ..engine.transitions import TRANSITIONS
from ..errors import BadHome, Busy, Corrupt, NewerFormat, QueueError
from ..home import Home
from ..model import events
from ..model.events import Event, JobEvent
from ..model.job import PROCESSING, STATES, Job
from ..storage import journal_format
from ..storage.backends import open_store
from ..storage.journal import Journal
from ..storage.journal_format import MORE, SEGMENT_HEADER_BYTES
from ..storage.journal_scanner import events_of, read_segment, segment_paths
from ..system import file_io, lockfile
from ..table.index_keys import state_key_of
from ..table.job_table import JobTable

if TYPE_CHECKING:
    from ..model.records import Attempt


DAMAGED = "one of its events is damaged"


class Salvaged(NamedTuple):
    """The number of jobs kept, the ranges of lost events, and what each affected job lost."""

    kept: int
    lost_events: list[tuple[int, int]]
    affected: dict[str, str]


def salvage(home: Home, target: Home) -> Salvaged:
    """Create the home `target`, which must not exist, from a damaged home.

    Busy means that the damaged home is in use.

    Raises: BadHome, Busy, NewerFormat, DiskFull, StorageFailed.
    """
    if os.path.lexists(target.path):
        raise BadHome(path=target.path, why="it already exists; --repair needs a new folder")
    home.check()
    lock = lockfile.acquire(home.lock)
    if lock is None:
        raise Busy(what=f"{home.lock} is held; stop the workers first")
    try:
        _refuse_living_workers(home)
        _refuse_newer(home)
        target.prepare()
        return _fill(home, target)
    finally:
        os.close(lock)


def _fill(home: Home, target: Home) -> Salvaged:
    """Fill a new home, and return what was saved."""
    store = open_store(target.store)
    table = JobTable(store)
    affected: dict[str, str] = {}
    _take_store(home, table, affected)
    engine = Engine(table)
    lost = _take_journal(home, engine, affected)
    journal = Journal.begin(target.journal, engine.sequence + 1)
    table.log_id = journal.name
    while table.flush(table.changed_count, engine.sequence):
        pass
    store.sync()
    store.close()
    journal.close()
    _copy_files(home, target)
    return Salvaged(sum(table.counts[state] for state in STATES), lost, affected)


def _refuse_living_workers(home: Home) -> None:
    """Refuse a home whose workers or runs still live.

    Raises: Busy.
    """
    for name in filter(home_files.is_worker_file, file_io.names_in(home.run)):
        if name.endswith((".lock", ".tree")) and lockfile.is_held(os.path.join(home.run, name)):
            raise Busy(
                what=f"processes of worker {name.rpartition('.')[0]} are still running; wait for them, or end them"
            )


def _refuse_newer(home: Home) -> None:
    """Refuse a home of a newer version, because it is not damaged.

    Raises: NewerFormat.
    """
    for path in segment_paths(home.journal):
        read_segment(path, SEGMENT_HEADER_BYTES)
    try:
        with closing(open_store(home.store, read_only=True)) as store:
            JobTable(store)
    except NewerFormat:
        raise
    except QueueError:  # the store is damaged
        pass


def _take_store(home: Home, table: JobTable, affected: dict[str, str]) -> None:
    """Copy every readable record into the new table. The journal adds what follows the store's position."""
    try:
        with closing(open_store(home.store, read_only=True)) as old:
            for key, value in old.checked():
                if key == b"meta":
                    _take_meta(value, table, affected)
                elif isinstance(key, bytes) and key.startswith(b"job/"):
                    _take_record(key[4:].decode("utf-8", "replace"), value, table, affected)
                elif isinstance(key, bytes) and key.startswith(b"times/"):
                    with suppress(ValueError, TypeError):  # then it is unknown when the batch ran
                        table.batch_times.take(key[6:].decode(), value or b"")
                elif isinstance(key, bytes) and key.startswith(b"metrics/"):
                    with suppress(ValueError, TypeError):  # then the counters begin again
                        table.metrics.take(key[8:].decode(), value or b"")
    except QueueError as fault:
        affected["(store)"] = f"cannot read all of the store: {fault}"


def _take_meta(value: bytes | None, table: JobTable, affected: dict[str, str]) -> None:
    """Copy the settings, queues, and schedules, and the position of the old store."""
    try:
        meta = json.loads(value or b"")
        table.settings.update(meta["settings"])
        table.queues.update(meta.get("queues", {}))
        table.schedules.update(meta.get("schedules", {}))
        table.clock_shift_ms = meta.get("clock_shift_ms", 0)
        table.next_number = max(table.next_number, meta["next_number"])
        table.position = meta["position"]
    except (ValueError, TypeError, KeyError, AttributeError):
        affected["(store)"] = "its record of position and settings is unreadable"


def _take_record(id: str, value: bytes | None, table: JobTable, affected: dict[str, str]) -> None:
    """Copy one job."""
    try:
        job = Job(**json.loads(value or b""))
        state_key_of(job)
    except (ValueError, TypeError, AttributeError):
        affected[id] = "its record in the store is unreadable"
        return
    table.add(job)
    table.reindex(job)
    table.ahead = max(table.ahead, job.revision)  # the record includes all events up to this one


def _take_journal(home: Home, engine: Engine, affected: dict[str, str]) -> list[tuple[int, int]]:
    """Apply every undamaged frame after the store's position, and return the ranges of missing events."""
    lost: list[tuple[int, int]] = []
    engine.sequence = engine.table.position
    for path in segment_paths(home.journal):
        header, data = read_segment(path)
        if header is None:
            _note(data, f"some of its events are in {path}, whose header is damaged", affected)
            continue
        frames = list(journal_format.find_frames(data, header.log_id))
        while frames and frames[-1].flags & MORE:  # an unfinished load at the end, which was never acknowledged
            frames.pop()
        good = SEGMENT_HEADER_BYTES
        for frame in frames:
            _note(data[good : frame.start], DAMAGED, affected)
            good = frame.end
            if frame.sequence > engine.sequence + 1:
                lost.append((engine.sequence + 1, frame.sequence - 1))
            for sequence, event in enumerate(events_of(frame, path), frame.sequence):
                if sequence > engine.sequence:
                    _apply(engine, event, sequence, affected)
        _note(data[good:], DAMAGED, affected)
    return lost


def _note(damaged: bytes, what: str, affected: dict[str, str]) -> None:
    """Note what happened to all jobs that these bytes name."""
    affected.update(dict.fromkeys(events.ids_in(damaged), what))


def _apply(engine: Engine, event: Event, sequence: int, affected: dict[str, str]) -> None:
    """Apply an event. If the state of its job does not allow it, change the job first."""
    engine.sequence = sequence - 1
    try:
        engine.replay([event], sequence)
    except Corrupt:
        if _make_fit(engine, event, sequence, affected):  # type: ignore[arg-type]  # others are always possible
            engine.sequence = sequence - 1
            engine.replay([event], sequence)


def _make_fit(engine: Engine, event: JobEvent, sequence: int, affected: dict[str, str]) -> bool:
    """Change a job to a state that allows the event; return False if nothing is left of the job."""
    job = engine.table.for_update(event.id, sequence)
    if job is None:
        affected[event.id] = "its enqueue event is lost; only its ID is left"
        return False
    affected[job.id] = f"it was {job.state} at event {events.name_of(event)}; the events between are lost"
    job.state = TRANSITIONS[type(event)][0][0]
    if job.state == PROCESSING and (not job.history or "outcome" in job.history[-1]):
        job.attempts += 1
        started: Attempt = {"attempt": job.attempts, "run": 0, "worker": "(lost)", "started_ms": event.at_ms}
        job.history = [*job.history, started]
    engine.table.reindex(job)
    return True


def _copy_files(home: Home, target: Home) -> None:
    """Copy job output, and the results that workers have left. The new home harvests them later."""
    names = [name for name in file_io.names_in(home.run) if home_files.is_worker_file(name)]
    files = [name for name in names if os.path.isfile(os.path.join(home.run, name))]
    _copy((name for name in files if name.endswith(".outcome")), home.run, target.run)
    _copy(filter(home_files.is_output_file, file_io.names_in(home.logs)), home.logs, target.logs)
    file_io.fsync_folder(target.path)


def _copy(names: Iterable[str], folder: str, target: str) -> None:
    """Copy files with mode 0600, and keep their times, because retention depends on them."""
    for name in names:
        source, copy = os.path.join(folder, name), os.path.join(target, name)
        with open(source, "rb", opener=file_io.open_owned) as old, open(file_io.make_file(copy), "wb") as new:
            shutil.copyfileobj(old, new)
            status = os.fstat(old.fileno())
        os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
