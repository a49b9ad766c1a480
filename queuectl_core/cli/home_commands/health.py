"""`queuectl health`: whether a supervisor runs and accepts work, for scripts."""

from __future__ import annotations

from ...api import Queue
from ...errors import QueueError
from ...view import health
from ..fast_args import Arguments
from ..screen import Screen, visible

SUMMARY = """Exits 0 when a supervisor runs and accepts work, and 1 when it doesn't. Says why in one line."""
EXAMPLES = ["queuectl health", "queuectl health --quiet || queuectl worker start"]
OPTIONS = ()


def run(queue: Queue, args: Arguments, screen: Screen) -> int:
    """Print the line, and return the exit status."""
    try:
        is_healthy, text = health.of(queue.status(), queue.home.path)
    except QueueError as refusal:
        is_healthy, text = False, str(refusal)
    screen.done({"healthy": is_healthy, "why": text}, visible(text))
    return 0 if is_healthy else 1
