"""`queuectl pause`: a pause of all queues."""

from __future__ import annotations

from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = """Stops starting jobs of all queues until `queuectl resume`. Running jobs continue, and you can still add
jobs."""
EXAMPLES = ["queuectl pause", "queuectl queue pause gpu      only one queue"]


def add_arguments(parser: ArgumentParser) -> None:
    pass


def run(args: Namespace, screen: Screen) -> int:
    """Pause all queues, and return the exit status."""
    from ...api import Queue

    with Queue(args.home, notice=screen.note) as queue:
        queue.set_queue("*", paused=True)
    if screen.json:
        screen.value({"paused": True})
    else:
        screen.line("no job starts until `queuectl resume`")
    return 0
