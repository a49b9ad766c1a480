"""`queuectl why`: the state of jobs, each explained in one sentence."""

from __future__ import annotations

from ...api import Queue
from ...view.sentences import explained, with_facts
from ..fast_args import Arguments
from ..filters import FILTERS, STATE, chosen_ids
from ..screen import Screen, visible

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import Any

SUMMARY = """Explains in one sentence what a job waits for, where it runs, or how it ended. With --json, one job that
you name is an object, and several jobs are an array."""
EXAMPLES = ["queuectl why job1", "queuectl why job1 --json", "queuectl why --queue gpu --state pending"]
OPTIONS = (("ids", "ID…", "IDs of the jobs"), STATE, *FILTERS)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the explanations.

    Raises: InvalidInput, NothingToDo, UnknownJob.
    """
    reasons = [_explained(queue, id) for id in chosen_ids(queue, args)]
    if screen.json and len(args.ids) != 1:
        return screen.values(reasons)
    for why in reasons:
        screen.result(why, visible(f"{why['id']} is {why['state']}: {explained(why)}"))


def _explained(queue: Queue, id: str) -> dict[str, Any]:
    """Return why a job is in its state, with the facts that only this side knows."""
    why = queue.why(id)
    needs_workers = why["because"] == "waits for a worker"
    return with_facts(why, queue.home.path, queue.status() if needs_workers else None)
