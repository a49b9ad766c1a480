"""Engine: decides on every command.

    command --> handle --> Step(events, reply)        live: decide on a command, then apply the events
    journal --> replay                                recovery: apply the events of earlier decisions

`admission` checks new jobs, `run_outcome` decides on ended runs, `scheduler` chooses the next job, and `job_operations`
decides on what users do. `queue_state` applies the events.

Pure. The caller passes the time.

Invariant: `handle` checks everything before the first event: a refused command changes nothing.
"""

from __future__ import annotations

from ..light_types import NamedTuple
from ..model import commands, events, reasons
from ..model.events import Enqueued, Event
from ..model.job import COMPLETED, PROCESSING
from ..model.settings import check_key, check_setting
from ..table.job_table import JobTable
from . import job_operations, run_outcome, schedules
from .admission import Admission
from .bulk import Load
from .dependencies import Dependant, NewJobs, note_dependants, with_dependants
from .hooks import Hooks
from .queue_state import QueueState

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..model.commands import Command
    from .job_operations import Decision
    from .schedules import ZoneOf


class Step(NamedTuple):
    """The result of a command. `reply` is the answer: IDs, a count, the dispatched job, or None."""

    events: Sequence[Event]
    reply: Any


class Engine(QueueState):
    """The state machine of one queue."""

    def __init__(self, table: JobTable, zone_of: ZoneOf = lambda name: None) -> None:
        super().__init__(table, zone_of)
        self._loads: dict[Load, None] = {}
        self._hooks = Hooks(table, self.settings)

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
            weigh([*happened, *self._hooks.before(happened, now_ms)])
        self.apply(happened)
        more = self._hooks.after(happened, now_ms)
        if more:
            self.apply(more)
            happened = [*happened, *more]
        if self._loads and happened:
            self._tell_loads(happened)
        return Step(happened, reply)

    def _tell_loads(self, happened: Sequence[Event]) -> None:
        """Tell the loads in progress which IDs and keys were taken, and which jobs completed."""
        kinds = (Enqueued, events.Imported, events.Retried)
        jobs = [self.table.existing(event.id) for event in happened if isinstance(event, kinds)]
        ids = [job.id for job in jobs]
        keys = {job.options["key"]: job.id for job in jobs if "key" in job.options}
        completed = [event.id for event in happened if isinstance(event, events.Succeeded)]
        for load in self._loads:
            load.note_taken(ids, keys)
            load.note_completed(completed)

    # Loads: a request for many jobs that comes in parts

    def begin_load(self) -> Load:
        """Begin a load. The caller ends it with `end_load` or `commit_load` in every case."""
        load = Load(self.table.clock_shift_ms)
        self._loads[load] = None
        return load

    def end_load(self, load: Load) -> None:
        """End a load. Without a commit, none of its jobs counts."""
        self._loads.pop(load, None)

    def add_to_load(self, load: Load, specs: list[object], cwd: str, now_ms: int) -> list[str]:
        """Check some more jobs of a load, and return their IDs; after an error, the caller ends the load.

        The load keeps its job numbers: if it is never committed, no other job gets them.

        Raises: QueueError.
        """
        part = load.next_part(self.table, self.defaults, cwd, now_ms)
        part.add_all(specs)
        self.table.next_number += len(part.events)
        load.add(part)
        return part.ids

    def commit_load(self, load: Load, now_ms: int, write: Callable[[list[Event]], None]) -> None:
        """Commit a load: `write` writes its jobs with the events that it is given, and then the queue has them.

        The load fails if another request has taken an ID or a key meanwhile, or if `write` fails.

        Raises: DuplicateJob, KeyTaken, BadDependency, Busy.
        """
        self.end_load(load)
        follows = load.following(self.table, now_ms)
        follows += self._hooks.before(follows, now_ms, load)
        write(follows)
        for other in self._loads:
            other.note_taken(load.batch.entries, load.keys)
        if load.count:
            self.insert(load.batch)
        self.apply(follows)
        if self._loads and follows:
            self._tell_loads(follows)

    # Decisions

    def _enqueue(self, command: commands.Enqueue, now_ms: int) -> Decision:
        admission = Admission(self.table, self.defaults, command.cwd, now_ms)
        admission.use_environ(command.environ, command.trace)
        admission.add_all(command.specs)
        new = list(admission.events.values())
        if not (admission.replaced or admission.doomed):
            return new, admission.ids
        gone = [events.Canceled(id, now_ms, reasons.replaced_by(new[-1].id)) for id in admission.replaced]
        dead = [events.Canceled(id, now_ms, reason) for id, reason in admission.doomed.items()]
        waiting: dict[str, list[Dependant]] = {}
        note_dependants(waiting, new)
        follows = with_dependants(self.table, [*gone, *dead], now_ms, NewJobs(waiting, lambda: new))
        of_new = [event for event in follows if event.id in admission.events]
        return [*(event for event in follows if event.id not in admission.events), *new, *of_new], admission.ids

    def _operate(self, command: Command, now_ms: int) -> Decision:
        return job_operations.DECISIONS[type(command)](self.table, command, now_ms)

    def _import(self, command: commands.Import, now_ms: int) -> Decision:
        from .job_import import import_jobs  # few calls need it

        return import_jobs(self.table, command, now_ms)

    def _schedule(self, command: Command, now_ms: int) -> Decision:
        return schedules.DECISIONS[type(command)](self.schedules, command, now_ms)

    def _prune(self, command: commands.Prune, now_ms: int) -> Decision:
        age_s, limit = self.settings.usable("retention"), self.settings.usable("retention-jobs")
        too_many = self.table.counts[COMPLETED] - limit if limit else 0
        before_ms = now_ms - age_s * 1000 if age_s and command.by_age else 0
        oldest = self.table.scan(COMPLETED, command.limit)
        gone = [id for n, (key, id) in enumerate(oldest) if n < too_many or int(key.split("/")[1]) < before_ms]
        return [events.Purged(id, now_ms) for id in gone], len(gone)

    def _change_setting(self, command: commands.ChangeSetting, now_ms: int) -> Decision:
        key, value = command
        check_key(key)
        if value is None and key not in self.table.settings:
            return [], None
        return [events.SettingChanged(key, None if value is None else check_setting(key, value), now_ms)], None

    def _shift_clock(self, command: commands.ShiftClock, now_ms: int) -> Decision:
        shifted = events.ClockShifted(self.table.clock_shift_ms + command.jump_ms, now_ms)
        return [shifted, *self.schedules.after_jump(command.jump_ms, now_ms)], None

    def _dispatch(self, command: commands.Dispatch, now_ms: int) -> Decision:
        id = self.scheduler.take_next(now_ms, command.room, command.workers)
        if id is None:
            return [], None
        job = self.table.for_update(id, self.sequence + 1)
        slot = None
        if self.table.queues and job is not None:
            slot = self.scheduler.free_slot(job.queue)
        return [events.Started(id, now_ms, command.worker, slot)], job  # the Job that the event applies to

    def _report(self, command: commands.Locate | commands.Finish | commands.Release, now_ms: int) -> Decision:
        """Decide on a report about a run. A repeated or late one changes nothing."""
        job = self.table.get(command.id)
        if job is None or job.state != PROCESSING or job.running()["run"] != command.run:
            return [], None
        event = run_outcome.of_report(job, command, now_ms, self.table.clock_shift_ms)
        return with_dependants(self.table, [event], now_ms), None

    def lag_ms(self, now_ms: int) -> int:
        """Return by how many ms the wall clock is behind the latest known time, or 0 if it is not.

        It is behind when it was set back while no supervisor ran, or restarted with the machine.
        """
        return max(0, self.table.latest_ms - (now_ms - self.table.clock_shift_ms))

    def next_due_ms(self, now_ms: int) -> int | None:
        """Return when the next job may run, in ms by the wall clock, or None (see `Scheduler.next_due_ms`)."""
        return self.scheduler.next_due_ms(now_ms)


_HANDLERS: dict[type, Callable[..., Decision]] = {
    **dict.fromkeys(job_operations.DECISIONS, Engine._operate),
    **dict.fromkeys(schedules.DECISIONS, Engine._schedule),
    **dict.fromkeys((commands.Locate, commands.Finish, commands.Release), Engine._report),
    commands.Enqueue: Engine._enqueue,
    commands.Import: Engine._import,
    commands.Prune: Engine._prune,
    commands.ChangeSetting: Engine._change_setting,
    commands.ShiftClock: Engine._shift_clock,
    commands.Dispatch: Engine._dispatch,
}
