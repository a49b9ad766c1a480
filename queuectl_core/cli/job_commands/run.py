"""`queuectl run`: a job that acts like a command, with its output and its exit status."""

from __future__ import annotations

import sys
import time

from ...api import Queue
from ...errors import InvalidInput, NoSupervisor, UnknownJob
from ..fast_args import Arguments
from ..job_options import NEW_JOB_FLAGS, job_fields, join, order_fields, variable_fields
from ..log_follower import follow
from ..log_printer import Outlet
from ..screen import Screen
from ..value_args import TIMED_OUT, seconds_of

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ...model.records import JobFields, JobRecord

TAKES_WORDS = True
HAS_JSON = False
SUMMARY = """Adds a job, prints its output through all retries, and exits with its exit status. A failed command is
retried like any job, by default 3 times; --max-retries 0 prevents that. Exits with 128+N after signal N, so usually
143 after --timeout, which ends the command. Exits with 124 after --wait-timeout, which only ends the wait, and with 1
if the job was canceled or never started. Ctrl-C leaves the job running."""
EXAMPLES = [
    "queuectl run -- make -j4 all",
    "queuectl run --max-retries 0 -- make test",
    "queuectl run --max-retries 0 --timeout 2h -- ./train.sh",
    "queuectl run --wait-timeout 10m -- ./sync.sh",
]
USAGE = "queuectl run [options] -- WORD …"
OPTIONS = (
    ("--id", "ID", "ID of the job (default: generated)"),
    ("--wait-timeout", "TIME", "stop waiting after a time like 10m (exit 124); the job continues"),
)
JOB_FLAGS = NEW_JOB_FLAGS

SLOW_START_S = 2.0
"""How many seconds a job waits before a terminal shows that it has not started."""


class _WaitedTooLong(Exception):
    """The time of --wait-timeout has passed."""


class _Narrator:
    """What `run` says about its job beside its output: each retry, and a late start."""

    def __init__(self, queue: Queue, screen: Screen, timeout_s: float | None, quiet: bool) -> None:
        self._queue = queue
        self._screen = screen
        self._is_quiet = quiet
        self._told = 0
        """The number of attempts whose end is told."""
        now_s = time.monotonic()
        self._end_s = float("inf") if timeout_s is None else now_s + timeout_s
        self._slow_s = now_s + SLOW_START_S if sys.stderr.isatty() and not quiet else float("inf")

    def look(self, job: JobRecord) -> None:
        """Say what is new about the unfinished job.

        Raises: _WaitedTooLong.
        """
        now_s = time.monotonic()
        if now_s >= self._end_s:
            raise _WaitedTooLong
        if job["history"]:
            self._slow_s = float("inf")
        if now_s >= self._slow_s:
            self._slow_s = float("inf")
            self._screen.note(f"job {job['id']} waits; `queuectl why {job['id']}` says why")
        if job["state"] == "failed" and job["attempts"] > self._told and not self._is_quiet:
            self._told = job["attempts"]
            self._screen.note(f"{job['reason']}; retry {self._told} of {job['max_retries']}{self._when(job)}")

    def _when(self, job: JobRecord) -> str:
        from ...timestamps import format_span

        in_ms = self._queue.why(job["id"]).get("in_ms")
        return "" if in_ms is None else f" in {format_span(in_ms)}"


def run(queue: Queue, args: Arguments, screen: Screen) -> int:
    """Add a job, print its output until it ends, and return its exit status."""
    if not args.words:
        raise InvalidInput(what="put a command after --: queuectl run -- make all")
    if screen.json:
        raise InvalidInput(what="run prints raw job output; --json is not supported")
    timeout_s = None if args.wait_timeout is None else seconds_of(args.wait_timeout, "--wait-timeout")
    if args.after:
        from ..filters import with_newest

        args = with_newest(queue, args)
    fields: JobFields = {**variable_fields(), **job_fields(args), **order_fields(args)}
    if args.id is not None:
        fields["id"] = args.id
    if queue.status()["supervisor"] is None:
        raise NoSupervisor(home=queue.home.path)
    id = queue.enqueue(join(args.words), **fields)
    advice = f"follow it with `queuectl logs -f {id}`, or end it with `queuectl cancel {id}`"
    try:
        follow(queue, [(queue.get(id), Outlet(screen))], _Narrator(queue, screen, timeout_s, args.quiet).look)
        return _status_of(queue.get(id), screen)
    except UnknownJob:
        screen.note(f"job {id} was removed before its result was read, by hand or because of `retention-jobs`")
        return 1
    except KeyboardInterrupt:
        screen.note(f"job {id} continues; {advice}")
        return 130
    except _WaitedTooLong:
        screen.note(f"timed out after {timeout_s:g} s; job {id} continues; {advice}")
        return TIMED_OUT


def _status_of(job: JobRecord, screen: Screen) -> int:
    if job["state"] == "completed":
        return 0
    screen.note(f"job {job['id']} is {job['state']}: {job['reason']}")
    if not job["history"]:
        return 1
    last = job["history"][-1]
    if last["outcome"] in ("signal", "timeout") and last["signal"]:
        return 128 + last["signal"]
    return last["exit_code"] or 1
