"""`queuectl export`: jobs as JSON lines, with their state and history."""

from __future__ import annotations

from ...api import Queue
from ..filters import add_filters, wanted
from ..job_export import add_output, write_exported
from ..no_match import add_allow_empty
from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = """Prints jobs with their state and history, one JSON object per line, for `queuectl import` in
another home. Output is not included. A running job is exported as waiting. A job that changes
meanwhile may be missing or appear twice; to copy a running home, use `queuectl backup`."""
EXAMPLES = [
    "queuectl export --output jobs.jsonl",
    "queuectl export --state dead --queue mail | ssh there queuectl import -",
]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    add_output(parser)
    add_filters(parser)
    add_allow_empty(parser)


def run(args: Namespace, screen: Screen) -> int:
    """Write the jobs that match, and return the exit status."""
    with Queue(args.home, notice=screen.note) as queue:
        chosen = wanted(args)
        return write_exported(queue, chosen, args.output, screen, may_be_empty=not chosen or args.allow_empty)
