"""Ledger: the engine, journal, and store of a home, joined.

    decide    passes a command to the engine, keeps the events; refuses new jobs while the disk is full
    write     appends the events to the journal as one frame; you may now act on them
    sync      makes them durable; you may now answer requests
    maintain  does a slice of a checkpoint or begins a segment, to bound journal and memory

Knows the order of these steps. Does not know who asks.

Invariant: only the holder of the writer lock has a writable ledger.
Invariant: after StorageFailed, the ledger is invalid, because the engine is ahead of the journal.
"""

from __future__ import annotations

import os

from .. import home_files
from ..engine.bulk import Load
from ..engine.engine import Engine
from ..errors import Corrupt, DiskFull, StorageFailed
from ..home import Home
from ..model import commands, events
from ..model.settings import of_variables
from ..storage.backends import open_store
from ..storage.journal import Journal, Known, TornTail, recover
from ..storage.journal_format import Frame
from ..storage.journal_scanner import events_of, segment_paths
from ..storage.reserve import SPACE, Reserve
from ..storage.store_upgrade import upgraded
from ..system import file_io, load
from ..system.clock import now_ms
from ..system.time_zones import zone_of
from ..table.job_table import JobTable

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from ..model.commands import Command
    from ..table.store import Store

CHANGED_LIMIT = 10_000
"""The most changed jobs in memory before `maintain` moves slices of them into the store."""

JOB_BYTES = 2048
"""Bytes that a job needs in journal and store, in addition to twice its command."""

SLICE = 250
"""Jobs that one slice moves into the store while clients wait. A slice takes about 5 ms."""

KEPT_BYTES = 16 * 1024 * 1024
"""Bytes of the journal that stay after a checkpoint, for programs that read the events later."""

_NEEDED = frozenset(
    (commands.Continue, commands.Dispatch, commands.Finish, commands.FireSchedules)
    + (commands.Locate, commands.Prune, commands.Release, commands.ShiftClock)
)
"""Commands that must work on a full disk: they end runs, or let time pass."""

WORTH_A_SEGMENT = 32 * 1024
"""Journal size in bytes from which a checkpoint begins a new segment.

Replaying a smaller journal takes about half a millisecond, less than a new segment costs at every stop.
"""

RELIEF = 5000
"""Jobs that one slice moves into the store while nobody waits."""


