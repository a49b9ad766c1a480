"""Hooks: commands of jobs and of the settings that run after an attempt, a job, or a batch ends, as separate jobs.

    on-success   a job completes            on-failure     an attempt fails       on-end   a job ends in any way
    on-dead      a job dies, not canceled   on-batch-end   no job of a batch is unfinished any more
    on-idle      no job waits or runs any more (only as a setting)

A job's own hook runs beside that of the settings. It reads the record of the job as JSON, waits in the queue `hooks`,
and triggers no hook itself. As a job of its own, it cannot harm the job or the queue. Pure.

Warning: the record describes the job after its end.
"""

from __future__ import annotations

from ..light_types import NamedTuple
from ..model import trace_context
from ..model.events import Canceled, DeadLettered, Enqueued, Event, Failed, Succeeded
from ..model.job import COMPLETED, DEAD, FAILED, PENDING, PROCESSING, Job
from ..model.job_spec import HOOKS, MAX_INPUT_BYTES
from ..model.reasons import is_cancellation
from ..model.settings import Settings
from ..table.counts import bump
from ..table.job_table import JobTable
from .admission import free_id
from .bulk import Load
from .transitions import after

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from ..model.records import Hook, Options

QUEUE = "hooks"
_FIELDS = {name: name.replace("-", "_") for name in HOOKS}
_IDLE, _BATCH_END = "on-idle", "on-batch-end"
_TRIGGERS = frozenset((Succeeded, Failed, DeadLettered, Canceled))
_SETTINGS = frozenset((*HOOKS, _IDLE))
_OWN = frozenset(_FIELDS.values())
_END = ("on-end", _BATCH_END)
_LIVE = (PENDING, PROCESSING, FAILED)


class _BatchEnd(NamedTuple):
    """A batch without unfinished jobs, and how many of its jobs completed and died."""

    batch: str
    completed: int
    dead: int


class _Due(NamedTuple):
    """A hook that an event triggers. `job` is as the event leaves it."""

    name: str
    command: str
    job: Job
    end: _BatchEnd | None = None


class _Turn:
    """The events of one decision, which are applied, or which the engine or a load is about to apply."""

    def __init__(self, table: JobTable, happened: Sequence[Any], is_applied: bool, load: Load | None = None) -> None:
        self.happened = happened
        self._table = table
        self._is_applied = is_applied
        self._load = load
        self._ended: dict[str, int] | None = None

    def triggers(self) -> Iterator[tuple[Any, Job, tuple[str, ...]]]:
        """Yield each event that triggers hooks, its job, and the names of these hooks."""
        for event in self.happened:
            names = _triggered_by(event)
            job = self._job(event.id) if names else None
            if job is not None and job.queue != QUEUE:
                is_member = "batch" in job.options
                yield event, job, tuple(name for name in names if is_member or name != _BATCH_END)

    def left_by(self, event: Any, job: Job) -> Job:
        """Return a job of `triggers` as its event leaves it."""
        return job if self._is_applied else after(job, event)

    def end_of(self, batch: str) -> _BatchEnd | None:
        """Return the end of a batch, or None if jobs of it are unfinished after the events."""
        counts = self._table.counts_of_batch(batch)
        jobs, completed, ended = sum(counts.values()), counts[COMPLETED], counts[COMPLETED] + counts[DEAD]
        if not self._is_applied:
            jobs += self._load.count_in(batch) if self._load is not None else 0
            ended += self._ends().get(batch, 0)
        return _BatchEnd(batch, completed, jobs - completed) if ended == jobs else None

    def _ends(self) -> dict[str, int]:
        """Count, by batch, the jobs that end with the events. One count serves all batches."""
        if self._ended is None:
            self._ended = {}
            for _, job, names in self.triggers():
                if _BATCH_END in names:
                    bump(self._ended, job.options["batch"], 1)
        return self._ended

    def _job(self, id: str) -> Job | None:
        return self._table.get(id) if self._load is None else self._load.job_of(self._table, id)


