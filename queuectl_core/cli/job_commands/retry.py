"""`queuectl retry`: jobs that become due now."""

from __future__ import annotations

from ..filters import add_selectors, change
from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = """Makes jobs due now that wait for a retry or a time. Retries dead jobs that you name, with attempts reset to
0; to retry many or change them, use `queuectl dlq retry`."""
EXAMPLES = ["queuectl retry job1", "queuectl retry --all", "queuectl retry --queue mail --state failed"]


def add_arguments(parser: ArgumentParser) -> None:
    add_selectors(parser, "run now")


def run(args: Namespace, screen: Screen) -> int:
    return change(args, screen, ("failed",), lambda queue, ids, lenient: queue.retry(ids, lenient), "made due")
