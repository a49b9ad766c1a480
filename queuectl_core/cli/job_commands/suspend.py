"""`queuectl suspend`: the suspension of running jobs."""

from __future__ import annotations

from ..filters import add_selectors, change
from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = """Suspends running jobs (SIGSTOP). They keep their workers until `queuectl continue`, and their timeouts keep
counting."""
EXAMPLES = ["queuectl suspend job1", "queuectl suspend --queue gpu", "queuectl continue job1"]


def add_arguments(parser: ArgumentParser) -> None:
    add_selectors(parser, "suspend")


def run(args: Namespace, screen: Screen) -> int:
    return change(args, screen, ("processing",), lambda queue, ids, lenient: queue.suspend(ids, lenient), "suspended")
