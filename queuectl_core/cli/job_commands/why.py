"""`queuectl why`: the state of a job, explained in one sentence."""

from __future__ import annotations

from ..screen import Screen, visible

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from ...api import Queue

SUMMARY = "Explains in one sentence what a job waits for, where it runs, or how it ended."
EXAMPLES = ["queuectl why job1", "queuectl why job1 --json"]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="ID of the job")


def run(args: Namespace, screen: Screen) -> int:
    """Print the explanation, and return the exit status."""
    from ...api import Queue

    with Queue(args.home, notice=screen.note) as queue:
        why = queue.why(args.id)
        why.update(_who_works(queue, why))
    if screen.json:
        screen.value(why)
    else:
        screen.line(visible(f"{why['id']} is {why['state']}: {sentence(why)}"))
    return 0


def _who_works(queue: Queue, why: dict[str, object]) -> dict[str, object]:
    if why["because"] == "the disk is full":
        return {"home": queue.home.path}
    if why["because"] != "waits for a worker":
        return {}
    status = queue.status()
    busy = sum(worker["state"] != "idle" for worker in status["workers"])
    return {"supervisor": status["supervisor"] is not None, "workers": len(status["workers"]), "busy": busy}


def sentence(why: dict[str, object]) -> str:
    return _SENTENCES[str(why["because"])](why)


def _for_a_worker(why: dict[str, object]) -> str:
    if not why["supervisor"]:
        return "no supervisor is running; start one with `queuectl worker start`"
    if not why["workers"]:
        return "no worker is running; start one with `queuectl worker scale 1`"
    ahead = "1 job" if why["ahead"] == 1 else f"{why['ahead']} jobs"
    if why["is_more"]:
        place = f"behind at least {ahead}" if why["ahead"] else "behind an unknown number of jobs"
    else:
        place = f"behind {ahead}" if why["ahead"] else "next to run"
    return f"{place}; {why['busy']} of {why['workers']} workers busy"


def _for_a_retry(why: dict[str, object]) -> str:
    from ...timestamps import format_span

    wait = format_span(int(str(why["in_ms"])))
    return f"{why['reason']}; retry {why['retry']} of {why['max_retries']} in {wait}, at {why['at']}"


def _for_its_time(why: dict[str, object]) -> str:
    from ...timestamps import format_span

    return f"waits until {why['at']}, in {format_span(int(str(why['in_ms'])))}"


def _for_its_rate(why: dict[str, object]) -> str:
    from ...timestamps import format_span

    return f"queue {why['queue']} is at its rate limit; its next job starts in {format_span(int(str(why['in_ms'])))}"


def _for_room(why: dict[str, object]) -> str:
    from ...storage.reserve import told

    return told(str(why["home"]), str(why["short_of"]))


def _as_dead(why: dict[str, object]) -> str:
    spent = f" (attempt {why['attempts']}, max_retries {why['max_retries']})" if why["attempts"] else ""
    return f"{why['reason']}{spent}, at {why['at']}"


_SENTENCES = {
    "runs": lambda why: f"running on {why['worker']} since {why['since']}",
    "suspended": lambda why: f"suspended on {why['worker']}; continue it with `queuectl continue {why['id']}`",
    "canceled": lambda why: f"canceled; its run on {why['worker']} is ending",
    "completed": lambda why: f"exit code 0 in attempt {why['attempts']}, at {why['at']}",
    "dead": _as_dead,
    "waits for jobs": lambda why: f"waits for {', '.join(why['jobs'])}",
    "waits for a retry": _for_a_retry,
    "waits for its time": _for_its_time,
    "everything is paused": lambda why: f"all queues are paused since {why['since']}; resume with `queuectl resume`",
    "its queue is paused": lambda why: (
        f"queue {why['queue']} is paused since {why['since']}; resume it with `queuectl queue resume {why['queue']}`"
    ),
    "its queue is full": lambda why: f"queue {why['queue']} is at its limit of {why['limit']}",
    "its queue is ahead of its rate": _for_its_rate,
    "waits for a worker": _for_a_worker,
    "the disk is full": _for_room,
}
