"""`queuectl rm`: the permanent removal of jobs."""

from __future__ import annotations

from ..filters import add_selectors, change
from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = """Removes jobs permanently, except running ones. If a removed job was waiting, the jobs that wait for it are
canceled."""
EXAMPLES = ["queuectl rm job1 job2", "queuectl rm --state completed --until 7d", "queuectl rm --tag user=ann --dry-run"]


def add_arguments(parser: ArgumentParser) -> None:
    add_selectors(parser, "remove")


def run(args: Namespace, screen: Screen) -> int:
    states = ("pending", "failed", "dead", "completed")
    return change(args, screen, states, lambda queue, ids, lenient: queue.remove(ids, lenient), "removed")
