"""Hooks: commands of jobs and of the settings that run after an attempt or a job ends, as separate jobs.

    on-success   a job completes            on-failure   an attempt fails       on-end   a job ends in any way
    on-dead      a job dies, not canceled   on-idle      no job waits or runs any more (only as a setting)

A job's own hook runs beside that of the settings. It reads the record of the job as JSON, waits in the queue `hooks`,
and triggers no hook itself. As a job of its own, it cannot harm the job or the queue. Pure.

Warning: the record describes the job after its end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..model.events import Canceled, DeadLettered, Enqueued, Event, Failed, Succeeded
from ..model.job import FAILED, PENDING, PROCESSING, Job
from ..model.job_spec import HOOKS, MAX_INPUT_BYTES
from ..model.reasons import is_cancellation
from ..model.settings import Settings
from ..table.job_table import JobTable
from .admission import free_id
from .transitions import after

if TYPE_CHECKING:
    from ..model.records import Hook, Options

QUEUE = "hooks"
TRIGGERS = frozenset((Succeeded, Failed, DeadLettered, Canceled))
"""The kinds of events that can trigger a hook."""

_FIELDS = {name: name.replace("-", "_") for name in HOOKS}
_IDLE = "on-idle"
_LIVE = (PENDING, PROCESSING, FAILED)


class _Due(NamedTuple):
    """A hook that an event triggers. `job` is as the event leaves it."""

    name: str
    command: str
    job: Job


class Hooks:
    """The hooks of one table."""

    def __init__(self, table: JobTable, settings: Settings) -> None:
        self._table = table
        self._settings = settings

    def after(self, happened: Sequence[Event], now_ms: int) -> list[Enqueued]:
        """Return the hook jobs that follow events that are applied."""
        return self._jobs(self._due(happened, self._table.get, is_applied=True), now_ms)

    def before(
        self, happened: Sequence[Event], now_ms: int, job_of: Callable[[str], Job | None] | None = None
    ) -> list[Enqueued]:
        """Return the hook jobs that follow events that are not applied yet.

        `job_of` knows the jobs of a load beside those of the table. A load leaves no idle queue.
        """
        due = self._due(happened, job_of or self._table.get, is_applied=False)
        return self._jobs((hook for hook in due if job_of is None or hook.name != _IDLE), now_ms)

    def _due(
        self, happened: Sequence[Any], job_of: Callable[[str], Job | None], is_applied: bool
    ) -> Iterator[_Due]:
        """Yield the hooks that events trigger, those of a job before those of the settings."""
        configured, last = self._configured(), None
        for event in happened:
            names = _triggered_by(event)
            job = job_of(event.id) if names else None
            if job is None or job.queue == QUEUE:
                continue
            commands = [*_own(job, names), *((name, configured[name]) for name in names if name in configured)]
            if not commands and _IDLE not in configured:
                continue
            job = job if is_applied else after(job, event)
            last = last if type(event) is Failed else job
            yield from (_Due(name, command, job) for name, command in commands)
        if last is not None and _IDLE in configured and self._is_idle():
            yield _Due(_IDLE, configured[_IDLE], last)

    def _configured(self) -> dict[str, str]:
        """Return the commands of the settings by the name of the hook."""
        values = self._settings.values
        commands = {name: self._settings.usable(name) for name in (*HOOKS, _IDLE) if name in values} if values else {}
        return {name: command for name, command in commands.items() if command}

    def _is_idle(self) -> bool:
        """Return whether no job waits or runs, apart from hooks."""
        return not any(self._table.counts[state] - self._table.count_of(QUEUE, state) for state in _LIVE)

    def _jobs(self, due: Iterable[_Due], now_ms: int) -> list[Enqueued]:
        table, settings = self._table, self._settings
        new: list[Enqueued] = []
        for name, command, job in due:
            number = table.next_number + len(new)
            id = free_id(table, f"{job.id[:90]}.{name}.{number}")
            record = _record(job, table.clock_shift_ms, name)
            options: Options = {"queue": QUEUE, "name": name, "input": record, "hook": _facts(job)}
            retries, base = settings.usable("max-retries"), float(settings.usable("backoff-base"))
            new.append(Enqueued(id, number, now_ms, command, job.cwd, retries, base, options))
        return new


def _triggered_by(event: Event) -> tuple[str, ...]:
    """Return the names of the hooks that an event triggers."""
    if isinstance(event, Succeeded):
        return ("on-success", "on-end")
    if isinstance(event, Failed):
        return ("on-failure",)
    if not isinstance(event, (DeadLettered, Canceled)):
        return ()
    if is_cancellation(event.reason):
        return ("on-end",)
    return ("on-failure", "on-dead", "on-end") if isinstance(event, DeadLettered) else ("on-dead", "on-end")


def _own(job: Job, names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the hooks that a job itself names."""
    options: Any = job.options
    return [(name, options[_FIELDS[name]]) for name in names if _FIELDS[name] in options] if options else []


def _facts(job: Job) -> Hook:
    """Return what the environment of a hook tells about a job."""
    last = job.history[-1] if job.attempts and job.history else {}
    return {
        "job_id": job.id,
        "state": job.state,
        "exit_code": last.get("exit_code"),
        "reason": job.reason,
        "attempt": job.attempts,
        "log_file": last.get("log_file"),
        "log_offset": last.get("log_offset") or 0,
        "output_bytes": last.get("output_bytes") or 0,
    }


def _record(job: Job, clock_shift_ms: int, name: str) -> str:
    """Return the job in the form for users, without its env and input, as one line that fits into an input."""
    record: dict[str, Any] = {**job.record(clock_shift_ms), "hook": name}
    record = {field: value for field, value in record.items() if field not in ("env", "input")}
    text = json.dumps(record, ensure_ascii=False) + "\n"
    if len(text.encode()) > MAX_INPUT_BYTES:
        record.update(command=job.command[:1000], history=record["history"][-1:], tags={})
        text = json.dumps(record, ensure_ascii=False) + "\n"
    return text
