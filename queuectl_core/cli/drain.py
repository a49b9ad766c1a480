"""`queuectl drain`: no new work, and told when the last job has ended."""

from __future__ import annotations

import time

from ..api import Queue
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
        while (running := queue.status()["counts"]["processing"]) > 0:
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
