"""`queuectl wait`: a wait until jobs finish."""

from __future__ import annotations

import time

from ...api import Queue
from ...errors import InvalidInput, NothingToDo, QueueError
from ...model.states import OPEN_STATES
from ...terminal.progress import Progress, watch_of
from ..fast_args import Arguments
from ..filters import ALLOW_EMPTY, FILTERS, STATE, chosen_by, nothing_matches
from ..screen import Screen, counted
from ..value_args import TIMED_OUT, seconds_of

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...model.records import Chosen, Ended
    from ...waiting import Report

SUMMARY = """Waits until jobs finish: named jobs, matching jobs (finished ones count too), or all unfinished
jobs. Exits with 0 if all completed, 1 if one did not or no job matches, 124 on timeout.
Ctrl-C ends the wait, and the jobs continue."""
EXAMPLES = [
    "queuectl wait job1 job2",
    "queuectl wait --queue mail --timeout 10m",
    "queuectl enqueue --each-line files.txt -- gzip {} | queuectl wait --file - --fail-fast",
    "queuectl wait",
]
OPTIONS = (
    ("ids", "ID…", "IDs of the jobs (default: all unfinished jobs)"),
    ("--file", "FILE", "file of IDs, one per line; - is standard input"),
    ("--any", "", "wait only for the first job that finishes, and print its ID"),
    ("--fail-fast", "", "stop waiting when a job does not complete"),
    ("--timeout", "TIME", "maximum wait, like 90s or 10m (then exit 124)"),
    ("--notify", "", "tell the terminal or the desktop at the end"),
    ALLOW_EMPTY,
    STATE,
    *FILTERS,
)

ANSWER_WITHIN_S = 2.0
"""The longest time in seconds to count unfinished jobs after a timeout."""


def run(queue: Queue, args: Arguments, screen: Screen) -> int:
    """Wait for the jobs, and return the exit status."""
    timeout_s = None if args.timeout is None else seconds_of(args.timeout, "--timeout")
    ids, chosen = _wanted(args)
    progress = Progress(_what(ids, chosen), quiet=args.quiet or screen.json)
    until = "first" if args.any else "all"
    watch = watch_of(progress, "failure" if args.fail_fast else until)
    try:
        with progress:
            if ids or args.file is not None:
                ended = queue.wait(ids, timeout_s, watch)
            else:
                ended = queue.wait_for(timeout_s=timeout_s, watch=watch, **(chosen or {"state": OPEN_STATES}))
    except KeyboardInterrupt:
        screen.note(_interrupted(watch.report))
        return 130
    if ended == {} and chosen and not args.allow_empty:
        raise nothing_matches()
    if args.notify:
        _notify(watch.report, ended is None, progress.spent_s())
    first = {"first": watch.report.first, "failure": watch.report.first_failure}.get(watch.until)
    if screen.json:
        more = {} if first is None else {"first": {"id": first[0], "how": first[1]}}
        screen.value({"ended": ended, "timed_out": ended is None, **more})
    elif ended is None:
        screen.note(f"timed out; {_unfinished(queue, ids, chosen)} unfinished")
    else:
        if args.any and first is not None:
            screen.line(first[0])
        if not args.quiet:
            screen.note(_summary(watch.report, first, progress.spent_s()))
    return TIMED_OUT if ended is None else _status_of(ended, first if args.any else None)


def _notify(report: Report, is_late: bool, spent_s: float) -> None:
    from ...terminal.notification import notify
    from ...terminal.progress_line import sentence

    title = "queuectl: the wait has timed out" if is_late else "queuectl: the wait is over"
    notify(title, sentence("jobs", report.ended, spent_s))


def _wanted(args: Arguments) -> tuple[list[str], Chosen]:
    """Return the IDs that the call names, and its filter, of which at least one is empty.

    Raises: InvalidInput, NothingToDo.
    """
    if args.any and args.fail_fast:
        raise InvalidInput(what="--any and --fail-fast cannot be used together")
    ids, chosen = _ids(args), chosen_by(args)
    if ids and chosen:
        raise InvalidInput(what="use either job IDs or filters, not both")
    return ids, chosen


def _ids(args: Arguments) -> list[str]:
    """Return the IDs that the call names, also in a file.

    Raises: InvalidInput, NothingToDo.
    """
    if args.file is None:
        return [*args.ids]
    from ..jsonl import name_of, opened

    with opened(args.file, args.quiet) as lines:
        ids = [*args.ids, *(line.decode("utf-8", "replace").strip() for line in lines)]
    ids = [id for id in ids if id]
    if not ids and not args.allow_empty:
        raise NothingToDo(what=f"{name_of(args.file)} has no job ID; to accept that, use --allow-empty")
    return ids


def _what(ids: list[str], chosen: Chosen) -> str:
    if ids:
        return "jobs"
    return "matching jobs" if chosen else "of all unfinished jobs"


def _status_of(ended: Ended, first: Sequence[str] | None) -> int:
    """Return the status of the first job that finished, or of all that did."""
    states = set(ended) if first is None else {first[1]}
    return int(bool(states - {"completed"}))


def _summary(report: Report, first: Sequence[str] | None, spent_s: float) -> str:
    """Return what has ended, and what is left if the wait ended with the `first` job."""
    left = report.total - sum(report.ended.values())
    if first is not None and left:
        return f"job {first[0]} is {first[1]}; {_continuing(left)}"
    if not report.total:
        return "no job is unfinished"
    from ...terminal.progress_line import sentence

    return sentence("jobs", report.ended, spent_s)


def _continuing(left: int) -> str:
    return "1 unfinished job continues" if left == 1 else f"{left} unfinished jobs continue"


def _interrupted(report: Report) -> str:
    left = report.total - sum(report.ended.values())
    return f"interrupted; {_continuing(left) if left else 'the jobs continue'}; the same command waits again"


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
        return ([job["id"] for job in page if job["state"] in OPEN_STATES] for page in queue.kept(ids))
    said = chosen.get("state") or OPEN_STATES
    states = {said} if isinstance(said, str) else set(said)
    matching: Chosen = {**chosen, "state": sorted(states & set(OPEN_STATES))}
    return queue.select(**matching)
