"""Queue state: the state of one queue, and what each event changes in it.

Pure: no clock, file, random number, or process. The caller passes the table with its store.

Invariant: live events and a replay go through `apply` and one transition table, so a replay gives exactly the live
state.
"""

from __future__ import annotations

from itertools import count, groupby

from ..errors import Corrupt
from ..model import events
from ..model.events import Enqueued, Event, JobEvent
from ..model.job import FAILED, FINAL_STATES, PENDING, PROCESSING, Job
from ..model.settings import Settings
from ..table.index_keys import READY, WALL
from ..table.job_table import JobTable
from ..table.memtable import InsertBatch
from .event_metrics import NOTES
from .job_defaults import DefaultsByQueue
from .scheduler import Scheduler
from .schedules import Schedules
from .transitions import TRANSITIONS, change, set_clock

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .schedules import ZoneOf

WALL_PAGE = 500
"""The number of jobs waiting for the wall clock that one page has when the clock is set."""

_ENDS_OF_RUNS = (events.Succeeded, events.Failed, events.DeadLettered, events.Snoozed)

FEW = 100
"""The maximum number of new jobs that the scheduler hears of one by one."""


class QueueState:
    """The table of a queue, and everything that follows from it."""

    def __init__(self, table: JobTable, zone_of: ZoneOf = lambda name: None) -> None:
        """Create the state of a table. `zone_of` returns the time zone of a name; by default, only UTC is known."""
        self.table = table
        self.sequence = table.position
        """The sequence of the last event applied."""
        self.settings = Settings()
        self.settings.values = table.settings  # so they follow each change
        self.scheduler = Scheduler(table)
        self.defaults = DefaultsByQueue(self.settings, table.queues)
        self.schedules = Schedules(table, self.defaults, zone_of)

    def replay(self, happened: Sequence[Event], first_sequence: int) -> None:
        """Apply events of the journal, and skip those that the table already has; refuse an impossible one.

        Raises: Corrupt.
        """
        new = happened[max(0, self.sequence + 1 - first_sequence) :]
        self.sequence = max(self.sequence, first_sequence - 1)
        numbers = count()

        def first_number(event: Event) -> int | None:
            """Return the same number for new jobs with consecutive numbers, and None for other events."""
            return event.number - next(numbers) if isinstance(event, Enqueued) else None

        for _, group in groupby(new, first_number):
            self.apply(list(group))

    def apply(self, happened: Sequence[Event]) -> None:
        """Apply the events of one decision, or a part of them."""
        new = []
        if happened and type(happened[-1]) is Enqueued and self.sequence >= self.table.ahead:
            new = [event for event in happened if isinstance(event, Enqueued)]
            happened = happened[: -len(new)]  # the events of replaced jobs come first
        for event in happened:
            self.sequence += 1
            if self.sequence > self.table.ahead:  # else the store has a later time, and may have another clock shift
                self.table.note_time(event.at_ms)
            _APPLIED.get(type(event), QueueState._apply_transition)(self, event)
        if new:
            self._insert(new)

    def insert(self, batch: InsertBatch) -> None:
        """Add new jobs to the table, and tell the scheduler."""
        self.table.note_time(batch.latest_ms)
        if self.sequence >= self.table.ahead:  # else the store has counted them
            self.table.metrics.note_enqueued(batch.counts)
        self.sequence = self.table.insert(batch, self.sequence + 1)
        if len(batch.numbers) > FEW:
            self.scheduler.truncate_ready(f"{READY}/{next(iter(batch.numbers)) - 1:012}")
        else:
            for number, id in batch.numbers.items():
                self.scheduler.add_ready(f"{READY}/{number:012}", id)
        for index, keys in batch.indexes.items():
            self.scheduler.add_many(index, keys, FEW)

    def _for_update(self, id: str) -> Job | None:
        """Return a job to change, or None if there is none or its record already has this event."""
        if self.sequence <= self.table.ahead:  # a replay that is behind the store
            job = self.table.get(id)
            if job is None or job.revision >= self.sequence:
                return None
        return self.table.for_update(id, self.sequence)

    def _reindex(self, job: Job) -> None:
        key, _ = self.table.reindex(job)
        if job.state in (PENDING, FAILED):
            self.scheduler.add(key, job)

    def _insert(self, new: Sequence[Enqueued]) -> None:
        batch = InsertBatch()
        batch.add(new)
        self.insert(batch)

    def _apply_enqueued(self, event: Enqueued) -> None:
        if self.sequence > self.table.ahead or self.table.get(event.id) is None:
            self.sequence -= 1
            self._insert([event])

    def _apply_imported(self, event: events.Imported) -> None:
        if self.sequence > self.table.ahead or self.table.get(event.id) is None:
            job = Job(event.id, event.number, revision=self.sequence, **event.fields)
            self.table.add(job)
            self._reindex(job)
            if "batch" in job.options and self.sequence > self.table.ahead:
                self._note_past(job.options["batch"], job)

    def _note_past(self, batch: str, job: Job) -> None:
        """Note when an imported job of a batch started and ended."""
        times, shift_ms = self.table.batch_times, self.table.clock_shift_ms
        if job.history:
            times.note_start(batch, job.history[0]["started_ms"] - shift_ms)
        if job.state in FINAL_STATES:
            times.note_end(batch, job.updated_ms - shift_ms)

    def _apply_transition(self, event: JobEvent) -> None:
        job, kind = self._for_update(event.id), type(event)
        is_new = self.sequence > self.table.ahead  # else the store may have its effects
        if job is None and not is_new:
            return
        if job is None or job.state not in TRANSITIONS[kind][0]:
            now = "does not exist" if job is None else f"is {job.state}"
            raise Corrupt(path=f"event {self.sequence}", why=f"{kind.__name__} for job {event.id}, which {now}")
        if kind is events.Purged:
            self.table.remove(job.id, self.sequence)
            if is_new and "batch" in job.options:
                self._forget_empty(job.options["batch"])
            return
        job.revision = self.sequence
        was_running = job.state == PROCESSING
        slot = job.running().get("slot") if was_running else None
        if is_new:
            self._note(job, event)
        change(job, event)
        if isinstance(event, events.Started):
            self.scheduler.note_run(job, event.at_ms if is_new else None)
            if event.slot is not None:
                self.scheduler.take_slot(job.queue, event.slot)
        elif was_running:
            self.scheduler.note_run(job)
            if slot is not None and job.state != PROCESSING:
                self.scheduler.give_back_slot(job.queue, slot)
        self._reindex(job)

    def _forget_empty(self, batch: str) -> None:
        """Forget the times of a batch if its last job is gone."""
        if not any(self.table.counts_of_batch(batch).values()):
            self.table.batch_times.forget(batch)

    def _note(self, job: Job, event: JobEvent) -> None:
        """Note what an event means for its batch and for the metrics. The job is as it was before."""
        if "batch" in job.options:
            self._note_time(job.options["batch"], job, event)
        note = NOTES.get(type(event))
        if note is not None:
            note(self.table.metrics.of(job.queue), job, event, self.table.clock_shift_ms)

    def _note_time(self, batch: str, job: Job, event: JobEvent) -> None:
        """Note what an event says about the times of a batch. The job is as it was before."""
        times, kind = self.table.batch_times, type(event)
        if kind is events.Started:
            times.note_start(batch, event.at_ms - self.table.clock_shift_ms)
        is_over = TRANSITIONS[kind][1] in FINAL_STATES
        if kind in _ENDS_OF_RUNS:
            times.note_run(batch, event.at_ms - job.running()["started_ms"], is_over)
        if is_over:
            times.note_end(batch, event.at_ms - self.table.clock_shift_ms)

    def _apply_setting(self, event: events.SettingChanged) -> None:
        if event.value is None:
            self.table.settings.pop(event.key, None)
        else:
            self.table.settings[event.key] = event.value
        self.defaults.forget()

    def _apply_rules(self, event: events.QueueChanged) -> None:
        changed = {**self.table.queues.pop(event.name, {}), **event.fields}
        rules: Any = {name: value for name, value in changed.items() if value is not None}
        if rules:
            self.table.queues[event.name] = rules
        if "rate" in event.fields and self.sequence > self.table.ahead:  # a new rate starts from now
            self.table.next_starts.pop(event.name, None)
        self.scheduler.note_rules(event.name)
        self.defaults.forget()

    def _apply_shift(self, event: events.ClockShifted) -> None:
        """Adapt all jobs that wait for a time of the wall clock."""
        self.table.clock_shift_ms = event.shift_ms
        after = ""
        while entries := self.table.scan(WALL, WALL_PAGE, after):
            after = entries[-1][0]
            for _, id in entries:
                job = self._for_update(id)
                if job is not None:
                    set_clock(job, event.shift_ms)
                    job.revision = self.sequence
                    self._reindex(job)

    def _apply_schedule(self, event: events.ScheduleChanged | events.ScheduleFired) -> None:
        self.schedules.note_change()
        schedules = self.table.schedules
        if self.sequence > self.table.ahead:
            self._count_schedule(event)
        if isinstance(event, events.ScheduleChanged):
            if event.fields is None:
                schedules.pop(event.name, None)
            else:
                schedules[event.name] = {**event.fields}
        elif event.name in schedules:  # else the store already has the removal of the schedule
            schedule = schedules[event.name]
            last_id = event.job_id or schedule.get("last_id")
            schedules[event.name] = {**schedule, "next_ms": event.next_ms, "last_id": last_id}

    def _count_schedule(self, event: events.ScheduleChanged | events.ScheduleFired) -> None:
        """Count what a schedule did."""
        if isinstance(event, events.ScheduleFired):
            self.table.metrics.note_schedule(event.name, event.at_ms, event.job_id is not None)
        elif event.fields is None:
            self.table.metrics.forget_schedule(event.name)


_APPLIED: dict[type, Callable[..., None]] = {
    Enqueued: QueueState._apply_enqueued,
    events.Imported: QueueState._apply_imported,
    events.SettingChanged: QueueState._apply_setting,
    events.QueueChanged: QueueState._apply_rules,
    events.ScheduleChanged: QueueState._apply_schedule,
    events.ScheduleFired: QueueState._apply_schedule,
    events.ClockShifted: QueueState._apply_shift,
}
"""All other events are transitions of one job."""
