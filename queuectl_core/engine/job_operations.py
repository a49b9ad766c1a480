"""Job operations: what users do to existing jobs and queues: retry, cancel, remove, edit, suspend, pause.

A decision checks all jobs before the first event; with `skip_ineligible`, it skips those to which it does not apply.
`with_dependants` adds what the end of a job means for the jobs that wait for it.

Pure. Changes nothing itself.

Warning: if a job ends without `with_dependants`, its dependants wait forever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from ..errors import InvalidInput, KeyTaken, NotDead, UnknownJob, WrongState
from ..model import commands, events
from ..model.events import Event, JobEvent
from ..model.job import COMPLETED, DEAD, FAILED, PENDING, PROCESSING, Job
from ..model.job_spec import MAX_WAIT_S, PASSING_OPTIONS, check_field
from ..model.settings import Settings
from ..model.validators import is_id
from ..table.index_keys import ALL_QUEUES, BLOCKED
from ..table.job_table import JobTable
from .admission import due_ms, holder_of_key

if TYPE_CHECKING:

    _Lenient = Union[
        commands.Cancel, commands.Remove, commands.RunNow, commands.Edit, commands.Suspend, commands.Continue
    ]

Decision = tuple[Sequence[Event], object]

_ENDS: dict[type, str] = {events.DeadLettered: "died", events.Canceled: "was canceled", events.Purged: "was removed"}
_FIXED_FIELDS = frozenset(("id", "after", "after_any", "key", "on_conflict"))

Dependant = tuple[str, bool]
"""The ID of a job that waits for another, and whether it accepts any end of that job."""


def with_dependants(
    table: JobTable,
    ended: Sequence[JobEvent],
    now_ms: int,
    more: Mapping[str, Sequence[Dependant]] = {},
) -> list[JobEvent]:
    """Return these events, and those that follow from them for the dependants of jobs that ended.

    `more` has the dependants of each job that are not in the table yet.
    """
    found, has_blocked = list(ended), bool(table.counts.get(BLOCKED))
    if not more and not has_blocked:
        return found
    gone = {event.id for event in found if type(event) in _ENDS}
    for event in found:  # the loop appends to the list
        how = _ENDS.get(type(event))
        if how is None and type(event) is not events.Succeeded:
            continue
        known = _dependants_of(table, event.id) if has_blocked else ()
        for id, after_any in (*known, *more.get(event.id, ())):
            if id in gone:
                continue
            if how is None or after_any:
                found.append(events.Unblocked(id, now_ms, event.id))
            else:
                gone.add(id)
                found.append(events.Canceled(id, now_ms, f"job {event.id}, which it waited for, {how}"))
    return found


def _dependants_of(table: JobTable, id: str) -> list[Dependant]:
    jobs = [table.get(other) for _, other in table.scan(f"needs/{id}", table.counts[BLOCKED])]
    return [(job.id, bool(job.options.get("after_any"))) for job in jobs if job is not None and job.state == PENDING]


def _jobs(table: JobTable, ids: Iterable[str]) -> list[Job]:
    """Return the jobs, each once.

    Raises: UnknownJob.
    """
    found = []
    for id in dict.fromkeys(ids):
        job = table.get(id) if is_id(id) else None
        if job is None:
            raise UnknownJob(id=str(id)[:140])
        found.append(job)
    return found


def _those(table: JobTable, command: _Lenient, can: Callable[[Job], object], what: str) -> list[Job]:
    """Return the jobs of a command that `can` accepts. Refuse or skip the others.

    Raises: WrongState.
    """
    if command.skip_ineligible:
        known = [table.get(id) for id in dict.fromkeys(command.ids)]
        return [job for job in known if job is not None and can(job)]
    found = _jobs(table, command.ids)
    for job in found:
        if not can(job):
            raise WrongState(id=job.id, state=job.state, what=what)
    return found


def _dead(table: JobTable, ids: Iterable[str]) -> list[Job]:
    found = _jobs(table, ids)
    for job in found:
        if job.state != DEAD:
            raise NotDead(id=job.id, state=job.state)
    return found


def _retry_dead(table: JobTable, command: commands.RetryDead, now_ms: int) -> Decision:
    jobs = _dead(table, command.ids)
    fields, at_ms, _ = _checked_fields(table, command.fields, now_ms) if command.fields else ({}, None, None)
    found: list[JobEvent] = []
    if command.skip_ineligible:
        jobs = _with_free_keys(table, jobs)
    revived = {job.id for job in jobs}
    keys: set[object] = set()
    for job in jobs:
        if fields or at_ms is not None:
            found.append(events.Edited(job.id, now_ms, fields))
        found.append(_retried(table, job, now_ms, revived, keys))
    if command.dependants:
        found += _revived_dependants(table, [job.id for job in jobs], now_ms, keys)
    return found, [event.id for event in found if type(event) is events.Retried]


def _retried(table: JobTable, job: Job, now_ms: int, revived: set[str], keys: set[object]) -> JobEvent:
    """Return the event that takes a job out of the dead letter queue, and add its key to `keys`.

    The job waits again for those of its blockers that are unfinished or return with it.
    """
    holder = _key_holder(table, job, keys)
    if holder is not None:
        raise KeyTaken(key=job.options["key"], id=holder, runs=False)
    keys.add(job.options.get("key"))
    return events.Retried(job.id, now_ms, [other for other in job.blockers if _is_open(table, other, revived)] or ())


def _with_free_keys(table: JobTable, jobs: list[Job]) -> list[Job]:
    """Return the jobs whose keys no unfinished job has, nor an earlier job of the list."""
    found: list[Job] = []
    keys: set[object] = set()
    for job in jobs:
        if job.state != DEAD or _key_holder(table, job, keys) is None:
            found.append(job)
            keys.add(job.options.get("key"))
    return found


def _key_holder(table: JobTable, job: Job, keys: set[object]) -> str | None:
    """Return the ID of the job that has the key of this one, or is about to have it."""
    key = job.options.get("key")
    return None if key is None else job.id if key in keys else holder_of_key(table, str(key))


def _revived_dependants(table: JobTable, ids: list[str], now_ms: int, keys: set[object]) -> list[JobEvent]:
    """Return the events that revive the jobs that died with these, directly or not.

    The revived jobs wait again for unfinished ones.
    """
    found: list[JobEvent] = []
    revived = set(ids)
    for id in ids:  # the loop appends to the list
        for _, other in table.scan(f"needs/{id}", table.counts.get(BLOCKED, 0)):
            job = table.get(other)
            if job is None or job.state != DEAD or other in revived or _key_holder(table, job, keys) is not None:
                continue
            revived.add(other)
            ids.append(other)
            found.append(_retried(table, job, now_ms, revived, keys))
    return found


def _is_open(table: JobTable, id: str, revived: set[str]) -> bool:
    job = table.get(id)
    return id in revived or (job is not None and job.state not in (COMPLETED, DEAD))


def _purge_dead(table: JobTable, command: commands.PurgeDead, now_ms: int) -> Decision:
    jobs = _dead(table, command.ids)
    return [events.Purged(job.id, now_ms) for job in jobs], [job.id for job in jobs]


def _cancel(table: JobTable, command: commands.Cancel, now_ms: int) -> Decision:
    jobs = _those(table, command, lambda job: job.state in (PENDING, FAILED, PROCESSING), "canceled")
    at_once = [events.Canceled(job.id, now_ms, "canceled by hand") for job in jobs if job.state != PROCESSING]
    asked = [events.CancelRequested(job.id, now_ms, command.signal) for job in jobs if job.state == PROCESSING]
    return [*with_dependants(table, at_once, now_ms), *asked], [job.id for job in jobs]


def _remove(table: JobTable, command: commands.Remove, now_ms: int) -> Decision:
    jobs = _those(table, command, lambda job: job.state != PROCESSING, "removed; cancel it first")
    live = [events.Purged(job.id, now_ms) for job in jobs if job.state in (PENDING, FAILED)]
    over = [events.Purged(job.id, now_ms) for job in jobs if job.state not in (PENDING, FAILED)]
    removed = {job.id for job in jobs}
    follows = [
        event
        for event in with_dependants(table, live, now_ms)
        if type(event) is events.Purged or event.id not in removed
    ]
    return [*over, *follows], [job.id for job in jobs]


def _run_now(table: JobTable, command: commands.RunNow, now_ms: int) -> Decision:
    def can(job: Job) -> bool:
        return job.state in (FAILED, DEAD) or (job.state == PENDING and job.due_ms is not None)

    jobs = _those(table, command, can, "retried")
    if command.skip_ineligible:
        jobs = _with_free_keys(table, jobs)
    revived = {job.id for job in jobs}
    keys: set[object] = set()
    found: list[Event] = []
    for job in jobs:
        is_dead = job.state == DEAD
        found.append(_retried(table, job, now_ms, revived, keys) if is_dead else events.MadeReady(job.id, now_ms))
    return found, [job.id for job in jobs]


def _edit(table: JobTable, command: commands.Edit, now_ms: int) -> Decision:
    fields, at_ms, wall_ms = _checked_fields(table, command.fields, now_ms)
    jobs = _those(table, command, lambda job: job.state in (PENDING, FAILED, DEAD), "edited")
    if at_ms is not None:
        jobs = _those(table, command, lambda job: job.state in (PENDING, FAILED), "delayed; retry it first")
    found: list[Event] = []
    for job in jobs:
        is_due = job.state == FAILED and at_ms == 0
        found.append(events.Edited(job.id, now_ms, fields, None if is_due else at_ms, wall_ms))
        if is_due:  # the job becomes pending, instead of failed
            found.append(events.MadeReady(job.id, now_ms))
    return found, [job.id for job in jobs]


class _Change(NamedTuple):
    """A checked change of a job.

    `fields` are in the form in which they are kept. `at_ms` is the new time without the clock shift, 0 for now.
    `wall_ms` is that time by the wall clock, if the request gave one.
    """

    fields: dict[str, Any]
    at_ms: int | None
    wall_ms: int | None


def _checked_fields(table: JobTable, wanted: Mapping[str, object], now_ms: int) -> _Change:
    """Check the fields of a change.

    Raises: InvalidInput.
    """
    try:
        fixed = next((name for name in wanted if name in _FIXED_FIELDS), None)
        if fixed is not None:
            raise ValueError(f"{fixed} cannot be changed after the job is added")
        if not wanted:
            raise ValueError("name at least one field to change")
        basic = next((name for name in ("command", "cwd") if wanted.get(name, "") is None), None)
        if basic is not None:
            raise ValueError(f"{basic} cannot be empty")
        fields: dict[str, Any] = {
            name: None if value is None else check_field(name, value) for name, value in wanted.items()
        }
    except ValueError as fault:
        raise InvalidInput(what=str(fault)) from None
    settings = Settings(table.settings)
    for name, key in (("max_retries", "max-retries"), ("backoff_base", "backoff-base")):
        if name in fields and fields[name] is None:
            fields[name] = settings.usable(key)
    at_ms = due_ms(fields, now_ms, table.clock_shift_ms)
    if at_ms is None and fields.keys() & PASSING_OPTIONS:
        at_ms = 0
    kept = {name: value for name, value in fields.items() if name not in PASSING_OPTIONS}
    return _Change(kept, at_ms, fields.get("at"))


def _suspend(table: JobTable, command: commands.Suspend, now_ms: int) -> Decision:
    jobs = _those(table, command, lambda job: job.state == PROCESSING, "suspended")
    return [events.Suspended(job.id, now_ms) for job in jobs if not job.suspended], [job.id for job in jobs]


def _continue(table: JobTable, command: commands.Continue, now_ms: int) -> Decision:
    jobs = _those(table, command, lambda job: job.state == PROCESSING, "continued")
    return [events.Continued(job.id, now_ms) for job in jobs if job.suspended], [job.id for job in jobs]


def _change_queue(table: JobTable, command: commands.ChangeQueue, now_ms: int) -> Decision:
    if command.name != ALL_QUEUES and not is_id(command.name):
        raise InvalidInput(what=f"invalid queue name {command.name[:60]!r}")
    fields: dict[str, Any] = {}
    for name, value in command.fields.items():
        if name == "paused":
            was_ms = table.queues.get(command.name, {}).get("paused_ms")
            fields["paused_ms"] = (was_ms or now_ms) if value else None
        elif name in ("limit", "rate") and command.name != ALL_QUEUES:
            fields[name] = None if value is None else _RULES[name](value)
        else:
            raise InvalidInput(what=f"a queue has only limit, rate and paused, not {name[:40]!r}")
    now = table.queues.get(command.name, {})
    changed: Any = {name: value for name, value in fields.items() if value != now.get(name)}
    return ([events.QueueChanged(command.name, now_ms, changed)] if changed else []), None


def _limit(value: object) -> int:
    if type(value) is not int or not 1 <= value <= 100_000:
        raise InvalidInput(what="a queue's limit must be a whole number from 1 to 100000")
    return value


def _rate(value: object) -> list[float]:
    if isinstance(value, list) and len(value) == 2:
        count, period_s = value
        if (
            type(count) is int
            and 1 <= count <= 10**6
            and isinstance(period_s, (int, float))
            and 0 < period_s <= MAX_WAIT_S
        ):
            return [count, period_s]
    raise InvalidInput(what="a queue's rate must be a number of jobs per time, like 10/m")


_RULES: dict[str, Callable[[object], object]] = {"limit": _limit, "rate": _rate}

DECISIONS: dict[type, Callable[..., Decision]] = {
    commands.RetryDead: _retry_dead,
    commands.PurgeDead: _purge_dead,
    commands.Cancel: _cancel,
    commands.Remove: _remove,
    commands.RunNow: _run_now,
    commands.Edit: _edit,
    commands.Suspend: _suspend,
    commands.Continue: _continue,
    commands.ChangeQueue: _change_queue,
}
