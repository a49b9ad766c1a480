"""`queuectl why`: one sentence on why a job is as it is."""

from __future__ import annotations

from .render import Screen, visible

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from ..api import Queue

SUMMARY = "Says in one sentence why a job is as it is: what it waits for, where it runs, how it ended."
EXAMPLES = ["queuectl why job1", "queuectl why job1 --json"]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the job")


def run(args: Namespace, screen: Screen) -> int:
    from ..api import Queue

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
        return "no supervisor runs; `queuectl worker start` starts one"
    if not why["workers"]:
        return "no worker runs; `queuectl worker scale 1` starts one"
    ahead = "1 job" if why["ahead"] == 1 else f"{why['ahead']} jobs"
    if why["is_more"]:
        place = f"behind at least {ahead}" if why["ahead"] else "behind more jobs than were counted"
    else:
        place = f"behind {ahead}" if why["ahead"] else "it is next"
    return f"{place}; {why['busy']} of {why['workers']} workers are busy"


def _for_a_retry(why: dict[str, object]) -> str:
    from ..timestamps import span

    wait = span(int(str(why["in_ms"])))
    return f"{why['reason']}; retry {why['retry']} of {why['max_retries']} in {wait}, at {why['at']}"


def _for_its_time(why: dict[str, object]) -> str:
    from ..timestamps import span

    return f"it is to wait until {why['at']}, which is in {span(int(str(why['in_ms'])))}"


def _for_its_rate(why: dict[str, object]) -> str:
    from ..timestamps import span

    return f"queue {why['queue']} is at its rate; the next begins in {span(int(str(why['in_ms'])))}"


def _for_room(why: dict[str, object]) -> str:
    from ..reserve import told

    return told(str(why["home"]), str(why["short_of"]))


def _as_dead(why: dict[str, object]) -> str:
    spent = f" (attempt {why['attempts']}, max_retries {why['max_retries']})" if why["attempts"] else ""
    return f"{why['reason']}{spent}, at {why['at']}"


_SENTENCES = {
    "runs": lambda why: f"it runs on {why['worker']} since {why['since']}",
    "suspended": lambda why: f"it stands still on {why['worker']} until `queuectl continue {why['id']}`",
    "canceled": lambda why: f"it was canceled, and its run on {why['worker']} is being ended",
    "completed": lambda why: f"exit code 0 in attempt {why['attempts']}, at {why['at']}",
    "dead": _as_dead,
    "waits for jobs": lambda why: f"it runs after {', '.join(why['jobs'])}",
    "waits for a retry": _for_a_retry,
    "waits for its time": _for_its_time,
    "everything is paused": lambda why: f"everything is paused since {why['since']}; `queuectl resume` goes on",
    "its queue is paused": lambda why: (
        f"queue {why['queue']} is paused since {why['since']}; `queuectl queue resume {why['queue']}` goes on"
    ),
    "its queue is full": lambda why: f"queue {why['queue']} is at its limit of {why['limit']}",
    "its queue is ahead of its rate": _for_its_rate,
    "waits for a worker": _for_a_worker,
    "the disk is full": _for_room,
}
