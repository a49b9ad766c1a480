"""`queuectl drain`: a pause of all queues that waits for the running jobs."""

from __future__ import annotations

import os
import time

from ...api import Queue
from ...errors import UnknownJob
from ..fast_args import Arguments
from ..screen import Screen, counted
from ..value_args import TIMED_OUT, seconds_of

SUMMARY = """Stops starting jobs and waits until none runs. Waiting jobs stay; `queuectl resume` starts jobs again."""
EXAMPLES = ["queuectl drain", "queuectl drain --timeout 10m"]
OPTIONS = (
    ("--timeout", "TIME", "maximum wait like 90s or 10m (then exit 124, with starts still paused)"),
)
LOOK_EVERY_S = 0.2


def run(queue: Queue, args: Arguments, screen: Screen) -> int:
    """Pause all queues, wait until no job runs, and return the exit status."""
    timeout_s = float("inf") if args.timeout is None else seconds_of(args.timeout, "--timeout")
    end_s = time.monotonic() + timeout_s
    queue.set_queue("*", paused=True)
    own = _own(queue)
    while (running := queue.status()["counts"]["processing"] - own) > 0 and time.monotonic() < end_s:
        time.sleep(LOOK_EVERY_S)
    if screen.json:
        screen.value({"running": running})
    elif running:
        screen.note(f"timed out; {counted(running)} still running")
    else:
        screen.line("no job is running; none starts until `queuectl resume`")
    return TIMED_OUT if running else 0


def _own(queue: Queue) -> int:
    """Return 1 inside a running job of this home, which waits for this call, else 0."""
    id = queue.home.job_inside(os.environ)
    try:
        return int(id is not None and queue.get(id)["state"] == "processing")
    except UnknownJob:
        return 0
