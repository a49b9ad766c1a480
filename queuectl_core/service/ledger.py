"""Ledger: engine, journal and store of a home, joined. Whoever holds the writer lock has one; nobody else does.

    decide   engine.handle; the events are kept for the next `write`. New jobs are refused while the disk is full
    write    all that was decided since goes into the journal as one frame: now it may be acted upon
    sync     now it may be answered
    tend     a slice of checkpoint, a new segment: what keeps journal and memory bounded

Knows the order in which these must happen, not who asks. The trap: after StorageFailed nothing here is true any more.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from .. import home_files
from ..engine.bulk import Load
from ..engine.engine import Engine
from ..errors import Corrupt, DiskFull, StorageFailed
from ..home import Home
from ..model import events
from ..model.commands import (
    Command,
    Continue,
    Dispatch,
    Enqueue,
    Finish,
    Import,
    Locate,
    Prune,
    Release,
    RunSchedule,
    ShiftClock,
    Tick,
)  # fmt: skip
from ..storage.backends import open_store
from ..storage.journal import Journal, TornTail, events_of, open_journal, segment_paths
from ..storage.reserve import SPACE, Reserve
from ..storage.store_upgrade import upgraded
from ..system import durable_files
from ..system.time_zones import zone_of
from ..table.job_table import JobTable
from ..table.store import Store

CHANGED_LIMIT = 10_000
"""So many changed jobs may wait in memory for the store before slices of them are moved there."""

JOB_BYTES = 2048
"""What a job takes up beside twice its command, in journal and store together."""

SLICE = 250
"""Jobs moved into the store at a time (about 5 ms), where others wait."""

KEPT_BYTES = 16 * 1024 * 1024
"""So much of the journal stays although the store has it: for those who read events behind us."""

_NEEDED = frozenset((Continue, Dispatch, Finish, Locate, Prune, Release, ShiftClock, Tick))
"""What nobody asks for, or somebody must: what runs ends, and time goes by. The reserve is for these."""

WORTH_A_SEGMENT = 32 * 1024
"""The next opening reads up to so many bytes of the journal (half a millisecond) rather than have a segment a stop."""

RELIEF = 5000
"""The same, where nobody does."""


class Ledger:
    def __init__(self, home: Home, read_only: bool = False) -> None:
        """Recovers what is on the disk; `read_only`: in memory alone, to be looked at and not decided upon.

        Raises Corrupt, NewerFormat, NoBackend, DiskFull, StorageFailed.
        """
        self._store = _opened_store(home, read_only)
        self._home = home
        self._reserve = Reserve(home.reserve)
        try:
            self.table = JobTable(self._store)
            self.engine = Engine(self.table, zone_of)
            self.journal: Journal = self._replay(home, read_only)
            if not read_only and self.table.log_id != self.journal.name:
                self._mark_store()
            self.is_short = not read_only and not self._reserve.make_whole()
            """The disk is full, or was when this was last looked at: nothing new is begun."""
            self._reserve.check_limit()
        except BaseException:
            self._store.close()
            raise
        self._decided: list[events.Event] = []
        self._written: list[events.Event] = []
        self._checkpoint_goal = 0

    @property
    def torn(self) -> TornTail | None:
        return self.journal.torn

    def decide(self, command: Command, now_ms: int) -> Any:
        """The engine's answer to a command. Raises QueueError when it refuses; DiskFull for new jobs without room, and
        for a change that would use up what is held back for the ends of what runs.
        """
        new = _new_jobs(command)
        if new and not (self.has_room() and self._has_room_for(new)):
            raise DiskFull(path=self._home.path)
        step = self.engine.handle(command, now_ms, None if new or type(command) in _NEEDED else self._weigh)
        self._decided += step.events
        return step.reply

    def _weigh(self, happened: Sequence[events.Event]) -> None:
        """Raises DiskFull where neither the disk nor the half of the reserve bears this."""
        size = len(events.encode([*self._decided, *happened]))
        if not (self._reserve.has_room_for(2 * size) or self._reserve.can_spare(size)):
            raise DiskFull(path=self._home.path)

    def add_to_load(self, load: Load, specs: list[object], cwd: str, now_ms: int) -> list[str]:
        """The ids of some more jobs of a load that the engine has begun. Raises QueueError; the load is then void."""
        ids = self.engine.add_to_load(load, specs, cwd, now_ms)
        if not (self.has_room() and self._reserve.has_room_for(2 * load.bytes + load.count * JOB_BYTES)):
            raise DiskFull(path=self._home.path)
        return ids

    def commit_load(self, load: Load, now_ms: int) -> None:
        """Written, and in the queue.

        Raises DuplicateJob, KeyTaken, DiskFull, with nothing of it kept; StorageFailed when what was decided before it
        cannot be written.
        """
        try:
            self._write_decided()
        except DiskFull as fault:  # no refusal of this load: the engine is ahead of the journal, and answers are owed
            raise StorageFailed(path=self.journal.folder, why="the disk is full") from fault

        def write(follows: list[events.Event]) -> None:
            last = [(len(follows), events.encode(follows))] if follows else []
            self.journal.append_frames([*load.parts, *last])
            self._written += follows

        self.engine.commit_load(load, now_ms, write)

    def has_room(self) -> bool:
        """Whether something new may be begun; looks again when it was not so."""
        if self.is_short:
            self.is_short = not self._reserve.make_whole()
        return not self.is_short

    def note_full_disk(self) -> None:
        """Somebody else has found no room on the disk, so nothing new is begun until there is some."""
        if not self.is_short:
            self.is_short = True
            self._reserve.give_up_some()  # what says so to whoever looks at the home

    def shortage(self) -> str | None:
        """What the disk lacks, as `Reserve.lack` says it; None while new runs may begin."""
        return (self._reserve.lack() or SPACE) if self.is_short else None

    def has_decided(self) -> bool:
        return bool(self._decided)

    def write(self) -> list[events.Event]:
        """Journals what was decided, and returns all that was since the last time. Raises DiskFull or StorageFailed:
        the decisions are then void, and so is this ledger, for the engine has gone ahead of the journal.
        """
        self._write_decided()
        written, self._written = self._written, []
        return written

    def _write_decided(self) -> None:
        decided, self._decided = self._decided, []
        while decided:
            try:
                self.journal.append(decided)
                break
            except DiskFull:
                self.is_short = True
                if not self._reserve.give_up_some():
                    raise
        self._written += decided

    def sync(self) -> None:
        self.journal.sync()

    def tend(self) -> bool:
        """Does a little of what is due; True when more of it is due at once."""
        if self.journal.rotate_if_full():
            self._checkpoint_goal = self.engine.sequence
        behind = self.table.position < self._checkpoint_goal or self.table.segment < self.journal.number
        if self.is_short or not (behind or self.table.changed_count > CHANGED_LIMIT):
            return False
        self._flush(SLICE)
        self._free_if_due()
        return True

    def relieve(self, limit: int) -> None:
        """For a ledger that is opened for a moment only: when more than `limit` jobs wait for the store, it moves
        them all.
        """
        self.journal.rotate_if_full()
        if self.table.changed_count > limit or self.table.segment < self.journal.number:
            self._flush_all()

    def checkpoint(self) -> None:
        """Moves everything into the store, and begins the journal anew if it is worth a segment."""
        self._flush_all()
        if self.journal.size >= WORTH_A_SEGMENT and self.journal.rotate():
            self._flush(0)
        self._free()

    def close(self) -> None:
        self.journal.close()
        self._store.close()

    def _has_room_for(self, specs: list[object]) -> bool:
        """Many jobs are weighed beforehand; one fits, or the reserve bears it."""
        if len(specs) == 1:
            return True
        texts = [text for spec in specs if isinstance(spec, dict) for text in spec.values() if isinstance(text, str)]
        return self._reserve.has_room_for(2 * sum(map(len, texts)) + len(specs) * JOB_BYTES)

    def _flush_all(self) -> None:
        """At least once, for the position and the settings move with it."""
        self._flush(RELIEF)
        while self.table.changed_count and not self.is_short:
            self._free_if_due()
            self._flush(RELIEF)
        self._free_if_due()

    def _flush(self, limit: int) -> None:
        """The write-ahead rule: the store must never know what the journal could lose; so everything that was decided
        is written, and that synced, before. A store without room leaves the work to a later slice; nothing is lost.
        """
        if self._decided:
            raise AssertionError("the store must not get ahead of the journal")
        self.sync()
        self.table.segment = self.journal.number
        try:
            self.table.flush(limit, self.engine.sequence)
        except DiskFull:
            self.is_short = True

    def _free_if_due(self) -> None:
        if self._store.sync_is_due(self.journal.bytes_to_free(self.table.position, KEPT_BYTES)):
            self._free()

    def _free(self) -> None:
        try:
            self._store.sync()
        except DiskFull:
            return
        self.journal.free(self.table.position, KEPT_BYTES)

    def _mark_store(self) -> None:
        """Note in a store that belongs to no journal yet that it belongs to this one, so that neither is missed in
        silence.
        """
        self.table.log_id, self.table.segment = self.journal.name, self.journal.number
        self.table.flush(0, self.engine.sequence)
        self._store.sync()

    def _replay(self, home: Home, read_only: bool) -> Journal:
        try:
            _check_traces(home, self.table)
            table = self.table
            journal, frames = open_journal(home.journal, table.position, table.ahead, read_only, table.log_id)
            if journal.number < table.segment:
                raise Corrupt(path=home.journal, why=f"segment {table.segment:010}.log is missing")
            for frame in frames:
                self.engine.replay(events_of(frame, home.journal), frame.sequence)
        except OSError as fault:
            raise durable_files.failure(home.journal, fault) from fault
        except (ValueError, TypeError, KeyError) as fault:
            raise Corrupt(path=home.journal, why=f"an event cannot be applied ({fault!r})") from fault
        return journal


def _new_jobs(command: Command) -> list[object]:
    """What a command wants to add; of a schedule, something."""
    if type(command) is Enqueue:
        return command.specs
    if type(command) is Import:
        return command.jobs
    return [None] if type(command) is RunSchedule else []


def _opened_store(home: Home, read_only: bool) -> Store:
    """As this version keeps it. Raises NoBackend, Corrupt, NewerFormat, StorageFailed."""
    try:
        store = open_store(home.store, os.environ.get("QUEUECTL_STORE"), read_only)
    except OSError as fault:
        raise durable_files.failure(home.store, fault) from fault
    try:
        if store.is_old and not read_only:
            store.seal_old()
        return upgraded(store, read_only)
    except BaseException:
        store.close()
        raise


def _check_traces(home: Home, table: JobTable) -> None:
    """Refuse to begin a queue where there was one. Raises Corrupt.

    A home is made with empty folders; output in `logs/` shows that a journal and a store have been lost, both.
    """
    if table.log_id or segment_paths(home.journal):
        return
    if any(map(home_files.is_output_file, durable_files.names_in(home.logs))):
        raise Corrupt(path=home.journal, why="journal and store are missing, but logs/ has job output")
