"""Engine: decides what becomes of every command, and is the only place that changes a job.

    command --> handle --> Step(events, reply)        live: decide, then apply what was decided
    journal --> replay                                recovery: apply what was decided before

Both ways lead through `_apply_all` and the one transition table (`transitions`), so replaying the events gives
exactly the live state.
Pure: no clock, no file, no random, no process; the time is handed in, and the table with its store.
The trap: `handle` must check everything before the first event, for a refused command changes nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from . import commands, events, retry
from .commands import Command
from .errors import Corrupt, DuplicateJob, NotDead, RepeatedId, UnknownJob
from .events import Enqueued, Event
from .job import COMPLETED, DEAD, FAILED, PENDING, PROCESSING, Job, check_spec
from .jobtable import DUE, READY, Batch, JobTable, index_key
from .load import Load
from .schedule import Entry, Window
from .settings import Settings, check_key, check_setting
from .transitions import CHANGES, TRANSITIONS, describe

MAX_RIPE = 2048
"""So many failed jobs whose time has come are held in memory at once; the rest wait in the index."""

FEW = 100
"""So many new jobs are told to the window one by one."""

_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _BASE32 for low in _BASE32]


class Step(NamedTuple):
    """What a command led to. `reply` is the answer: ids, a count, the job dispatched, or None."""

    events: list[Event]
    reply: object


class Engine:
    def __init__(self, table: JobTable) -> None:
        self.table = table
        self.sequence = table.position
        """The sequence of the last event applied."""
        self.settings = Settings(table.settings)
        self._ready = Window(lambda after, size: self._scan(READY, size, after))
        self._due = Window(lambda after, size: self._scan(DUE, size, after))
        self._ripe: list[Entry] = []
        self._loads: dict[Load, None] = {}

    def handle(self, command: Command, now_ms: int) -> Step:
        """Decides, applies, and says what happened. Raises QueueError, with nothing changed, when it is refused."""
        happened, reply = _HANDLERS[type(command)](self, command, now_ms)
        self._apply_all(happened)
        return Step(happened, reply)

    def replay(self, happened: list[Event], first_sequence: int) -> None:
        """Applies events of the journal; those that the table has already are skipped. Raises Corrupt for an
        impossible one.
        """
        new = happened[max(0, self.sequence + 1 - first_sequence) :]
        self.sequence = max(self.sequence, first_sequence - 1)
        for row in _rows(new):
            self._apply_all(row)

    def next_due_ms(self) -> int | None:
        """When, by the wall clock, the next failed job is to run again; None when none waits for a time."""
        due_ms = self._first_due_ms()
        return None if due_ms is None else due_ms + self.table.clock_shift_ms

    # Deciding

    def _enqueue(self, command: commands.Enqueue, now_ms: int) -> tuple[list[Event], object]:
        happened = self._enqueued(command.specs, command.cwd, now_ms)
        ids = [event.id for event in happened]
        for load in self._loads:
            load.note_taken(ids)
        return happened, ids

    def _enqueued(self, specs: list[object], cwd: str, now_ms: int, earlier: Collection[str] = ()) -> list[Enqueued]:
        """What would add these jobs, of a request of which these `earlier` ids are known."""
        max_retries, backoff_base = self.settings["max-retries"], self.settings["backoff-base"]
        number = self.table.next_number
        time = _base32(now_ms, 9)
        happened: list[Enqueued] = []
        seen: set[str] = set()
        for n, raw in enumerate(specs, len(earlier)):
            spec = check_spec(raw, n)
            id = spec.get("id") or time + _base32(number, 5)  # sorts by time
            if id in seen or id in earlier:
                raise RepeatedId(id=id, index=n)
            seen.add(id)
            retries, base = spec.get("max_retries", max_retries), spec.get("backoff_base", backoff_base)
            happened.append(Enqueued(id, number, now_ms, spec["command"], spec.get("cwd", cwd), retries, base))
            number += 1
        known = self.table.known([event.id for event in happened])
        for n, event in enumerate(happened if known else (), len(earlier)):
            if event.id in known:
                raise DuplicateJob(id=event.id, index=n)
        return happened

    # Loads: a request for many jobs that comes in parts

    def begin_load(self) -> Load:
        """`end_load` it, whatever comes."""
        load = Load()
        self._loads[load] = None
        return load

    def end_load(self, load: Load) -> None:
        self._loads.pop(load, None)

    def add_to_load(self, load: Load, specs: list[object], cwd: str, now_ms: int) -> list[Enqueued]:
        """Checks some more of its jobs, and says what will add them. Raises QueueError; the load is then to be ended.

        Their numbers are theirs from now on: those of a load that comes to nothing are given to nobody.
        """
        happened = self._enqueued(specs, cwd, now_ms, load.batch.entries)
        self.table.next_number += len(happened)
        load.add(happened)
        return happened

    def commit_load(self, load: Load, write: Callable[[], None]) -> None:
        """All its jobs are in the queue, once `write` has written them. Raises DuplicateJob when somebody has taken
        an id of it meanwhile, and what `write` raises.
        """
        self.end_load(load)
        if load.taken is not None:
            raise DuplicateJob(id=load.taken)
        write()
        for other in self._loads:
            other.note_taken(load.batch.entries)
        if load.count:
            self._take_in(load.batch)

    def _retry_dead(self, command: commands.RetryDead, now_ms: int) -> tuple[list[Event], object]:
        ids = self._dead_ids(command.ids)
        return [events.Retried(id, now_ms) for id in ids], ids

    def _purge_dead(self, command: commands.PurgeDead, now_ms: int) -> tuple[list[Event], object]:
        ids = self._dead_ids(command.ids)
        return [events.Purged(id, now_ms) for id in ids], ids

    def _prune(self, command: commands.Prune, now_ms: int) -> tuple[list[Event], object]:
        age_s, limit = self.settings.usable("retention"), int(self.settings.usable("retention-jobs"))
        too_many = self.table.counts[COMPLETED] - limit if limit else 0
        before_ms = now_ms - age_s * 1000 if age_s else 0
        oldest = self._scan(COMPLETED, command.limit)
        gone = [id for n, (key, id) in enumerate(oldest) if n < too_many or int(key.split("/")[1]) < before_ms]
        return [events.Purged(id, now_ms) for id in gone], len(gone)

    def _change_setting(self, command: commands.ChangeSetting, now_ms: int) -> tuple[list[Event], object]:
        check_key(command.key)
        if command.value is not None:
            check_setting(command.key, command.value)
        elif command.key not in self.table.settings:
            return [], None
        return [events.SettingChanged(command.key, command.value, now_ms)], None

    def lag_ms(self, now_ms: int) -> int:
        """By how much the wall clock is behind what it has been: it was set back while nobody looked, or has started
        anew with the machine. 0 when it is not.
        """
        return max(0, self.table.latest_ms - (now_ms - self.table.clock_shift_ms))

    def _shift_clock(self, command: commands.ShiftClock, now_ms: int) -> tuple[list[Event], object]:
        return [events.ClockShifted(self.table.clock_shift_ms + command.jump_ms, now_ms)], None

    def _dispatch(self, command: commands.Dispatch, now_ms: int) -> tuple[list[Event], object]:
        id = self._take_next(now_ms)
        if id is None:
            return [], None
        started = events.Started(id, now_ms, command.worker)
        return [started], self.table.change(id, self.sequence + 1)  # the one that the event is applied to

    def _locate(self, command: commands.Locate, now_ms: int) -> tuple[list[Event], object]:
        job = self._run_of(command.id, command.run)
        if job is None:
            return [], None
        return [events.Located(job.id, command.began_ms, command.log_file, command.log_offset)], None

    def _finish(self, command: commands.Finish, now_ms: int) -> tuple[list[Event], object]:
        job = self._run_of(command.id, command.run)
        if job is None:
            return [], None
        ending = command.ending
        at_ms = min(now_ms, ending.ended_ms)  # it may have ended while nobody was there to note it
        if ending.outcome == "exit" and ending.exit_code == 0:
            return [events.Succeeded(job.id, at_ms, ending)], None
        if ending.outcome == "worker-lost" and job.losses + 1 >= retry.MAX_LOSSES:
            reason = f"its worker was lost {retry.MAX_LOSSES} times"
            return [events.Died(job.id, at_ms, ending, reason)], None
        if retry.is_spent(job.attempts, job.max_retries):
            return [events.Died(job.id, at_ms, ending, describe(ending))], None
        due_ms = now_ms - self.table.clock_shift_ms + retry.delay_ms(job.backoff_base, job.attempts)
        return [events.Failed(job.id, at_ms, ending, describe(ending), due_ms)], None

    def _release(self, command: commands.Release, now_ms: int) -> tuple[list[Event], object]:
        job = self._run_of(command.id, command.run)
        return ([] if job is None else [events.Released(job.id, now_ms, command.reason, command.begun)]), None

    def _run_of(self, id: str, run: int) -> Job | None:
        """The job, if this run of it is under way; a report that comes twice, or late, finds None."""
        job = self.table.get(id)
        return job if job is not None and job.state == PROCESSING and job.running()["run"] == run else None

    def _dead_ids(self, ids: list[str]) -> list[str]:
        """Each known to be dead, and named once. Raises QueueError for the first that is not."""
        ids = list(dict.fromkeys(ids))
        for id in ids:
            job = self.table.get(id)
            if job is None:
                raise UnknownJob(id=id)
            if job.state != DEAD:
                raise NotDead(id=id, state=job.state)
        return ids

    # Choosing what runs next

    def _take_next(self, now_ms: int) -> str | None:
        """The id of the oldest job that may run now, taken out of the windows."""
        self._ripen(now_ms - self.table.clock_shift_ms)
        ready = self._first_ready()
        ripe = self._ripe[0] if self._ripe else None
        if ripe is not None and (ready is None or ripe < ready):
            return heapq.heappop(self._ripe)[1]
        if ready is None:
            return None
        return self._ready.take()[1]

    def _first_due_ms(self) -> int | None:
        """As `Job.due_ms`: without the shifts of the clock."""
        while (entry := self._due.first()) is not None:
            if self.table.is_entry(entry):
                return int(entry[0].split("/")[1])
            self._due.take()
        return None

    def _ripen(self, now_ms: int) -> None:
        """Moves failed jobs whose time has come among those that may run, where their age decides."""
        while self._ripe and not self._is_ripe(self._ripe[0], now_ms):
            _, id = heapq.heappop(self._ripe)
            job = self.table.get(id)
            if job is not None and job.state == FAILED:  # the clock went back a little
                self._due.add((index_key(job), id))
        while len(self._ripe) < MAX_RIPE:
            due_ms = self._first_due_ms()
            if due_ms is None or due_ms > now_ms:
                break
            key, id = self._due.take()
            heapq.heappush(self._ripe, (f"{READY}/{key.split('/')[2]}", id))

    def _first_ready(self) -> Entry | None:
        while (entry := self._ready.first()) is not None:
            if self.table.is_entry(entry):
                return entry
            self._ready.take()
        return None

    def _scan(self, index: str, size: int, after: str = "") -> list[Entry]:
        entries = self.table.scan(index, size, after)
        self.table.read_ahead(entries)
        return entries

    def _is_ripe(self, entry: Entry, now_ms: int) -> bool:
        job = self.table.get(entry[1])
        return (
            job is not None and job.state == FAILED and f"{READY}/{job.number:012}" == entry[0] and job.due_ms <= now_ms
        )

    # Applying

    def _apply_all(self, happened: Sequence[Event]) -> None:
        """What one decision has led to, or a part of it: events of one kind, when they are of new jobs."""
        if len(happened) and type(happened[0]) is Enqueued and self.sequence >= self.table.ahead:
            batch = Batch()
            batch.add(happened)
            self._take_in(batch)
            return
        for event in happened:
            self.sequence += 1
            self._apply(event)

    def _take_in(self, batch: Batch) -> None:
        self.table.note_time(batch.latest_ms)
        self.sequence = self.table.enqueue(batch, self.sequence + 1)
        if len(batch.entries) > FEW:
            self._ready.narrow(f"{READY}/{batch.first_number - 1:012}")
            return
        for number, id in batch.numbers.items():
            self._ready.add((f"{READY}/{number:012}", id))

    def _apply(self, event: Event) -> None:
        kind = type(event)
        self.table.note_time(event.at_ms)
        if kind is events.SettingChanged:
            self._apply_setting(event)
        elif kind is events.ClockShifted:
            self.table.clock_shift_ms = event.shift_ms
        elif kind is Enqueued:
            self._apply_enqueued(event)
        else:
            self._apply_transition(event, kind)

    def _apply_setting(self, event: events.SettingChanged) -> None:
        if event.value is None:
            self.table.settings.pop(event.key, None)
        else:
            self.table.settings[event.key] = event.value
        self.settings = Settings(self.table.settings)

    def _apply_enqueued(self, event: Enqueued) -> None:
        """In replay, while the store may be past this event."""
        if self.table.get(event.id) is None or self.sequence > self.table.ahead:
            batch = Batch()
            batch.add([event])
            self.sequence -= 1
            self._take_in(batch)

    def _apply_transition(self, event: Event, kind: type) -> None:
        sequence = self.sequence
        job = self.table.change(event.id, sequence) if sequence > self.table.ahead else self._stale_change(event.id)
        if job is None:
            if sequence <= self.table.ahead:
                return  # the store is past this event: the job has it already, or was purged later
            raise Corrupt(path=f"event {sequence}", why=f"{kind.__name__} for job {event.id}, which does not exist")
        allowed, state = TRANSITIONS[kind]
        if job.state not in allowed:
            raise Corrupt(path=f"event {sequence}", why=f"{kind.__name__} for job {event.id}, which is {job.state}")
        if state is None:
            self.table.remove(job.id, sequence)
            return
        job.revision = sequence
        CHANGES[kind](job, event)
        job.state = state
        job.updated_ms = event.at_ms
        entry = self.table.settle(job)
        if state == PENDING:
            self._ready.add(entry)
        elif state == FAILED:
            self._due.add(entry)

    def _stale_change(self, id: str) -> Job | None:
        """While replay is behind what the store has: the job, unless its record has this event already."""
        job = self.table.get(id)
        return None if job is None or job.revision >= self.sequence else self.table.change(id, self.sequence)


def _rows(happened: list[Event]) -> Iterator[list[Event]]:
    """The same events; new jobs of numbers in a row together, everything else by itself."""
    row: list[Event] = []
    for event in happened:
        if row and not (type(event) is type(row[-1]) is Enqueued and event.number == row[-1].number + 1):
            yield row
            row = []
        row.append(event)
    if row:
        yield row


def _base32(value: int, width: int) -> str:
    """In Crockford's digits, at least so many."""
    if width == 5 and value < 32**5:  # what a load of many asks for each
        return _PAIRS[value >> 15] + _PAIRS[value >> 5 & 1023] + _BASE32[value & 31]
    digits = ""
    while value or len(digits) < width:
        value, digit = divmod(value, 32)
        digits = _BASE32[digit] + digits
    return digits


_HANDLERS = {
    commands.Enqueue: Engine._enqueue,
    commands.RetryDead: Engine._retry_dead,
    commands.PurgeDead: Engine._purge_dead,
    commands.Prune: Engine._prune,
    commands.ChangeSetting: Engine._change_setting,
    commands.ShiftClock: Engine._shift_clock,
    commands.Dispatch: Engine._dispatch,
    commands.Locate: Engine._locate,
    commands.Finish: Engine._finish,
    commands.Release: Engine._release,
}
