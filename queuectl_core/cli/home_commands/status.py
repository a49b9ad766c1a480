"""`queuectl status`: the supervisor, the job counts, and the workers."""

from __future__ import annotations

from ...api import Queue
from ...system.clock import now_ms
from ...timestamps import format_age, from_utc
from ..screen import Screen, visible

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from ...model.records import SupervisorRecord

SUMMARY = "Shows the supervisor, the number of jobs in each state, and what each worker runs."
EXAMPLES = ["queuectl status", "queuectl status --json"]


def add_arguments(parser: ArgumentParser) -> None:
    pass


def run(args: Namespace, screen: Screen) -> int:
    """Print the state of the whole queue, and return the exit status."""
    with Queue(args.home, notice=screen.note) as queue:
        status = queue.status()
    if screen.json:
        screen.value(status)
        return 0
    screen.line(visible(_supervisor_line(status["supervisor"], queue.home.path)))
    lack = status.get("short_of")  # an older supervisor does not report it
    if lack is not None:
        from ...storage.reserve import told

        screen.line(visible(told(queue.home.path, lack)))
    screen.line()
    for state, count in status["counts"].items():
        screen.line(screen.paint(f"{state:12}", state), f"{count:>8}")
    if status["workers"]:
        screen.line()
        rows = [
            [w["worker"], w["pid"], w["state"], w["job"], w["attempt"], _span_since(w["since"])]
            for w in status["workers"]
        ]
        screen.table(["WORKER", "PID", "STATE", "JOB", "ATTEMPT", "SINCE"], rows)
    return 0


def _span_since(at: str | None) -> str | None:
    return None if at is None else format_age(now_ms() - from_utc(at))


def _supervisor_line(supervisor: SupervisorRecord | None, home: str) -> str:
    if supervisor is None:
        return f"no supervisor is running for {home}; start one with `queuectl worker start`"
    return f"supervisor {supervisor['state']}, pid {supervisor['pid']}, since {supervisor['started_at']}"
