"""`queuectl show`: jobs, with the history of their attempts."""

from __future__ import annotations

from ...api import Queue
from ..fast_args import Arguments
from ..filters import FILTERS, STATE, chosen_jobs
from ..job_details import print_job
from ..screen import Screen

SUMMARY = """Shows jobs: their fields, and when each attempt ran, how it ended and why it failed. With --json, one job
that you name is an object, and several jobs are an array."""
EXAMPLES = ["queuectl show job1", "queuectl show job1 --json", "queuectl show --state dead --ended-since 1h"]
OPTIONS = (("ids", "ID…", "IDs of the jobs"), STATE, *FILTERS)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the jobs.

    Raises: InvalidInput, NothingToDo, UnknownJob.
    """
    jobs = chosen_jobs(queue, args)
    if screen.json and len(args.ids) != 1:
        return screen.values(jobs)
    for number, job in enumerate(jobs):
        if number:
            screen.line()
        print_job(job, screen)
