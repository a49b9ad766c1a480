"""`queuectl status`: the supervisor, the job counts, and the workers."""

from __future__ import annotations

from ...api import Queue
from ...errors import NoSupervisor
from ..fast_args import Arguments
from ..screen import Screen, visible

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ...model.records import WorkerRecord

SUMMARY = "Shows the supervisor, the number of jobs in each state, and what each worker runs."
EXAMPLES = ["queuectl status", "queuectl status --json"]


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the state of the home."""
    status = queue.status()
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
    if status["workers"]:
        screen.line()
        screen.table(_COLUMNS, status["workers"])


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
