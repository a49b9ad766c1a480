"""`queuectl show`: one job, with the history of its attempts."""

from __future__ import annotations

from ...api import Queue
from ..job_details import print_job
from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "Shows one job: its fields, and when each attempt ran, how it ended and why it failed."
EXAMPLES = ["queuectl show job1", "queuectl show job1 --json"]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="ID of the job")


def run(args: Namespace, screen: Screen) -> int:
    """Print the job, and return the exit status."""
    with Queue(args.home, notice=screen.note) as queue:
        job = queue.get(args.id)
    if screen.json:
        screen.value(job)
        return 0
    print_job(job, screen)
    return 0
