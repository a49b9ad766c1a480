"""`queuectl drain`: no new work, and told when the last job has ended."""

from __future__ import annotations

import os
import time

from ..api import Queue
from ..errors import UnknownJob
from .render import Screen
from .times import TIMED_OUT, seconds_of

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = """Begins no job any more, and ends when none runs. What waits stays; `queuectl resume` goes on."""
EXAMPLES = ["queuectl drain", "queuectl drain --timeout 10m"]
LOOK_EVERY_S = 0.2


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--timeout", metavar="TIME", help="waits no longer (exit 124); no job begins all the same")


def run(args: Namespace, screen: Screen) -> int:
    end_s = None if args.timeout is None else time.monotonic() + seconds_of(args.timeout, "--timeout")
    with Queue(args.home, notice=screen.note) as queue:
        queue.set_queue("*", paused=True)
        own = _own(queue)
        while (running := queue.status()["counts"]["processing"] - own) > 0:
            if end_s is not None and time.monotonic() >= end_s:
                break
            time.sleep(LOOK_EVERY_S)
    if screen.json:
        screen.value({"running": running})
    elif running:
        screen.note("1 job still runs" if running == 1 else f"{running} jobs still run")
    else:
        screen.line("no job runs, and none will begin until `queuectl resume`")
    return TIMED_OUT if running else 0


def _own(queue: Queue) -> int:
    """How many of the running jobs wait for this call: 1 within a job of this queue, else 0."""
    id = queue.home.job_inside(os.environ)
    try:
        return int(id is not None and queue.get(id)["state"] == "processing")
    except UnknownJob:
        return 0
