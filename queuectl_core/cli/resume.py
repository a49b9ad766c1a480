"""`queuectl resume`: jobs begin again."""

from __future__ import annotations

from .render import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = """Begins jobs again after `queuectl pause` or `drain`. Queues that were paused by themselves stay so."""
EXAMPLES = ["queuectl resume", "queuectl queue resume gpu      one queue alone"]


def add_arguments(parser: ArgumentParser) -> None:
    pass


def run(args: Namespace, screen: Screen) -> int:
    from ..api import Queue

    with Queue(args.home, notice=screen.note) as queue:
        queue.set_queue("*", paused=False)
    if screen.json:
        screen.value({"paused": False})
    else:
        screen.line("jobs begin again")
    return 0
