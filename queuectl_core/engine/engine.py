"""Engine: decides on every command, and is the only module that changes jobs.

    command --> handle --> Step(events, reply)        live: decide on a command, then apply the events
    journal --> replay                                recovery: apply the events of earlier decisions

`admission` checks new jobs, `run_outcome` decides on ended runs, `scheduler` chooses the next job, and `job_operations`
decides on what users do.

Pure: no clock, file, random number, or process. The caller passes the time, and the table with its store.

Invariant: live and replay share `_apply_all` and one transition table, so a replay gives exactly the live state.
Invariant: `handle` checks everything before the first event: a refused command changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import BadDependency, Busy, Corrupt, KeyTaken
from ..model import commands, events
from ..model.commands import Command
from ..model.events import Enqueued, Event, JobEvent
from ..model.job import COMPLETED, DEAD, FAILED, PENDING, PROCESSING, Job
from ..model.settings import Settings, check_key, check_setting
from ..table.index_keys import READY, WALL
from ..table.job_table import JobTable
from ..table.memtable import InsertBatch
from . import hooks, job_operations, run_outcome
from .admission import admit
from .bulk import Load
from .job_import import imported
from .job_operations import Decision
from .scheduler import Scheduler
from .schedules import Schedules
from .transitions import GONE, TRANSITIONS, after, change, set_clock

if TYPE_CHECKING:
    import datetime


WALL_PAGE = 500
"""The number of jobs waiting for the wall clock that one page has when the clock is set."""

FEW = 100
"""The maximum number of new jobs that the scheduler hears of one by one."""


class Step(NamedTuple):
    """The result of a command. `reply` is the answer: IDs, a count, the dispatched job, or None."""

    events: Sequence[Event]
    reply: Any


class Engine:
    """The state machine of one queue."""

    def __init__(self, table: JobTable, zone_of: Callable[[str], datetime.tzinfo | None] = lambda name: None) -> None:
        """Create the engine of a table. `zone_of` returns the time zone of a name; by default, only UTC is known."""
        self.table = table
        self.sequence = table.position
        """The sequence of the last event applied."""
        self.settings = Settings(table.settings)
        self._has_hooks = hooks.are_set(self.settings)
        self.scheduler = Scheduler(table)
        self.schedules = Schedules(table, zone_of)
        self._loads: dict[Load, None] = {}

    def handle(
        self, command: Command, now_ms: int, weigh: Callable[[Sequence[Event]], None] | None = None
    ) -> Step:
        """Decide on a command, apply the events, and return them with the reply.

        When the command is refused, nothing changes. `weigh` receives the events before they apply, and may refuse
        them too.

        Raises: QueueError.
        """
        happened, reply = _HANDLERS[type(command)](self, command, now_ms)
        if weigh is not None:
            weigh([*happened, *self._hooks_after(happened, now_ms)] if self._has_hooks else happened)
        self._apply_all(happened)
        if self._has_hooks:
            more = hooks.following(self.table, self.settings, happened, now_ms, lambda event: self.table.get(event.id))
            self._apply_all(more)
            happened = [*happened, *more]
        if self._loads and happened:
            self._tell_loads(happened)
        return Step(happened, reply)

    def _tell_loads(self, happened: Sequence[Event]) -> None:
        """Tell the other loads which IDs and keys were taken, and which jobs completed."""
        kinds = (Enqueued, events.Imported, events.Retried)
        jobs = [self.table.get(event.id) for event in happened if isinstance(event, kinds)]
        completed = [event.id for event in happened if isinstance(event, events.Succeeded)]
        for load in self._loads:
            load.note_taken([job for job in jobs if job is not None])
            for id in completed:
                load.note_completed(id)

    def replay(self, happened: Sequence[Event], first_sequence: int) -> None:
        """Apply events of the journal, and skip those that the table already has; refuse an impossible one.

        Raises: Corrupt.
        """
        new = happened[max(0, self.sequence + 1 - first_sequence) :]
        self.sequence = max(self.sequence, first_sequence - 1)
        for row in _rows(new):
            self._apply_all(row)

    def next_due_ms(self, now_ms: int) -> int | None:
        """Return when the next job may run, in ms by the wall clock, or None (see `Scheduler.next_due_ms`)."""
        return self.scheduler.next_due_ms(now_ms)

    # Deciding

    def _enqueue(self, command: commands.Enqueue, now_ms: int) -> Decision:
        found = admit(self.table, self.settings, command.specs, command.cwd, now_ms)
        if not found.replaced:
            return list(found.events), found.ids
        by = found.events[-1].id
        gone = [events.Canceled(id, now_ms, f"replaced by job {by}") for id in found.replaced]
        return [*job_operations.with_dependants(self.table, gone, now_ms), *found.events], found.ids

    # Loads: a request for many jobs that comes in parts

    def begin_load(self) -> Load:
        """Begin a load. The caller ends it with `end_load` or `commit_load` in every case."""
        load = Load(self.table.clock_shift_ms)
        self._loads[load] = None
        return load

    def end_load(self, load: Load) -> None:
        self._loads.pop(load, None)

    def add_to_load(self, load: Load, specs: list[object], cwd: str, now_ms: int) -> list[str]:
        """Check some more jobs of a load, and return their IDs; after an error, the caller ends the load.

        The load keeps its job numbers: if it is never committed, no other job gets them.

        Raises: QueueError.
        """
        found = admit(self.table, self.settings, specs, cwd, now_ms, load.batch.entries, load.keys, load.asked)
        load.asked += len(specs)
        load.note_policies(specs)
        self.table.next_number += len(found.events)
        if found.events:
            load.add(found.events)
        load.replaced += found.replaced
        return found.ids

    def commit_load(self, load: Load, now_ms: int, write: Callable[[list[Event]], None]) -> None:
        """Commit a load: `write` writes its jobs with the events that it is given, and then the queue has them.

        The load fails if another request has taken an ID or a key meanwhile, or if `write` fails.

        Raises: DuplicateJob, KeyTaken, BadDependency, Busy.
        """
        self.end_load(load)
        replaced = [job for job in map(self.table.get, load.replaced) if job is not None]
        self._check_load(load, replaced)
        follows = self._follow_from(load, replaced, now_ms)
        write(follows)
        for other in self._loads:
            other.note_load(load)
        if load.count:
            self._take_in(load.batch)
        self._apply_all(follows)
        if self._loads and follows:
            self._tell_loads(follows)

    def _check_load(self, load: Load, replaced: Sequence[Job]) -> None:
        """Check that a load can still be committed. `replaced` are the jobs that it replaces.

        Raises: DuplicateJob, KeyTaken, BadDependency, Busy.
        """
        if load.taken is not None:
            raise load.taken
        if load.clock_shift_ms != self.table.clock_shift_ms and load.has_times():
            raise Busy(what="the clock was set meanwhile; nothing was enqueued")
        for job in replaced:
            if job.state == PROCESSING:
                raise KeyTaken(key=job.options["key"], id=job.id, runs=True)
            if job.state in (PENDING, FAILED) and job.id in load.waiting:
                raise BadDependency(why=f"after: job {job.id} is replaced by a job of this request")

    def _follow_from(self, load: Load, replaced: Sequence[Job], now_ms: int) -> list[Event]:
        """Return the events that follow from a load: jobs that it replaces, and blockers that ended while it came."""
        gone = [events.Canceled(job.id, now_ms, "replaced") for job in replaced if job.state in (PENDING, FAILED)]
        over = [
            job_operations.end_of(job, other, other in load.completed, now_ms)
            for other, job in ((other, self.table.get(other)) for other in load.waiting)
            if other not in load.batch.entries and (job is None or job.state in (COMPLETED, DEAD))
        ]
        ended: list[JobEvent] = [*over, *gone]
        follows = job_operations.with_dependants(self.table, ended, now_ms, load.dependants_of)[len(over) :]
        return [*follows, *(self._hooks_after(follows, now_ms, load) if self._has_hooks else ())]

    def _hooks_after(self, follows: Sequence[Event], now_ms: int, load: Load | None = None) -> list[Enqueued]:
        """Return the hook jobs for events that are not applied yet, and that follow from a load if one is given.

        A load leaves no idle queue.
        """
        entries = {} if load is None else load.batch.entries

        def job_of(event: Any) -> Job | None:
            job = entries[event.id].job if event.id in entries else self.table.get(event.id)
            return None if job is None else after(job, event)

        found = hooks.following(self.table, self.settings, follows, now_ms, job_of)
        return [one for one in found if load is None or one.options.get("name") != "on-idle"]

    def _prune(self, command: commands.Prune, now_ms: int) -> Decision:
        age_s, limit = self.settings.usable("retention"), self.settings.usable("retention-jobs")
        too_many = self.table.counts[COMPLETED] - limit if limit else 0
        before_ms = now_ms - age_s * 1000 if age_s and command.by_age else 0
        oldest = self.table.scan(COMPLETED, command.limit)
        gone = [id for n, (key, id) in enumerate(oldest) if n < too_many or int(key.split("/")[1]) < before_ms]
        return [events.Purged(id, now_ms) for id in gone], len(gone)

    def _change_setting(self, command: commands.ChangeSetting, now_ms: int) -> Decision:
        check_key(command.key)
        if command.value is not None:
            return [events.SettingChanged(command.key, check_setting(command.key, command.value), now_ms)], None
        if command.key not in self.table.settings:
            return [], None
        return [events.SettingChanged(command.key, None, now_ms)], None

    def _set_schedule(self, command: commands.SetSchedule, now_ms: int) -> Decision:
        changed = self.schedules.set(command.name, command.wanted, now_ms)
        return [changed], changed.fields

    def _remove_schedule(self, command: commands.RemoveSchedule, now_ms: int) -> Decision:
        return [self.schedules.remove(command.name, now_ms)], None

    def _pause_schedule(self, command: commands.PauseSchedule, now_ms: int) -> Decision:
        return [self.schedules.pause(command.name, command.paused, now_ms)], None

    def _run_schedule(self, command: commands.RunSchedule, now_ms: int) -> Decision:
        added, fired = self.schedules.run_now(command.name, self.settings, now_ms)
        return [*added, fired], fired.job_id

    def _import(self, command: commands.Import, now_ms: int) -> Decision:
        found = imported(self.table, command.jobs, command.skip, now_ms)
        return list(found), [event.id for event in found]

    def _tick(self, command: commands.FireSchedules, now_ms: int) -> Decision:
        return self.schedules.tick(self.settings, now_ms), None

    def _by_hand(self, command: Command, now_ms: int) -> Decision:
        return job_operations.DECISIONS[type(command)](self.table, command, now_ms)

    def lag_ms(self, now_ms: int) -> int:
        """Return by how many ms the wall clock is behind the latest known time, or 0 if it is not.

        It is behind when it was set back while no supervisor ran, or restarted with the machine.
        """
        return max(0, self.table.latest_ms - (now_ms - self.table.clock_shift_ms))

    def _shift_clock(self, command: commands.ShiftClock, now_ms: int) -> Decision:
        shifted = events.ClockShifted(self.table.clock_shift_ms + command.jump_ms, now_ms)
        return [shifted, *self.schedules.after_jump(command.jump_ms, now_ms)], None

    def _dispatch(self, command: commands.Dispatch, now_ms: int) -> Decision:
        id = self.scheduler.take_next(now_ms, command.room, command.workers)
        if id is None:
            return [], None
        started = events.Started(id, now_ms, command.worker)
        return [started], self.table.for_update(id, self.sequence + 1)  # the Job that the event applies to

    def _locate(self, command: commands.Locate, now_ms: int) -> Decision:
        job = self._run_of(command.id, command.run)
        if job is None:
            return [], None
        return [events.Located(job.id, command.began_ms, command.log_file, command.log_offset)], None

    def _finish(self, command: commands.Finish, now_ms: int) -> Decision:
        job = self._run_of(command.id, command.run)
        if job is None:
            return [], None
        ended = run_outcome.of_ending(job, command.ending, now_ms, self.table.clock_shift_ms)
        return job_operations.with_dependants(self.table, [ended], now_ms), None

    def _release(self, command: commands.Release, now_ms: int) -> Decision:
        job = self._run_of(command.id, command.run)
        if job is None:
            return [], None
        ended = run_outcome.of_release(job, command.reason, command.begun, now_ms, command.ending)
        return job_operations.with_dependants(self.table, [ended], now_ms), None

    def _run_of(self, id: str, run: int) -> Job | None:
        """Return the job if this run of it is in progress; a repeated or late report finds None."""
        job = self.table.get(id)
        return job if job is not None and job.state == PROCESSING and job.running()["run"] == run else None

    # Applying

    def _apply_all(self, happened: Sequence[Event]) -> None:
        """Apply the events of one decision, or a part of them."""
        if len(happened) and type(happened[-1]) is Enqueued and self.sequence >= self.table.ahead:
            new = [event for event in happened if isinstance(event, Enqueued)]
            for event in happened[: len(happened) - len(new)]:  # the events of replaced jobs come first
                self.sequence += 1
                self._apply(event)
            batch = InsertBatch()
            batch.add(new)
            self._take_in(batch)
            return
        for event in happened:
            self.sequence += 1
            self._apply(event)

    def _take_in(self, batch: InsertBatch) -> None:
        self.table.note_time(batch.latest_ms)
        self.sequence = self.table.insert(batch, self.sequence + 1)
        if len(batch.numbers) > FEW:
            self.scheduler.truncate_after(READY, f"{READY}/{next(iter(batch.numbers)) - 1:012}")
        else:
            for number, id in batch.numbers.items():
                self.scheduler.add_ready(f"{READY}/{number:012}", id)
        for index, keys in batch.indexes.items():
            self.scheduler.take_in(index, keys, FEW)

    def _apply(self, event: Event) -> None:
        kind = type(event)
        if self.sequence > self.table.ahead:  # else the store has a later time, and may have another clock shift
            self.table.note_time(event.at_ms)
        apply = _APPLIED.get(kind)
        if apply is None:
            self._apply_transition(event, kind)  # type: ignore[arg-type]  # all events without a job are in _APPLIED
        else:
            apply(self, event)

    def _apply_setting(self, event: events.SettingChanged) -> None:
        if event.value is None:
            self.table.settings.pop(event.key, None)
        else:
            self.table.settings[event.key] = event.value
        self.settings = Settings(self.table.settings)
        self._has_hooks = hooks.are_set(self.settings)

    def _apply_rules(self, event: events.QueueChanged) -> None:
        changed = {**self.table.queues.get(event.name, {}), **event.fields}
        rules: Any = {name: value for name, value in changed.items() if value is not None}
        if rules:
            self.table.queues[event.name] = rules
        else:
            self.table.queues.pop(event.name, None)
        if "rate" in event.fields and self.sequence > self.table.ahead:  # a new rate starts from now
            self.table.opens.pop(event.name, None)
        self.scheduler.set_rules(event.name)

    def _apply_shift(self, event: events.ClockShifted) -> None:
        self.table.clock_shift_ms = event.shift_ms
        after = ""
        while entries := self.table.scan(WALL, WALL_PAGE, after):
            after = entries[-1][0]
            for _, id in entries:
                self._set_clock_of(id)

    def _set_clock_of(self, id: str) -> None:
        """Adapt a job that waits for a time of the wall clock, unless its record already has this event."""
        job = self._stale_change(id) if self.sequence <= self.table.ahead else self.table.for_update(id, self.sequence)
        if job is None:
            return
        set_clock(job, self.table.clock_shift_ms)
        job.revision = self.sequence
        key, _ = self.table.reindex(job)
        if job.state in (PENDING, FAILED):
            self.scheduler.add(key, job)

    def _apply_schedule(self, event: events.ScheduleChanged | events.ScheduleFired) -> None:
        self.schedules.note_change()
        schedules = self.table.schedules
        if isinstance(event, events.ScheduleFired):
            if event.name not in schedules:  # the store already has the removal of the schedule
                return
            one = schedules[event.name]
            schedules[event.name] = {**one, "next_ms": event.next_ms, "last_id": event.job_id or one.get("last_id")}
        elif event.fields is None:
            schedules.pop(event.name, None)
        else:
            schedules[event.name] = {**event.fields}

    def _apply_enqueued(self, event: Enqueued) -> None:
        """Add a job during a replay, in which the store may be ahead of this event."""
        if self.table.get(event.id) is None or self.sequence > self.table.ahead:
            batch = InsertBatch()
            batch.add([event])
            self.sequence -= 1
            self._take_in(batch)

    def _apply_imported(self, event: events.Imported) -> None:
        if self.table.get(event.id) is not None and self.sequence <= self.table.ahead:
            return
        job = Job(event.id, event.number, revision=self.sequence, **event.fields)
        self.table.add(job)
        key, _ = self.table.reindex(job)
        if job.state in (PENDING, FAILED):
            self.scheduler.add(key, job)

    def _apply_transition(self, event: JobEvent, kind: type) -> None:
        sequence = self.sequence
        job = self.table.for_update(event.id, sequence) if sequence > self.table.ahead else self._stale_change(event.id)
        if job is None:
            if sequence <= self.table.ahead:
                return  # the store is ahead of this event: the job already has it, or was purged later
            raise Corrupt(path=f"event {sequence}", why=f"{kind.__name__} for job {event.id}, which does not exist")
        allowed, state = TRANSITIONS[kind]
        if job.state not in allowed:
            raise Corrupt(path=f"event {sequence}", why=f"{kind.__name__} for job {event.id}, which is {job.state}")
        if state == GONE:
            self.table.remove(job.id, sequence)
            return
        job.revision = sequence
        was_running = job.state == PROCESSING
        change(job, event)
        if kind is events.Started:
            is_new = sequence > self.table.ahead  # else the store already has the effect on the rate of the queue
            self.scheduler.note_run(job, event.at_ms if is_new else None)
        elif was_running:
            self.scheduler.note_run(job)
        key, _ = self.table.reindex(job)
        if job.state in (PENDING, FAILED):
            self.scheduler.add(key, job)

    def _stale_change(self, id: str) -> Job | None:
        """Return a job to change while a replay is behind the store, or None if its record already has this event."""
        job = self.table.get(id)
        return None if job is None or job.revision >= self.sequence else self.table.for_update(id, self.sequence)


def _rows(happened: Sequence[Event]) -> Iterator[list[Event]]:
    """Yield the events in groups: new jobs with consecutive numbers together, and every other event alone."""
    row: list[Event] = []
    next_number: int | None = None
    for event in happened:
        number = event.number if isinstance(event, Enqueued) else None
        if row and (number is None or number != next_number):
            yield row
            row = []
        next_number = None if number is None else number + 1
        row.append(event)
    if row:
        yield row


_APPLIED: dict[type, Callable[..., None]] = {
    Enqueued: Engine._apply_enqueued,
    events.Imported: Engine._apply_imported,
    events.SettingChanged: Engine._apply_setting,
    events.QueueChanged: Engine._apply_rules,
    events.ScheduleChanged: Engine._apply_schedule,
    events.ScheduleFired: Engine._apply_schedule,
    events.ClockShifted: Engine._apply_shift,
}
"""All other events are transitions of one job."""

_HANDLERS: dict[type, Callable[..., Decision]] = {
    **dict.fromkeys(job_operations.DECISIONS, Engine._by_hand),
    commands.Enqueue: Engine._enqueue,
    commands.Prune: Engine._prune,
    commands.SetSchedule: Engine._set_schedule,
    commands.RemoveSchedule: Engine._remove_schedule,
    commands.PauseSchedule: Engine._pause_schedule,
    commands.RunSchedule: Engine._run_schedule,
    commands.Import: Engine._import,
    commands.FireSchedules: Engine._tick,
    commands.ChangeSetting: Engine._change_setting,
    commands.ShiftClock: Engine._shift_clock,
    commands.Dispatch: Engine._dispatch,
    commands.Locate: Engine._locate,
    commands.Finish: Engine._finish,
    commands.Release: Engine._release,
}
