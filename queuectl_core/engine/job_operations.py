"""Job operations: what users do to existing jobs: retry, cancel, remove, edit, suspend.

A decision checks all jobs before the first event; with `skip_ineligible`, it skips those to which it does not apply.

Pure. Changes nothing itself.
"""

from __future__ import annotations

from ..errors import InvalidInput, KeyTaken, NotDead, UnknownJob, WrongState
from ..model import commands, events, reasons
from ..model.events import Event, JobEvent
from ..model.job import DEAD, FAILED, FINAL_STATES, PENDING, PROCESSING, Job
from ..model.job_spec import BASIC_FIELDS, FIXED_FIELDS, PASSING_OPTIONS, check_field
from ..model.settings import Settings
from ..model.validators import is_id
from ..table.index_keys import BLOCKED
from ..table.job_table import JobTable
from . import places, queue_rules
from .admission import due_ms, holder_of_key
from .dependencies import with_dependants

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Optional, Union

    Decision = tuple[Sequence[Event], object]
    _Change = tuple[dict[str, Any], Optional[int], Optional[int]]
    """A checked change of a job.

    Its fields in the form in which they are kept; the new time without the clock shift, 0 for now; and that time by the
    wall clock, if the request gave one.
    """

    _OnJobs = Union[
        commands.Cancel, commands.Remove, commands.RunNow, commands.Edit, commands.Suspend, commands.Continue
    ]

_MAX_LOOKS = 10_000
"""How many blockers of blockers one request looks at."""


def _jobs(table: JobTable, ids: Iterable[str]) -> list[Job]:
    """Return the jobs, each once.

    Raises: UnknownJob.
    """
    jobs = []
    for id in dict.fromkeys(ids):
        job = table.get(id) if is_id(id) else None
        if job is None:
            raise UnknownJob(id=str(id)[:140])
        jobs.append(job)
    return jobs


def _targets(table: JobTable, command: _OnJobs, can: Callable[[Job], object], what: str) -> list[Job]:
    """Return the jobs of a command that `can` accepts. Refuse or skip the others.

    Raises: UnknownJob, WrongState.
    """
    if command.skip_ineligible:
        known = [table.get(id) for id in dict.fromkeys(command.ids)]
        return [job for job in known if job is not None and can(job)]
    jobs = _jobs(table, command.ids)
    for job in jobs:
        if not can(job):
            raise WrongState(id=job.id, state=job.state, what=what)
    return jobs


def _dead(table: JobTable, ids: Iterable[str]) -> list[Job]:
    jobs = _jobs(table, ids)
    for job in jobs:
        if job.state != DEAD:
            raise NotDead(id=job.id, state=job.state)
    return jobs


class _Revival:
    """Jobs that return from the dead letter queue, by ID. Each takes its key again."""

    def __init__(self, table: JobTable) -> None:
        self.jobs: dict[str, Job] = {}
        self._table = table
        self._keys: dict[object, str] = {}
        self._waits: dict[str, list[str]] = {}
        """The blockers of the jobs whose events are made."""
        self._looks = _MAX_LOOKS

    def add(self, job: Job, skip: bool) -> None:
        """Add a job. With `skip`, leave it out if another unfinished job has its key.

        Raises: KeyTaken.
        """
        key = job.options.get("key")
        holder = None if key is None else self._keys.get(key) or holder_of_key(self._table, key)
        if holder is None:
            self.jobs[job.id] = job
            self._keys[key] = job.id
        elif not skip:
            raise KeyTaken(key=key, id=holder, runs=False)

    def add_dependants(self) -> None:
        """Add the jobs that died with these, directly or not."""
        ids = list(self.jobs)
        for id in ids:  # the loop appends to the list
            for _, other in self._table.scan(f"needs/{id}", self._table.counts.get(BLOCKED, 0)):
                job = self._table.get(other)
                if job is None or job.state != DEAD or reasons.cause_of(job.reason) == "canceled":
                    continue
                if other not in self.jobs:
                    self.add(job, skip=True)
                    ids += [other] if other in self.jobs else []

    def event_of(self, job: Job, now_ms: int) -> JobEvent:
        """Return the event: the job waits again for those of its blockers that are unfinished or return with it."""
        waits = [other for other in self._open(job.blockers) if self._may_wait(job, other)]
        self._waits[job.id] = waits
        return events.Retried(job.id, now_ms, waits or ())

    def _may_wait(self, job: Job, id: str) -> bool:
        """Return whether a job can wait for this blocker without a risk that they wait for each other.

        Jobs wait for older ones. But an ID that was removed and used again names a newer job, which may wait for this
        one: through other jobs, or later for its batch.
        """
        if self._table.existing(id).number < job.number:
            return True
        ids = {id: None}
        left = [id]
        for id in left:  # the loop appends to the list
            other = self._table.existing(id)
            waits = self._waits[id] if id in self._waits else self._open(other.blockers)
            self._looks -= len(waits)
            if job.id in waits or (waits and "after_batch" in other.options) or self._looks < 0:
                return False
            left += [more for more in waits if more not in ids]
            ids.update(dict.fromkeys(waits))
        return True

    def _open(self, ids: Iterable[str]) -> list[str]:
        return [id for id in ids if self._is_open(id)]

    def _is_open(self, id: str) -> bool:
        job = self._table.get(id)
        return id in self.jobs or (job is not None and job.state not in FINAL_STATES)


