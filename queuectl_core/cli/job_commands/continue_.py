"""`queuectl continue`: the continuation of suspended jobs."""

from __future__ import annotations

from ..filters import add_selectors, change
from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "Continues suspended jobs."
EXAMPLES = ["queuectl continue job1", "queuectl continue --all"]


def add_arguments(parser: ArgumentParser) -> None:
    add_selectors(parser, "continue")


def run(args: Namespace, screen: Screen) -> int:
    return change(args, screen, ("processing",), lambda queue, ids, lenient: queue.go_on(ids, lenient), "continued")
