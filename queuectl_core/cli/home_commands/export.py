"""`queuectl export`: jobs as JSON lines, with their state and history."""

from __future__ import annotations

from ...api import Queue
from ..fast_args import Arguments
from ..filters import FILTERS, STATE
from ..job_export import OUTPUT, export
from ..screen import Screen

HAS_JSON = False
SUMMARY = """Prints jobs with their state and history, one JSON object per line, for `queuectl import` in
another home. Output is not included. A running job is exported as waiting. A job that changes
meanwhile may be missing or appear twice; to copy a running home, use `queuectl backup`."""
EXAMPLES = [
    "queuectl export --output jobs.jsonl",
    "queuectl export --state dead --queue mail | ssh there queuectl import -",
]
OPTIONS = (*OUTPUT, STATE, *FILTERS)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Write the jobs that match."""
    export(queue, args, screen)
