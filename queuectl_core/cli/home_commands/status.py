"""`queuectl status`: the supervisor, the job counts, and the workers."""

from __future__ import annotations

from ...api import Queue
from ...errors import NoSupervisor
from ..fast_args import Arguments
from ..filters import FILTERS, STATE, chosen_by
from ..screen import Screen, visible

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ...model.records import Chosen, State, WorkerRecord

SUMMARY = """Shows the supervisor, the number of jobs in each state, and what each worker runs. With a filter, counts
only the jobs that match; with --batch, also shows their pace."""
EXAMPLES = ["queuectl status", "queuectl status --json", "queuectl status --batch nightly"]
OPTIONS = (STATE, *FILTERS)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the state of the home."""
    chosen = chosen_by(args)
    status = queue.status()
    if "batch" in chosen:
        status["batch"] = queue.batch(str(chosen["batch"]))
    if chosen:
        status["counts"] = _counts(queue, chosen, status["counts"])
    if screen.json:
        return screen.value(status)
    supervisor = status["supervisor"]
    line = str(NoSupervisor(home=queue.home.path))
    if supervisor is not None:
        line = f"supervisor {supervisor['state']}, pid {supervisor['pid']}, since {supervisor['started_at']}"
    screen.line(visible(line))
    lack = status.get("short_of")  # an older supervisor does not report it
    if lack is not None:
        from ...storage.reserve import shortage_message

        screen.line(visible(shortage_message(queue.home.path, lack)))
    screen.line()
    for state, count in status["counts"].items():
        screen.line(screen.paint(f"{state:12}", state), f"{count:>8}")
    if "batch" in status:
        from ..batch_pace import lines_of

        screen.line()
        for text in lines_of(status["batch"]):
            screen.line(text)
    if status["workers"]:
        screen.line()
        screen.table(_COLUMNS, status["workers"])


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
    from ...timestamps import format_age, from_utc

    return format_age(now_ms() - from_utc(worker["since"]))


_COLUMNS = {
    "WORKER": "worker",
    "PID": "pid",
    "STATE": "state",
    "JOB": "job",
    "ATTEMPT": "attempt",
    "SINCE": _age,
}
