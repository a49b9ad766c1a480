"""`queuectl wait`: a wait until jobs finish."""

from __future__ import annotations

from ...api import Queue
from ...errors import InvalidInput
from ..filters import add_filters, wanted
from ..no_match import add_allow_empty, nothing_matches
from ..screen import Screen
from ..time_args import TIMED_OUT, seconds_of

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from ...model.records import Chosen

SUMMARY = """Waits until jobs finish: named jobs, matching jobs (finished ones count too), or all unfinished
jobs. Exits with 0 if all completed, 1 if one did not or no job matches, 124 on timeout."""
EXAMPLES = ["queuectl wait job1 job2", "queuectl wait --queue mail --timeout 10m", "queuectl wait"]

_NOT_OVER: Chosen = {"state": ("pending", "processing", "failed")}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    parser.add_argument("ids", nargs="*", metavar="ID", help="IDs of the jobs (default: all unfinished jobs)")
    parser.add_argument("--timeout", metavar="TIME", help="maximum wait, like 90s or 10m (then exit 124)")
    add_allow_empty(parser)
    add_filters(parser)


def run(args: Namespace, screen: Screen) -> int:
    """Wait for the jobs, and return the exit status."""
    timeout_s = None if args.timeout is None else seconds_of(args.timeout, "--timeout")
    chosen = wanted(args)
    if args.ids and chosen:
        raise InvalidInput(what="use either job IDs or filters, not both")
    with Queue(args.home, notice=screen.note) as queue:
        if args.ids:
            ended = queue.wait(args.ids, timeout_s)
        else:
            ended = queue.wait_for(timeout_s=timeout_s, **(chosen or _NOT_OVER))
    if ended == {} and chosen and not args.allow_empty:
        raise nothing_matches()
    if screen.json:
        screen.value({"ended": ended, "timed_out": ended is None})
    elif ended is None:
        screen.note(f"timed out; {'the job is' if len(args.ids) == 1 else 'some jobs are'} unfinished")
    elif set(ended) - {"completed"}:
        screen.note(", ".join(f"{count} {how}" for how, count in ended.items()))
    if ended is None:
        return TIMED_OUT
    return 1 if set(ended) - {"completed"} else 0
