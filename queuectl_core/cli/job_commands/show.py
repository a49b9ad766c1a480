"""`queuectl show`: one job, with the history of its attempts."""

from __future__ import annotations

from ...api import Queue
from ..fast_args import Arguments
from ..job_details import print_job
from ..screen import Screen

SUMMARY = "Shows one job: its fields, and when each attempt ran, how it ended and why it failed."
EXAMPLES = ["queuectl show job1", "queuectl show job1 --json"]
OPTIONS = (("id", "ID", "ID of the job"),)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the job.

    Raises: UnknownJob.
    """
    print_job(queue.get(args.id), screen)
