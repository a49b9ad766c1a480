"""`queuectl wait`: a wait until jobs finish."""

from __future__ import annotations

import time

from ...api import Queue
from ...errors import InvalidInput, QueueError
from ..fast_args import Arguments
from ..filters import FILTERS, STATE, chosen_by
from ..no_match import ALLOW_EMPTY, nothing_matches
from ..screen import Screen, counted
from ..value_args import TIMED_OUT, seconds_of

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...model.records import Chosen

SUMMARY = """Waits until jobs finish: named jobs, matching jobs (finished ones count too), or all unfinished
jobs. Exits with 0 if all completed, 1 if one did not or no job matches, 124 on timeout."""
EXAMPLES = ["queuectl wait job1 job2", "queuectl wait --queue mail --timeout 10m", "queuectl wait"]
OPTIONS = (
    ("ids", "ID…", "IDs of the jobs (default: all unfinished jobs)"),
    ("--timeout", "TIME", "maximum wait, like 90s or 10m (then exit 124)"),
    ALLOW_EMPTY,
    STATE,
    *FILTERS,
)

_OPEN = ("pending", "processing", "failed")
ANSWER_WITHIN_S = 2.0
"""The longest time in seconds to count unfinished jobs after a timeout."""


def run(queue: Queue, args: Arguments, screen: Screen) -> int:
    """Wait for the jobs, and return the exit status."""
    timeout_s = None if args.timeout is None else seconds_of(args.timeout, "--timeout")
    chosen = chosen_by(args)
    if args.ids and chosen:
        raise InvalidInput(what="use either job IDs or filters, not both")
    if args.ids:
        ended = queue.wait(args.ids, timeout_s)
    else:
        ended = queue.wait_for(timeout_s=timeout_s, **(chosen or {"state": _OPEN}))
    if ended == {} and chosen and not args.allow_empty:
        raise nothing_matches()
    has_failed = bool(set(ended or ()) - {"completed"})
    if screen.json:
        screen.value({"ended": ended, "timed_out": ended is None})
    elif ended is None:
        screen.note(f"timed out; {_unfinished(queue, args.ids, chosen)} unfinished")
    elif has_failed:
        screen.note(", ".join(f"{count} {how}" for how, count in ended.items()))
    return TIMED_OUT if ended is None else int(has_failed)


def _unfinished(queue: Queue, ids: list[str], chosen: Chosen) -> str:
    """Return how many of these jobs, or of those that match, are unfinished now, or `some jobs`."""
    end_s = time.monotonic() + ANSWER_WITHIN_S
    unfinished: set[str] = set()
    try:
        queue.deadline_s = ANSWER_WITHIN_S
        for page in _pages(queue, ids, chosen):
            unfinished.update(page)
            if time.monotonic() >= end_s:
                return "some jobs"
    except QueueError:  # a supervisor that does not answer, or too many IDs for one request
        return "some jobs"
    return counted(len(unfinished))


def _pages(queue: Queue, ids: list[str], chosen: Chosen) -> Iterator[list[str]]:
    if ids:
        return ([job["id"] for job in page if job["state"] in _OPEN] for page in queue.kept(ids))
    said = chosen.get("state") or _OPEN
    states = {said} if isinstance(said, str) else set(said)
    matching: Chosen = {**chosen, "state": sorted(states & set(_OPEN))}
    return queue.select(**matching)