class Ledger:
    """The joined engine, journal, and store of one home."""

    find_prefetched: Callable[[], Collection[str]] | None = None
    """Return the IDs of the jobs whose runs wait in workers; a supervisor sets this."""

    def __init__(self, home: Home, read_only: bool = False) -> None:
        """Recover the home from the disk. With `read_only`, recover it in memory, only for reads.

        Raises: Corrupt, NewerFormat, NoBackend, DiskFull, StorageFailed.
        """
        self._store = _opened_store(home, read_only)
        self._home = home
        self._reserve = Reserve(home.reserve)
        try:
            self.table: JobTable = JobTable(self._store)
            self.engine = Engine(self.table, zone_of)
            self.engine.scheduler.measure_load = load.average
            self.engine.scheduler.measure_memory = load.free_memory
            self.journal: Journal = self._replay(home, read_only)
            if not read_only and self.table.log_id != self.journal.name:
                self._mark_store()
            self.is_short = not read_only and not self._reserve.make_whole()
            """Whether the disk was full at the last check. While it is, nothing new begins."""
            self._reserve.check_limit()
        except BaseException:
            self._store.close()
            raise
        self._decided: list[events.Event] = []
        self._written: list[events.Event] = []
        self._checkpoint_goal = 0
        if not read_only and not self.engine.sequence:
            self._set_up()

    def _set_up(self) -> None:
        """Give a new home the settings that the variables of this process name.

        Raises: InvalidInput.
        """
        for key, value in of_variables(os.environ).items():
            self.decide(commands.ChangeSetting(key, value), now_ms())

    def prefetched(self) -> Collection[str]:
        """Return the IDs of the jobs whose runs wait in workers, so that these jobs do not run yet."""
        return () if self.find_prefetched is None else self.find_prefetched()

    @property
    def torn(self) -> TornTail | None:
        """Return the torn tail that recovery has set aside, or None."""
        return self.journal.torn

    def decide(self, command: Command, now_ms: int) -> Any:
        """Return the engine's reply to a command, and keep its events for `write`.

        DiskFull means that there is no room for new jobs, or that the change would use space that
        running jobs need to end.

        Raises: QueueError, DiskFull.
        """
        new = _new_jobs(command)
        if new and not (self.has_room() and self._has_room_for(new)):
            raise DiskFull(path=self._home.path)
        step = self.engine.handle(command, now_ms, None if new or type(command) in _NEEDED else self._check_room)
        self._decided += step.events
        return step.reply

    def _check_room(self, happened: Sequence[events.Event]) -> None:
        """Check that the disk or the spare half of the reserve has room for these events.

        Raises: DiskFull.
        """
        size = len(events.encode([*self._decided, *happened]))
        if not (self._reserve.has_room_for(2 * size) or self._reserve.can_spare(size)):
            raise DiskFull(path=self._home.path)

    def add_to_load(self, load: Load, specs: list[object], cwd: str, now_ms: int) -> list[str]:
        """Add jobs to a load in progress, and return their IDs. If it raises, the load is void.

        Raises: QueueError.
        """
        ids = self.engine.add_to_load(load, specs, cwd, now_ms)
        if not (self.has_room() and self._reserve.has_room_for(2 * load.bytes + load.count * JOB_BYTES)):
            raise DiskFull(path=self._home.path)
        return ids

    def commit_load(self, load: Load, now_ms: int) -> None:
        """Write a load to the journal and add its jobs to the table.

        After DuplicateJob, KeyTaken, BadDependency, Busy, or DiskFull, nothing of the load remains.
        StorageFailed means that the journal cannot take the events decided before the load.

        Raises: DuplicateJob, KeyTaken, BadDependency, Busy, DiskFull, StorageFailed.
        """
        try:
            self._write_decided()
        except DiskFull as fault:  # not this load: the engine is ahead of the journal
            raise StorageFailed(path=self.journal.folder, why="the disk is full") from fault

        def write(follows: list[events.Event]) -> None:
            last = [(len(follows), events.encode(follows))] if follows else []
            self.journal.append_frames([*load.parts, *last])
            self._written += follows

        self.engine.commit_load(load, now_ms, write)

    def has_room(self) -> bool:
        """Return whether something new may begin. If the disk was full, check it again."""
        if self.is_short:
            self.is_short = not self._reserve.make_whole()
        return not self.is_short

    def note_full_disk(self) -> None:
        """Note that a worker found the disk full. Nothing new begins until it has room."""
        if not self.is_short:
            self.is_short = True
            self._reserve.give_up_some()  # an incomplete reserve tells other processes that the disk is full

    def shortage(self) -> str | None:
        """Return what the disk lacks (SPACE or INODES), or None while new runs may begin."""
        return (self._reserve.lack() or SPACE) if self.is_short else None

    def has_decided(self) -> bool:
        """Return whether there are events for `write`."""
        return bool(self._decided)

    def write(self) -> list[events.Event]:
        """Write all decided events to the journal, and return those since the last call.

        If it raises, these decisions and the whole ledger are void, because the engine is ahead of the journal.

        Raises: DiskFull, StorageFailed.
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
        """Make all written events survive a power cut.

        Raises: StorageFailed.
        """
        self.journal.sync()

    def maintain(self) -> bool:
        """Do one slice of the work that is due. Return True if more may be due at once."""
        if self.journal.rotate_if_full():
            self._checkpoint_goal = self.engine.sequence
        behind = self.table.position < self._checkpoint_goal or self.table.segment < self.journal.number
        if self.is_short or not (behind or self.table.changed_count > CHANGED_LIMIT):
            return False
        self._flush(SLICE)
        self._free_if_due()
        return True

    def checkpoint_if_over(self, limit: int) -> None:
        """Begin a segment if due, and checkpoint if more than `limit` jobs have changed.

        This is for a ledger that is open only for a moment.
        """
        self.journal.rotate_if_full()
        if self.table.changed_count > limit or self.table.segment < self.journal.number:
            self._flush_all()

    def checkpoint(self) -> None:
        """Move everything into the store. Begin a new segment if the journal is large enough."""
        self._flush_all()
        if self.journal.size >= WORTH_A_SEGMENT and self.journal.rotate():
            self._flush(0)
        self._free()

    def close(self) -> None:
        """Close journal and store."""
        self.journal.close()
        self._store.close()

    def _has_room_for(self, specs: list[object]) -> bool:
        """Return whether the disk has room for these jobs. One job needs no estimate."""
        if len(specs) == 1:
            return True
        texts = [text for spec in specs if isinstance(spec, dict) for text in spec.values() if isinstance(text, str)]
        return self._reserve.has_room_for(2 * sum(map(len, texts)) + len(specs) * JOB_BYTES)

    def _flush_all(self) -> None:
        """Move all changed jobs into the store, or at least position and settings."""
        self._flush(RELIEF)
        while self.table.changed_count and not self.is_short:
            self._free_if_due()
            self._flush(RELIEF)
        self._free_if_due()

    def _flush(self, limit: int) -> None:
        """Move one slice of changed jobs into the store, after the journal is synced.

        This is the write-ahead rule: the store never knows an event that the journal can lose.
        If the store has no room, a later slice does the work; nothing is lost.
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
        """Note in a new store which journal it belongs to.

        From then on, a missing store or journal is detected.
        """
        self.table.log_id, self.table.segment = self.journal.name, self.journal.number
        self.table.flush(0, self.engine.sequence)
        self._store.sync()

    def _replay(self, home: Home, read_only: bool) -> Journal:
        try:
            _check_traces(home, self.table)
            table = self.table
            known = Known(table.position, table.ahead, table.log_id, table.segment)
            return Journal.open(recover(home.journal, known, self._replay_frame), read_only)
        except OSError as fault:
            raise file_io.failure(home.journal, fault) from fault
        except (ValueError, TypeError, KeyError) as fault:
            raise Corrupt(path=home.journal, why=f"an event cannot be applied ({fault!r})") from fault

    def _replay_frame(self, frame: Frame) -> None:
        self.engine.replay(events_of(frame, self._home.journal), frame.sequence)


