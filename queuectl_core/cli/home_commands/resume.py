"""`queuectl resume`: the end of a pause of all queues."""

from __future__ import annotations

from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = (
    """Starts jobs again after `queuectl pause` or `queuectl drain`. Queues that you paused by name stay paused."""
)
EXAMPLES = ["queuectl resume", "queuectl queue resume gpu      only one queue"]


def add_arguments(parser: ArgumentParser) -> None:
    pass


def run(args: Namespace, screen: Screen) -> int:
    """End the pause of all queues, and return the exit status."""
    from ...api import Queue

    with Queue(args.home, notice=screen.note) as queue:
        queue.set_queue("*", paused=False)
    if screen.json:
        screen.value({"paused": False})
    else:
        screen.line("jobs start again")
    return 0
