"""`queuectl why`: the state of jobs, each explained in one sentence."""

from __future__ import annotations

from ...api import Queue
from ...timestamps import format_span
from ..fast_args import Arguments
from ..filters import FILTERS, STATE, chosen_ids
from ..screen import Screen, counted, visible

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import Any

SUMMARY = """Explains in one sentence what a job waits for, where it runs, or how it ended. With --json, one job that
you name is an object, and several jobs are an array."""
EXAMPLES = ["queuectl why job1", "queuectl why job1 --json", "queuectl why --queue gpu --state pending"]
OPTIONS = (("ids", "ID…", "IDs of the jobs"), STATE, *FILTERS)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the explanations.

    Raises: InvalidInput, NothingToDo, UnknownJob.
    """
    reasons = [_explained(queue, id) for id in chosen_ids(queue, args)]
    if screen.json and len(args.ids) != 1:
        return screen.values(reasons)
    for why in reasons:
        sentence = _SENTENCES[why["because"]](why)
        screen.result(why, visible(f"{why['id']} is {why['state']}: {sentence}"))


def _explained(queue: Queue, id: str) -> dict[str, Any]:
    """Return why a job is in its state, with the facts that only this side knows."""
    why = queue.why(id)
    if why["because"] == "the disk is full":
        why["home"] = queue.home.path
    elif why["because"] == "waits for a worker":
        status = queue.status()
        why["supervisor"] = status["supervisor"] is not None
        why["workers"] = len(status["workers"])
        why["busy"] = sum(worker["state"] != "idle" for worker in status["workers"])
    return why


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
    return f"{why['reason']}; {retry}, at {why['at']}"


def _for_room(why: dict[str, Any]) -> str:
    from ...storage.reserve import shortage_message

    return shortage_message(why["home"], why["short_of"])


def _as_dead(why: dict[str, Any]) -> str:
    spent = f" (attempt {why['attempts']}, max_retries {why['max_retries']})" if why["attempts"] else ""
    return f"{why['reason']}{spent}, at {why['at']}"


def _for_its_queue(why: dict[str, Any]) -> str:
    resume = f"resume it with `queuectl queue resume {why['queue']}`"
    return f"queue {why['queue']} is paused since {why['since']}; {resume}"


def _for_its_rate(why: dict[str, Any]) -> str:
    return f"queue {why['queue']} is at its rate limit; its next job starts in {format_span(why['in_ms'])}"


_SENTENCES = {
    "runs": lambda why: f"running on {why['worker']} since {why['since']}",
    "suspended": lambda why: f"suspended on {why['worker']}; continue it with `queuectl continue {why['id']}`",
    "canceled": lambda why: f"canceled; its run on {why['worker']} is ending",
    "completed": lambda why: f"exit code 0 in attempt {why['attempts']}, at {why['at']}",
    "dead": _as_dead,
    "waits for jobs": lambda why: f"waits for {', '.join(why['jobs'])}",
    "waits for a retry": _for_a_retry,
    "waits for its time": lambda why: f"waits until {why['at']}, in {format_span(why['in_ms'])}",
    "everything is paused": lambda why: f"all queues are paused since {why['since']}; resume with `queuectl resume`",
    "its queue is paused": _for_its_queue,
    "its queue is full": lambda why: f"queue {why['queue']} is at its limit of {why['limit']}",
    "its queue is ahead of its rate": _for_its_rate,
    "waits for a worker": _for_a_worker,
    "the disk is full": _for_room,
}