def _new_jobs(command: Command) -> list[object]:
    """Return the jobs that a command wants to add; a placeholder for the run of a schedule."""
    if type(command) is commands.Enqueue:
        return command.specs
    if type(command) is commands.Import:
        return command.jobs
    return [None] if type(command) is commands.RunSchedule else []


def _opened_store(home: Home, read_only: bool) -> Store:
    """Open the store of a home, and upgrade it to the current format.

    Raises: NoBackend, Corrupt, NewerFormat, StorageFailed.
    """
    try:
        store = open_store(home.store, os.environ.get("QUEUECTL_STORE"), read_only)
    except OSError as fault:
        raise file_io.failure(home.store, fault) from fault
    try:
        if store.is_old and not read_only:
            store.add_checksums()
        return upgraded(store, read_only)
    except BaseException:
        store.close()
        raise


def _check_traces(home: Home, table: JobTable) -> None:
    """Check that a home without a journal and a store has never had a job.

    A new home has empty folders. Output in `logs/` shows that both journal and store are lost.

    Raises: Corrupt.
    """
    if table.log_id or segment_paths(home.journal):
        return
    if any(map(home_files.is_output_file, file_io.names_in(home.logs))):
        raise Corrupt(path=home.journal, why="journal and store are missing, but logs/ has job output")
