"""Sentences: why a job is in its state, and what holds jobs back, as text for people.

Pure. Knows the codes that the service gives, and their facts.
"""

from __future__ import annotations

from ..model.reasons import shortage_message
from ..timestamps import format_span

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import Any

    from ..model.records import StatusRecord


def explained(why: dict[str, Any]) -> str:
    """Return in a sentence why a job is in its state, or what holds jobs back.

    A newer supervisor can have reasons that this version does not know.
    """
    return _SENTENCES[why["because"]](why) if why["because"] in _SENTENCES else str(why["because"])


def with_facts(why: dict[str, Any], home: str, status: StatusRecord | None) -> dict[str, Any]:
    """Return why a job is in its state, with the facts for its sentence that the service does not know.

    `status` is needed only for a job that waits for a worker.
    """
    if why["because"] == "the disk is full":
        return {**why, "home": home}
    if why["because"] == "waits for a worker" and status is not None:
        workers = status["workers"]
        busy = sum(worker["state"] != "idle" for worker in workers)
        return {**why, "supervisor": status["supervisor"] is not None, "workers": len(workers), "busy": busy}
    return why


def _blockers(why: dict[str, Any]) -> list[str]:
    """Return what a job waits for: jobs, and batches."""
    batches = why.get("batches") or {}  # an older supervisor does not report them
    return [f"batch {batches[id]}" if batches.get(id) else id for id in why["jobs"]]


def _for_a_worker(why: dict[str, Any]) -> str:
    if not why["supervisor"]:
        return "no supervisor is running; start one with `queuectl worker start`"
    if not why["workers"]:
        return "no worker is running; start one with `queuectl worker scale 1`"
    jobs = "1 job" if why["ahead"] == 1 else f"{why['ahead']} jobs"
    place = f"behind {'at least ' if why['is_more'] else ''}{jobs}"
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
