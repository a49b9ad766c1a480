"""`queuectl logs`: the output of jobs; with --follow, until they finish."""

from __future__ import annotations

from ...api import Queue
from ...errors import InvalidInput, NoOutput, UnknownJob
from ...storage import output_log
from ..fast_args import Arguments
from ..filters import FILTERS, STATE, chosen_jobs
from ..log_follower import Follower, follow, lost_output
from ..log_printer import Outlet
from ..screen import Screen, cut, visible, width
from ..tables import note_shortage
from ..value_args import whole_number

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...model.records import AttemptRecord, JobRecord

HAS_JSON = False
SUMMARY = """Prints the output of jobs, stdout and stderr in order: of the latest attempt, of attempt N, or of all
attempts. With --follow, continues through retries until the jobs finish. With several IDs, or with a filter and
--follow, each line starts with the ID of its job. With a filter alone, each job has a head line, and the jobs come in
the order of `list`, those of a --batch in the order you added them."""
EXAMPLES = [
    "queuectl logs job1",
    "queuectl logs job1 job2 --follow",
    "queuectl logs job1 --attempt 1 --tail 20",
    "queuectl logs --state dead --ended-since 1h --tail 5",
]
OPTIONS = (
    ("ids", "ID…", "IDs of the jobs; with several, each line starts with its ID"),
    ("--follow", "", "keep printing until the job finishes"),
    ("--attempt", "N", "attempt number, from 1; the latest one with that number"),
    ("--all", "", "print all attempts, with a separator line"),
    ("--tail", "N", "print only the last N lines"),
    STATE,
    *FILTERS,
)

_HEAD_END = " <=="
_LEAST_COMMAND = 20
"""The columns of a command in a line that names its job, however long the rest is."""


def run(queue: Queue, args: Arguments, screen: Screen) -> int:
    """Print the output of the jobs, and return the exit status.

    Raises: InvalidInput, NothingToDo, NoOutput, UnknownJob.
    """
    tail, number = _checked(args, screen)
    jobs = chosen_jobs(queue, args)
    if args.batch is not None:
        jobs = sorted(jobs, key=lambda job: (job["created_at"], job["id"]))
    if args.ids or args.follow:
        jobs = list(jobs)
        note_shortage(queue, screen)  # after the request, which fails for a home that cannot be read
    try:
        _print_jobs(queue, args, jobs, (tail, number), screen)
    except UnknownJob as fault:
        raise NoOutput(what=f"job {fault.fields['id']} was removed meanwhile") from None
    except KeyboardInterrupt:
        if not args.follow:
            raise
        what = f"job {args.ids[0]} continues" if len(args.ids) == 1 else "the jobs continue"
        screen.note(f"interrupted; {what}")
        return 130
    return 0


def _print_jobs(
    queue: Queue, args: Arguments, jobs: Iterable[JobRecord], numbers: tuple[int | None, int | None], screen: Screen
) -> None:
    several = len(set(args.ids)) != 1
    tail, number = numbers
    if args.follow:
        return follow(queue, [(job, Outlet(screen, f"{job['id']}| " if several else "")) for job in jobs])
    for job in jobs if args.ids else _headed(jobs, screen):
        outlet = Outlet(screen, f"{job['id']}| " if args.ids and several else "", tail)
        try:
            _print_all(queue, job, args.all, number, outlet)
        except NoOutput as fault:
            if args.ids:
                raise
            outlet.note(str(fault))
        finally:
            outlet.close()


def _checked(args: Arguments, screen: Screen) -> tuple[int | None, int | None]:
    """Return the numbers of --tail and --attempt.

    Raises: InvalidInput.
    """
    if screen.json:
        raise InvalidInput(what="logs prints raw job output; --json is not supported")
    if args.follow + args.all + (args.attempt is not None) > 1:
        raise InvalidInput(what="use only one of --follow, --all and --attempt")
    if args.follow and args.tail is not None:
        raise InvalidInput(what="--follow and --tail cannot be used together")
    tail = None if args.tail is None else whole_number(args.tail, "--tail")
    return tail, None if args.attempt is None else whole_number(args.attempt, "--attempt", 1)


def _headed(jobs: Iterable[JobRecord], screen: Screen) -> Iterator[JobRecord]:
    """Yield the jobs, each after a line with its ID, its state, and its command as far as there is room."""
    gap, columns = "", screen.columns()
    for job in jobs:
        said = f"{job['state']}: {job['reason']}" if job["reason"] else job["state"]
        head = visible(f"==> {job['id']} ({said}): ")
        command = cut(visible(job["command"]), max(_LEAST_COMMAND, columns - width(head) - len(_HEAD_END)))
        screen.line(gap + head + command + _HEAD_END)
        yield job
        gap = "\n"


def _print_all(queue: Queue, job: JobRecord, all: bool, number: int | None, outlet: Outlet) -> None:
    attempts = _chosen(job, all, number)
    if attempts[-1]["outcome"] is None:
        follower = Follower(queue, outlet)
        follower.measure(job["history"])
        follower.catch_up(queue.get(job["id"])["history"][-1:])
        attempts = attempts[:-1]
    for attempt in attempts:
        if all:
            outlet.note(f"==> attempt {attempt['attempt']}, started {attempt['started_at']}")
        try:
            _print(queue, attempt, outlet)
        except NoOutput as fault:
            if not all:
                raise
            outlet.note(str(fault))


def _chosen(job: JobRecord, all: bool, number: int | None) -> list[AttemptRecord]:
    history = job["history"]
    if not history:
        raise NoOutput(what=f"job {job['id']} has not run yet (state {job['state']})")
    if all:
        return history
    if number is None:
        return history[-1:]
    chosen = [attempt for attempt in history if attempt["attempt"] == number][-1:]
    if not chosen:
        raise NoOutput(what=f"job {job['id']} has no attempt {number}; its latest is {history[-1]['attempt']}")
    return chosen


def _print(queue: Queue, attempt: AttemptRecord, screen: Outlet) -> None:
    if attempt["output_file"] is None or attempt["output_bytes"] is None:
        return
    try:
        start, size = attempt["output_offset"] or 0, attempt["output_bytes"]
        for piece in output_log.read(queue.home.logs, attempt["output_file"], start, size):
            screen.raw(piece)
    except FileNotFoundError:
        if attempt["output_bytes"]:
            why = "see config log-retention; a backup has no output"
            what = f"the output of attempt {attempt['attempt']} is no longer kept ({why})"
            raise NoOutput(what=what) from None
    lost = lost_output(queue, attempt)
    if lost is not None:
        raise NoOutput(what=lost)
