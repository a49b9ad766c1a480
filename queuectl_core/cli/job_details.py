"""Job details: one job on the screen, with all its attempts, and why it is in its state.

It knows the record of a job, but no command.
"""

from __future__ import annotations

from ..model.reasons import POSTPONED
from ..system.clock import now_ms
from ..timestamps import format_span, from_utc
from .screen import Screen, counted, shown, visible

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..model.records import AttemptRecord, JobRecord

_FIRST = ("id", "state", "command", "cwd")
_UNSAID: dict[str, object] = {"history": [], "worker": None, "queue": "default", "priority": 0, "cause": "failed"}
"""Values that `print_job` leaves out, because they are defaults or appear elsewhere."""

_TIMES = ("delay", "timeout", "grace", "backoff_max", "snooze", "limit_cpu")
"""Fields in seconds."""


def print_job(job: JobRecord, screen: Screen) -> None:
    """Print a job as JSON with --json, or else its fields and a table of its attempts."""
    if screen.json:
        return screen.value(job)
    fields: dict[str, object] = dict(job)
    origins = job.get("defaults", {})
    for field, value in {**{name: fields[name] for name in _FIRST}, **fields}.items():
        if field not in ("history", "defaults") and value != _UNSAID.get(field):
            print_field(field, value, screen, origins.get(field))
    if job["history"]:
        screen.line()
        numbers = dict(zip(map(id, job["history"]), attempt_numbers(job["history"])))
        screen.table({"ATTEMPT": lambda attempt: numbers[id(attempt)], **_ATTEMPT_COLUMNS}, job["history"])
        if job["state"] in ("failed", "dead") and job["history"][-1]["output_bytes"]:
            screen.note(f"for its output, run `queuectl logs {job['id']}`")


def print_field(name: str, value: object, screen: Screen, origin: str | None = None) -> None:
    """Print one field, unless its value is None. `origin` says where a value that the job did not set is from."""
    if name == "env" and isinstance(value, dict):  # values can be secrets
        value = ", ".join(value)
    if isinstance(value, (int, float)) and name in (*_TIMES, "limit_mem"):
        value = format_size(value) if name == "limit_mem" else format_span(round(value * 1000))
    if value is not None:
        screen.line(f"{name:13} {visible(shown(value))}{f'  (from {origin})' if origin else ''}")


def format_size(size: float) -> str:
    """Format a number of bytes for people: `512 MiB`, `1.5 GiB`."""
    unit, factor = ("GiB", 2**30) if size >= 2**30 else ("MiB", 2**20)
    return f"{round(size / factor, 1):.10g} {unit}"


def editable(job: JobRecord) -> dict[str, object]:
    """Return the fields of a job that can be changed, with None for those that have no value."""
    from ..model.job_spec import BASIC, FIXED_FIELDS, OPTIONS, PASSING_OPTIONS

    names = (name for name in (*BASIC, *OPTIONS) if name not in FIXED_FIELDS and name not in PASSING_OPTIONS)
    fields: dict[str, object] = {name: job.get(name) for name in names}
    if job["state"] != "dead":
        fields["at"] = job["next_run_at"]
    return fields


def took_ms(attempt: AttemptRecord) -> int | None:
    """Return how long an attempt took; while it runs, how long it has run so far."""
    if attempt["outcome"] is None:
        return max(0, now_ms() - from_utc(attempt["started_at"]))
    return attempt["duration_ms"]


def attempt_numbers(history: Sequence[AttemptRecord]) -> list[str]:
    """Return the number of each attempt, marked where a retry by hand began to count from 1 again.

    An attempt that did not count, because it was released or snoozed, has the number of the next one.
    """
    before = [None, *history[:-1]]
    marks = [" (retried)" if last and _begins_again(last, attempt) else "" for last, attempt in zip(before, history)]
    return [f"{attempt['attempt']}{mark}" for attempt, mark in zip(history, marks)]


def _begins_again(last: AttemptRecord, attempt: AttemptRecord) -> bool:
    if attempt["attempt"] != last["attempt"]:
        return attempt["attempt"] < last["attempt"]
    return last["outcome"] != "released" and not (last["reason"] or "").endswith(POSTPONED)


def _took(attempt: AttemptRecord) -> str | None:
    ms = took_ms(attempt)
    return None if ms is None else format_span(ms)


def _used(attempt: AttemptRecord) -> str | None:
    cpu_ms, peak_bytes = attempt["cpu_ms"], attempt["peak_bytes"]
    if cpu_ms is None or peak_bytes is None:
        return None
    return f"{format_span(cpu_ms)}, {peak_bytes / 2**20:.1f} MiB"


def _outcome(attempt: AttemptRecord) -> str:
    codes = {"exit": attempt["exit_code"], "signal": attempt["signal"]}
    outcome = attempt["outcome"] or "running"
    return f"{outcome} {codes[outcome]}" if outcome in codes else outcome


