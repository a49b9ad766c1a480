"""`queuectl status`: the supervisor, the job counts, and the workers."""

from __future__ import annotations

from ...api import Queue
from ...errors import NoSupervisor
from ...timestamps import format_age, format_span
from ..fast_args import Arguments
from ..filters import FILTERS, STATE, chosen_by
from ..screen import Screen, counted, cut, visible

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from ...model.records import Chosen, State, StatusRecord, SupervisorRecord, WorkerRecord
    from ...view.overview import QueueView, View, WorkerView

SUMMARY = """Shows the supervisor, what holds jobs back, the number of jobs in each state, and what each worker runs.
With --watch, also shows each queue and the time left. With a filter, counts only the jobs that match; with --batch,
also shows their pace."""
OTHER_LINES = 4
"""The lines of a page beside the state and the workers: two gaps, the head of the table, and the line of the cursor."""

FOR_A_WORD = "for one job, use `queuectl show {0}`; for a queue or a batch, use filters like --queue"
EXAMPLES = ["queuectl status", "queuectl status --json", "queuectl status --batch nightly"]
OPTIONS = (("--watch", "", "refresh every 2 s until Ctrl-C; fits the terminal"), STATE, *FILTERS)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the state of the home, with --watch until an interrupt."""
    chosen = chosen_by(args)

    def show() -> None:
        status = queue.status()
        if "batch" in chosen:
            status["batch"] = queue.batch(str(chosen["batch"]))
        if chosen:
            status["counts"] = _counts(queue, chosen, status["counts"])
        screen.value(status) if screen.json else _print(queue.home.path, status, screen)

    if not args.watch:
        return show()
    screen.watch(show if chosen or screen.json else lambda: _print_view(queue, screen))


def _print_view(queue: Queue, screen: Screen) -> None:
    """Print what a person wants to see again and again: what moves, each queue, and the busy workers."""
    from ...view import overview

    view = overview.of(queue.overview(), queue.home.path)
    head = [_about(view["supervisor"], queue.home.path)]
    head += [f"{each['text']} ({counted(each['waiting'])} waiting)" for each in view["stuck"]]
    _print_head(head, view["counts"], screen)
    left = _time_left(view)
    for line in left:
        screen.line(line)
    room = None if screen.height is None else screen.height - len(head) - len(left) - len(view["counts"]) - OTHER_LINES
    queues = view["queues"] if room is None else view["queues"][: max(1, room // 2)]
    screen.line()
    screen.table(_QUEUES, queues)
    room = None if room is None else room - len(queues) - 2
    if view["workers"] and (room is None or room > 0):
        screen.line()
        screen.table(_BUSY, view["workers"][:room])


def _time_left(view: View) -> list[str]:
    """Return a line about the time left, if it is known and a job can run."""
    if not view["eta_s"]:
        return []
    return ["", f"about {format_span(round(view['eta_s'] * 1000))} left"]


def _about(supervisor: SupervisorRecord | None, home: str) -> str:
    if supervisor is None:
        return str(NoSupervisor(home=home))
    return f"supervisor {supervisor['state']}, pid {supervisor['pid']}, since {supervisor['started_at']}"


def _print_head(head: list[str], counts: Mapping[State, int], screen: Screen) -> None:
    for line in head:
        line = visible(line)
        screen.line(line if screen.height is None else cut(line, screen.columns()))
    screen.line()
    for state, count in counts.items():
        screen.line(screen.paint(f"{state:12}", state), f"{count:>8}")


def _print(home: str, status: StatusRecord, screen: Screen) -> None:
    workers = status["workers"]
    head = [_about(status["supervisor"], home), *_held_back(home, status)]
    _print_head(head, status["counts"], screen)
    pace = _pace(status)
    for text in pace:
        screen.line(text)
    room = None
    if screen.height is not None:
        workers.sort(key=lambda worker: worker["state"] == "idle")
        room = max(1, screen.height - len(head) - len(status["counts"]) - len(pace) - OTHER_LINES)
    if workers:
        screen.line()
        screen.table(_COLUMNS, workers[:room])


def _pace(status: StatusRecord) -> list[str]:
    """Return a gap and lines about the pace of a batch, if the call names one."""
    if "batch" not in status:
        return []
    from ..batch_pace import lines_of

    held = "all queues are paused" if status["paused_since"] else ""
    if status["supervisor"] is None:
        held = "no supervisor runs"
    return ["", *lines_of(status["batch"], held)]


def _held_back(home: str, status: StatusRecord) -> Iterator[str]:
    """Yield lines about what holds jobs back."""
    lack = status.get("short_of")  # an older supervisor reports neither this nor the holds
    if lack is not None:
        from ...model.reasons import shortage_message

        yield shortage_message(home, lack)
    counts = status["counts"]
    if status["supervisor"] is not None and not status["workers"] and counts["pending"] + counts["failed"]:
        yield "no worker is running; start one with `queuectl worker scale 1`"
    for hold in status.get("holds", ()):
        from ...view.sentences import explained

        jobs = counted(hold["waiting"])
        if hold["because"] == "suspended":
            yield f"{jobs} suspended; continue with `queuectl continue --all`"
        else:
            yield f"{explained(hold)} ({jobs} waiting)"


def _counts(queue: Queue, chosen: Chosen, states: Iterable[State]) -> dict[State, int]:
    """Return how many jobs match in each state.

    Raises: InvalidInput.
    """
    if chosen.keys() == {"batch"}:
        return queue.batch(str(chosen["batch"]))["counts"]
    counts: dict[Any, int] = dict.fromkeys(states, 0)
    named: Any = chosen.get("state") or list(counts)
    for state in [named] if isinstance(named, str) else named:
        matching: Chosen = {**chosen, "state": state}
        counts[state] = sum(map(len, queue.select(**matching)))
    return counts


def _age(worker: WorkerRecord) -> str | None:
    if worker["since"] is None:
        return None
    from ...system.clock import now_ms
    from ...timestamps import from_utc

    return format_age(now_ms() - from_utc(worker["since"]))


_COLUMNS = {
    "WORKER": "worker",
    "PID": "pid",
    "STATE": "state",
    "JOB": "job",
    "ATTEMPT": "attempt",
    "SINCE": _age,
}


def _latency(queue: QueueView) -> str | None:
    return format_span(round(queue["latency_s"] * 1000)) if queue["latency_s"] else None


def _left(queue: QueueView) -> str | None:
    return format_span(round(queue["eta_s"] * 1000)) if queue["eta_s"] else None


def _runs_for(worker: WorkerView) -> str | None:
    return None if worker["for_s"] is None or worker["job"] is None else format_age(round(worker["for_s"] * 1000))


_QUEUES = {"QUEUE": "queue", "RUNNING": "running", "WAITING": "waiting", "LATENCY": _latency, "LEFT": _left}
_BUSY = {"WORKER": "worker", "STATE": "state", "JOB": "job", "TIME": _runs_for, "COMMAND": "command"}
