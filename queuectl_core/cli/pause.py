"""`queuectl pause`: begins no job any more."""

from __future__ import annotations

from .render import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = """Begins no job any more, of any queue; what runs goes on, and jobs can be added. It stays so until
`queuectl resume`."""
EXAMPLES = ["queuectl pause", "queuectl queue pause gpu      one queue alone"]


def add_arguments(parser: ArgumentParser) -> None:
    pass


def run(args: Namespace, screen: Screen) -> int:
    from ..api import Queue

    with Queue(args.home, notice=screen.note) as queue:
        queue.set_queue("*", paused=True)
    if screen.json:
        screen.value({"paused": True})
    else:
        screen.line("no job begins until `queuectl resume`")
    return 0
