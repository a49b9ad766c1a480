"""Hooks: commands of the settings that run after a job ends, as separate jobs.

    on-success   a job completes        on-dead   a job dies        on-idle   no job waits or runs any more

A hook reads the record of the job as JSON, waits in the queue `hooks`, and triggers no hook itself. As a job of its
own, it cannot harm the job or the queue. Pure.

Warning: the record describes the job after its end, so apply the event before you make the record.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..model.events import Canceled, DeadLettered, Enqueued, Succeeded
from ..model.job import FAILED, PENDING, PROCESSING, Job
from ..model.job_spec import MAX_INPUT_BYTES
from ..model.settings import HOOKS, Settings
from ..table.job_table import JobTable
from .admission import free_id

if TYPE_CHECKING:
    from ..model.events import Event
    from ..model.records import Options

QUEUE = "hooks"
_ON: dict[type, str] = {Succeeded: "on-success", DeadLettered: "on-dead", Canceled: "on-dead"}
_LIVE = (PENDING, PROCESSING, FAILED)


def are_set(settings: Settings) -> bool:
    """Return whether any hook is set."""
    return any(settings.values.get(name) for name in HOOKS)


def following(
    table: JobTable, settings: Settings, happened: Sequence[Event], now_ms: int, job_of: Callable[[Any], Job | None]
) -> list[Enqueued]:
    """Return the hook jobs that follow these events. `job_of` returns a job as its event leaves it."""
    ended = [(_ON[type(event)], job_of(event)) for event in happened if type(event) in _ON]
    causes = [(name, job) for name, job in ended if job is not None and job.queue != QUEUE]
    if causes and not any(table.counts[state] - table.count_of(QUEUE, state) for state in _LIVE):
        causes.append(("on-idle", causes[-1][1]))
    new: list[Enqueued] = []
    for name, job in causes:
        command = settings.usable(name)
        if command:
            number = table.next_number + len(new)
            id = free_id(table, f"{job.id[:90]}.{name}.{number}")
            options: Options = {"queue": QUEUE, "name": name, "input": _record(job, table.clock_shift_ms, name)}
            retries, base = settings.usable("max-retries"), float(settings.usable("backoff-base"))
            new.append(Enqueued(id, number, now_ms, command, job.cwd, retries, base, options))
    return new


def _record(job: Job, clock_shift_ms: int, name: str) -> str:
    """Return the job in the form for users, without its env and input, shortened to the limit of an input."""
    record: dict[str, Any] = {**job.record(clock_shift_ms), "hook": name}
    record = {field: value for field, value in record.items() if field not in ("env", "input")}
    text = json.dumps(record, ensure_ascii=False)
    if len(text.encode()) > MAX_INPUT_BYTES:
        record.update(command=job.command[:1000], history=record["history"][-1:], tags={})
        text = json.dumps(record, ensure_ascii=False)
    return text