def _printed(attempt: AttemptRecord) -> str | None:
    size, dropped = attempt["output_bytes"], attempt["dropped_bytes"]
    printed = None if size is None else f"{size} B"
    return f"{printed} ({dropped} dropped)" if dropped else printed


_ATTEMPT_COLUMNS = {
    "WORKER": "worker",
    "STARTED": "started_at",
    "TOOK": _took,
    "CPU, MEMORY": _used,
    "OUTCOME": _outcome,
    "OUTPUT": _printed,
    "REASON": "reason",
}


# Why a job is in its state


def explained(why: dict[str, Any]) -> str:
    """Return in a sentence why a job is in its state, or what holds jobs back.

    A newer supervisor can have reasons that this version does not know.
    """
    return _SENTENCES[why["because"]](why) if why["because"] in _SENTENCES else str(why["because"])


def _blockers(why: dict[str, Any]) -> list[str]:
    """Return what a job waits for: jobs, and batches."""
    batches = why.get("batches") or {}  # an older supervisor does not report them
    return [f"batch {batches[id]}" if batches.get(id) else id for id in why["jobs"]]


def _for_a_worker(why: dict[str, Any]) -> str:
    if not why["supervisor"]:
        return "no supervisor is running; start one with `queuectl worker start`"
    if not why["workers"]:
        return "no worker is running; start one with `queuectl worker scale 1`"
    place = f"behind {'at least ' if why['is_more'] else ''}{counted(why['ahead'])}"
    if not why["ahead"]:
        place = "behind an unknown number of jobs" if why["is_more"] else "next to run"
    return f"{place}; {why['busy']} of {why['workers']} workers busy"


def _for_a_retry(why: dict[str, Any]) -> str:
    retry = f"retry {why['retry']} of {why['max_retries']} in {format_span(why['in_ms'])}"
    return f"{why['reason']}; {retry}, at {why['at']}{_after_failure(why, was_retried=True)}"


def _after_failure(why: dict[str, Any], was_retried: bool) -> str:
    """Return what to look at, or how to avoid the retries of a command that cannot start."""
    if was_retried and str(why["reason"]).startswith(("command not found", "not executable")):
        return "; `queuectl config set fail-on 126,127` lets new jobs fail at once in this case"
    return f"; for its output, run `queuectl logs {why['id']}`"


def _for_room(why: dict[str, Any]) -> str:
    from ..storage.reserve import shortage_message

    return shortage_message(why["home"], why["short_of"])


def _as_dead(why: dict[str, Any]) -> str:
    if not why["attempts"]:
        return f"{why['reason']}, at {why['at']}"
    spent = f"(attempt {why['attempts']}, max_retries {why['max_retries']})"
    return f"{why['reason']} {spent}, at {why['at']}{_after_failure(why, why['attempts'] > 1)}"


def _for_its_queue(why: dict[str, Any]) -> str:
    resume = f"resume it with `queuectl queue resume {why['queue']}`"
    return f"queue {why['queue']} is paused since {why['since']}{_pause(why)}; {resume}"


def _pause(why: dict[str, Any]) -> str:
    """Return the end and the reason of a pause."""
    until, reason = why.get("until"), why.get("pause_reason")
    return f"{f' until {until}' if until else ''}{f' ({reason})' if reason else ''}"


def _for_memory(why: dict[str, Any]) -> str:
    return f"{why['value'] / 2**20:.0f} MiB of memory are free, and the limit is {why['limit'] / 2**20:.0f} MiB"


def _for_its_rate(why: dict[str, Any]) -> str:
    return f"queue {why['queue']} is at its rate limit; its next job starts in {format_span(why['in_ms'])}"


_SENTENCES = {
    "runs": lambda why: f"running on {why['worker']} since {why['since']}",
    "suspended": lambda why: f"suspended on {why['worker']}; continue it with `queuectl continue {why['id']}`",
    "canceled": lambda why: f"canceled; its run on {why['worker']} is ending",
    "completed": lambda why: f"exit code 0 in attempt {why['attempts']}, at {why['at']}",
    "dead": _as_dead,
    "waits for jobs": lambda why: f"waits for {', '.join(_blockers(why))}",
    "waits for a retry": _for_a_retry,
    "waits for its time": lambda why: f"waits until {why['at']}, in {format_span(why['in_ms'])}",
    "everything is paused": (
        lambda why: f"all queues are paused since {why['since']}{_pause(why)}; resume with `queuectl resume`"
    ),
    "the load is too high": lambda why: f"the load average is {why['value']:.1f}, and the limit is {why['limit']:g}",
    "too little memory is free": _for_memory,
    "its queue is paused": _for_its_queue,
    "its queue is full": lambda why: f"queue {why['queue']} is at its limit of {why['limit']}",
    "its queue is ahead of its rate": _for_its_rate,
    "waits for a worker": _for_a_worker,
    "the disk is full": _for_room,
}
