"""`queuectl list`: jobs in a table, or as JSON."""

from __future__ import annotations

from ..api import Queue
from .listing import TABLE_LIMIT, age_of, limit_of, note_of, show
from .render import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = f"""Lists jobs: first those that run, wait or will be retried, in that order, then dead and completed ones,
newest first. A table shows the first {TABLE_LIMIT}, --json all, unless --limit says otherwise."""
EXAMPLES = ["queuectl list --state pending", "queuectl list --state dead --limit 0 --json", "queuectl list | head"]

_COLUMNS = [
    ("ID", lambda job: job["id"]),
    ("STATE", lambda job: job["state"]),
    ("ATTEMPTS", lambda job: job["attempts"]),
    ("SINCE", age_of),
    ("NOTE", note_of),
    ("COMMAND", lambda job: job["command"]),
]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--state", metavar="STATE", help="pending, processing, completed, failed or dead")
    parser.add_argument("--limit", metavar="N", type=limit_of, help="at most so many; 0 is all")


def run(args: Namespace, screen: Screen) -> int:
    with Queue(args.home, notice=screen.note) as queue:
        return show(queue, args.state, args.limit, _COLUMNS, screen)