def _retry_dead(table: JobTable, command: commands.RetryDead, now_ms: int) -> Decision:
    jobs = _dead(table, command.ids)
    fields, at_ms, _ = _checked_fields(table, command.fields, now_ms) if command.fields else ({}, None, None)
    revival = _Revival(table)
    for job in jobs:
        revival.add(job, command.skip_ineligible)
    edited = revival.jobs.copy() if fields or at_ms is not None else {}
    if command.dependants:
        revival.add_dependants()
    happened: list[JobEvent] = []
    for job in revival.jobs.values():
        if job.id in edited:
            happened.append(events.Edited(job.id, now_ms, fields))
        happened.append(revival.event_of(job, now_ms))
    return happened, list(revival.jobs)


def _purge_dead(table: JobTable, command: commands.PurgeDead, now_ms: int) -> Decision:
    jobs = _dead(table, command.ids)
    return [events.Purged(job.id, now_ms) for job in jobs], [job.id for job in jobs]


def _cancel(table: JobTable, command: commands.Cancel, now_ms: int) -> Decision:
    jobs = _targets(table, command, lambda job: job.state in (PENDING, FAILED, PROCESSING), "canceled")
    at_once = [events.Canceled(job.id, now_ms, reasons.BY_HAND) for job in jobs if job.state != PROCESSING]
    asked = [events.CancelRequested(job.id, now_ms, command.signal) for job in jobs if job.state == PROCESSING]
    return [*with_dependants(table, at_once, now_ms), *asked], [job.id for job in jobs]


def _remove(table: JobTable, command: commands.Remove, now_ms: int) -> Decision:
    jobs = _targets(table, command, lambda job: job.state != PROCESSING, "removed; cancel it first")
    removed = {job.id: events.Purged(job.id, now_ms) for job in jobs}
    waiting = [removed[job.id] for job in jobs if job.state in (PENDING, FAILED)]
    finished = [removed[job.id] for job in jobs if job.state in FINAL_STATES]
    follows = with_dependants(table, waiting, now_ms)[len(waiting) :]
    return [*finished, *waiting, *(event for event in follows if event.id not in removed)], list(removed)


def _run_now(table: JobTable, command: commands.RunNow, now_ms: int) -> Decision:
    def can(job: Job) -> bool:
        return job.state in (FAILED, DEAD) or (job.state == PENDING and job.due_ms is not None)

    jobs = _targets(table, command, can, "retried")
    revival = _Revival(table)
    for job in jobs:
        if job.state == DEAD:
            revival.add(job, command.skip_ineligible)
    happened: list[JobEvent] = []
    for job in jobs:
        if job.id in revival.jobs:
            happened.append(revival.event_of(job, now_ms))
        elif job.state != DEAD:
            happened.append(events.MadeReady(job.id, now_ms))
    return happened, [event.id for event in happened]


def _edit(table: JobTable, command: commands.Edit, now_ms: int) -> Decision:
    fields, at_ms, wall_ms = _checked_fields(table, command.fields, now_ms)
    jobs = _targets(table, command, lambda job: job.state in (PENDING, FAILED, DEAD), "edited")
    if at_ms is not None:
        jobs = _targets(table, command, lambda job: job.state in (PENDING, FAILED), "delayed; retry it first")
    happened: list[Event] = []
    for job in jobs:
        is_due = job.state == FAILED and at_ms == 0
        happened.append(events.Edited(job.id, now_ms, fields, None if is_due else at_ms, wall_ms))
        if is_due:  # the job becomes pending, instead of failed
            happened.append(events.MadeReady(job.id, now_ms))
    return happened, [job.id for job in jobs]



def _checked_fields(table: JobTable, wanted: Mapping[str, object], now_ms: int) -> _Change:
    """Check the fields of a change.

    Raises: InvalidInput.
    """
    settings = Settings(table.settings)
    try:
        fields = {name: _checked_value(name, value, settings) for name, value in wanted.items()}
    except ValueError as fault:
        raise InvalidInput(what=str(fault)) from None
    if not fields:
        raise InvalidInput(what="name at least one field to change")
    at_ms = due_ms(fields, now_ms, table.clock_shift_ms)
    if at_ms is None and fields.keys() & PASSING_OPTIONS:
        at_ms = 0
    kept = {name: value for name, value in fields.items() if name not in PASSING_OPTIONS}
    return kept, at_ms, fields.get("at")


def _checked_value(name: str, value: object, settings: Settings) -> Any:
    """Return a field of a change in the form in which it is kept; the value None restores a default.

    Raises: ValueError with a sentence.
    """
    if name in FIXED_FIELDS:
        raise ValueError(f"{name} cannot be changed after the job is added")
    if value is not None:
        return check_field(name, value)
    if name in ("command", "cwd"):
        raise ValueError(f"{name} cannot be empty")
    key = name.replace("_", "-")
    return settings.usable(key) if name in BASIC_FIELDS else None


def _set_suspended(table: JobTable, command: commands.Suspend | commands.Continue, now_ms: int) -> Decision:
    is_suspend = isinstance(command, commands.Suspend)
    kind, what = (events.Suspended, "suspended") if is_suspend else (events.Continued, "continued")
    jobs = _targets(table, command, lambda job: job.state == PROCESSING, what)
    return [kind(job.id, now_ms) for job in jobs if job.suspended != is_suspend], [job.id for job in jobs]


DECISIONS: dict[type, Callable[..., Decision]] = {
    commands.RetryDead: _retry_dead,
    commands.PurgeDead: _purge_dead,
    commands.Cancel: _cancel,
    commands.Remove: _remove,
    commands.RunNow: _run_now,
    commands.Edit: _edit,
    commands.Move: places.move,
    commands.Switch: places.switch,
    commands.Suspend: _set_suspended,
    commands.Continue: _set_suspended,
    commands.ChangeQueue: queue_rules.change,
    commands.RemoveQueue: queue_rules.remove,
}
