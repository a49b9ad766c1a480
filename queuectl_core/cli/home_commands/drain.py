"""`queuectl drain`: a pause of all queues that waits for the running jobs."""

from __future__ import annotations

import os
import time

from ...api import Queue
from ...terminal.progress import Progress, watch_of
from ..fast_args import Arguments
from ..screen import Screen, counted
from ..value_args import TIMED_OUT, seconds_of

SUMMARY = """Stops starting jobs and waits until none runs. Waiting jobs stay; `queuectl resume` starts jobs again."""
EXAMPLES = ["queuectl drain", "queuectl drain --timeout 10m"]
OPTIONS = (
    ("--timeout", "TIME", "maximum wait like 90s or 10m (then exit 124, with starts still paused)"),
)
LOOK_EVERY_S = 0.2
"""The seconds between two looks if no supervisor tells that jobs have ended."""


def run(queue: Queue, args: Arguments, screen: Screen) -> int:
    """Pause all queues, wait until no job runs, and return the exit status."""
    timeout_s = None if args.timeout is None else seconds_of(args.timeout, "--timeout")
    end_s = float("inf") if timeout_s is None else time.monotonic() + timeout_s
    queue.set_queue("*", paused=True)
    progress = Progress("running jobs have ended", quiet=args.quiet or screen.json)
    try:
        with progress:
            running = _drained(queue, progress, end_s)
    except KeyboardInterrupt:
        screen.note("interrupted; running jobs continue, and none starts until `queuectl resume`")
        return 130
    if running and not screen.json:
        screen.note(f"timed out; {counted(running)} still running")
    else:
        screen.done({"running": running}, "drained all queues; no job starts until `queuectl resume`")
    return TIMED_OUT if running else 0


def _drained(queue: Queue, progress: Progress, end_s: float) -> int:
    """Wait until no job runs, or until `end_s`, and return how many still run."""
    while (running := _running(queue)) and (left_s := end_s - time.monotonic()) > 0:
        timeout_s = None if left_s == float("inf") else left_s
        if not queue.wait_idle(running, timeout_s, watch_of(progress)):
            time.sleep(min(LOOK_EVERY_S, left_s))
    return len(running)


def _running(queue: Queue) -> list[str]:
    """Return the IDs of the running jobs, except the job that waits for this call."""
    own = queue.home.job_inside(os.environ)
    return [id for page in queue.select(state="processing") for id in page if id != own]