class Hooks:
    """The hooks of one table."""

    def __init__(self, table: JobTable, settings: Settings) -> None:
        self._table = table
        self._settings = settings

    def after(self, happened: Sequence[Event], now_ms: int) -> list[Enqueued]:
        """Return the hook jobs that follow events that are applied. A job without hooks pays a look at its options."""
        if _TRIGGERS.isdisjoint(map(type, happened)):
            return []
        if _SETTINGS.isdisjoint(self._settings.values) and not any(map(self._has_own, happened)):
            return []
        return self._jobs(self._due(_Turn(self._table, happened, is_applied=True)), now_ms)

    def before(self, happened: Sequence[Event], now_ms: int, load: Load | None = None) -> list[Enqueued]:
        """Return the hook jobs that follow events that are not applied yet, with a load if there is one.

        A load leaves no idle queue.
        """
        due = self._due(_Turn(self._table, happened, False, load))
        return self._jobs((hook for hook in due if load is None or hook.name != _IDLE), now_ms)

    def _due(self, turn: _Turn) -> Iterator[_Due]:
        """Yield the hooks that events trigger, those of a job before those of the settings."""
        configured, last = self._configured(), None
        batches: dict[tuple[str, str], Job] = {}
        for event, job, names in turn.triggers():
            commands = [*_own(job, names), *((name, configured[name]) for name in names if name in configured)]
            if not commands and _IDLE not in configured:
                continue
            job = turn.left_by(event, job)
            last = last if type(event) is Failed else job
            batches.update(((job.options["batch"], text), job) for name, text in commands if name == _BATCH_END)
            yield from (_Due(name, text, job) for name, text in commands if name != _BATCH_END)
        for (batch, text), job in batches.items():
            end = turn.end_of(batch)
            if end is not None:
                yield _Due(_BATCH_END, text, job, end)
        if last is not None and _IDLE in configured and self._is_idle():
            yield _Due(_IDLE, configured[_IDLE], last)

    def _has_own(self, event: Any) -> bool:
        """Return whether the job of an event names a hook."""
        job = self._table.get(event.id) if type(event) in _TRIGGERS else None
        return job is not None and bool(job.options) and not _OWN.isdisjoint(job.options)

    def _configured(self) -> dict[str, str]:
        """Return the commands of the settings by the name of the hook."""
        names = _SETTINGS.intersection(self._settings.values)
        commands = {name: self._settings.usable(name) for name in names}
        return {name: command for name, command in commands.items() if command}

    def _is_idle(self) -> bool:
        """Return whether no job waits or runs, apart from hooks."""
        return not any(self._table.counts[state] - self._table.count_of(QUEUE, state) for state in _LIVE)

    def _jobs(self, due: Iterable[_Due], now_ms: int) -> list[Enqueued]:
        table, settings = self._table, self._settings
        new: list[Enqueued] = []
        for hook in due:
            name, command, job, _ = hook
            number = table.next_number + len(new)
            id = free_id(table, f"{job.id[:90]}.{name}.{number}")
            record = _record(hook, table.clock_shift_ms)
            options: Options = {"queue": QUEUE, "name": name, "input": record, "hook": _facts(hook)}
            trace = _trace_of(job)
            if trace:
                options["env"] = trace
            retries, base = settings.usable("max-retries"), float(settings.usable("backoff-base"))
            new.append(Enqueued(id, number, now_ms, command, job.cwd, retries, base, options))
        return new


def _triggered_by(event: Event) -> tuple[str, ...]:
    """Return the names of the hooks that an event triggers, that of the batch last."""
    if isinstance(event, Succeeded):
        return ("on-success", *_END)
    if isinstance(event, Failed):
        return ("on-failure",)
    if not isinstance(event, (DeadLettered, Canceled)):
        return ()
    if is_cancellation(event.reason):
        return _END
    return ("on-failure", "on-dead", *_END) if isinstance(event, DeadLettered) else ("on-dead", *_END)


def _own(job: Job, names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the hooks that a job itself names."""
    options: Any = job.options
    return [(name, options[_FIELDS[name]]) for name in names if _FIELDS[name] in options] if options else []


def _trace_of(job: Job) -> dict[str, str]:
    """Return the variables of the trace that a job belongs to."""
    env: Mapping[str, str] = job.options.get("env", {}) if job.options else {}
    return {name: env[name] for name in trace_context.VARIABLES if name in env} if env else {}


def _facts(hook: _Due) -> Hook:
    """Return what the environment of a hook tells about its job and its batch."""
    job, end = hook.job, hook.end or _BatchEnd("", 0, 0)
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
        "batch": end.batch or None,
        "completed": end.completed,
        "dead": end.dead,
    }


def _record(hook: _Due, clock_shift_ms: int) -> str:
    """Return the job in the form for users, without its env and input, as one line that fits into an input."""
    record: dict[str, Any] = {**hook.job.record(clock_shift_ms), "hook": hook.name}
    if hook.end is not None:
        record["batch_counts"] = {COMPLETED: hook.end.completed, DEAD: hook.end.dead}
    record = {field: value for field, value in record.items() if field not in ("env", "input")}
    import json  # few calls have a hook

    text = json.dumps(record, ensure_ascii=False) + "\n"
    if len(text.encode()) > MAX_INPUT_BYTES:
        record.update(command=hook.job.command[:1000], history=record["history"][-1:], tags={})
        text = json.dumps(record, ensure_ascii=False) + "\n"
    return text
