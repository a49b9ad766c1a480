"""`queuectl cancel`: the cancellation of waiting and running jobs."""

from __future__ import annotations

from ...errors import InvalidInput
from ..filters import add_selectors, change
from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = """Cancels jobs and the jobs that wait for them. Waiting jobs move to the dead letter queue at once; running
jobs are ended first. To bring canceled jobs back, use `dlq retry`; to delete them, use `rm`."""
EXAMPLES = ["queuectl cancel job1", "queuectl cancel --queue gpu --state pending", "queuectl cancel job1 --signal INT"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    add_selectors(parser, "cancel")
    parser.add_argument(
        "--signal", metavar="NAME", help="signal that ends a running job (default TERM); KILL follows after its grace"
    )


def run(args: Namespace, screen: Screen) -> int:
    """Cancel the selected jobs, and return the exit status."""
    number = _signal(args.signal or "TERM")
    states = ("pending", "failed", "processing")
    return change(args, screen, states, lambda queue, ids, lenient: queue.cancel(ids, number, lenient), "canceled")


def _signal(text: str) -> int:
    import signal

    if text.isascii() and text.isdigit() and len(text) < 3 and 1 <= int(text) <= 64:
        return int(text)
    name = text.upper()
    found = getattr(signal.Signals, name if name.startswith("SIG") else f"SIG{name}", None)
    if found is None:
        raise InvalidInput(what=f"unknown signal {text[:20]!r}; use a name like TERM or a number")
    return int(found)
