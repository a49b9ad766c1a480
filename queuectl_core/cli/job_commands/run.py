"""`queuectl run`: a job that acts like a command, with its output and its exit status."""

from __future__ import annotations

import time

from ...api import Queue
from ...errors import InvalidInput, NoSupervisor, UnknownJob
from ...terminal.progress import BusyWindow
from ...terminal.status_line import StatusLine
from ...timestamps import format_age, format_span
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
    ("--notify", "", "tell the terminal or the desktop when the job has ended"),
)
JOB_FLAGS = NEW_JOB_FLAGS

QUIET_START_S = 0.5
"""How many seconds pass before a terminal shows what the job does."""


class _WaitedTooLong(Exception):
    """The time of --wait-timeout has passed."""


class _Narrator(Outlet):
    """The output of a job, and what `run` says about it: each retry, and on a terminal what it does now.

    The line on the terminal leaves before output comes, and stays away while a line of output is incomplete.
    """

    def __init__(self, queue: Queue, screen: Screen, timeout_s: float | None, quiet: bool) -> None:
        super().__init__(screen)
        self._queue = queue
        self._is_quiet = quiet
        self._line = StatusLine(quiet)
        self._is_line_free = True
        self._told = 0
        """The number of attempts whose end is told."""
        self._begun_s = self._since_s = time.monotonic()
        self._end_s = float("inf") if timeout_s is None else self._begun_s + timeout_s
        self._seen: tuple[str, int] = ("", 0)

    def raw(self, data: bytes) -> None:
        """Print output in place of the line."""
        self._line.clear()
        self._is_line_free = data.endswith(b"\n")
        super().raw(data)

    def note(self, text: str) -> None:
        """Print a message in place of the line."""
        self._line.clear()
        self._is_line_free = True
        super().note(text)

    def look(self, job: JobRecord) -> None:
        """Say what is new about the unfinished job.

        Raises: _WaitedTooLong.
        """
        now_s = time.monotonic()
        if now_s >= self._end_s:
            raise _WaitedTooLong
        if self._seen != (job["state"], job["attempts"]):
            self._seen, self._since_s = (job["state"], job["attempts"]), now_s
        if job["state"] == "failed" and job["attempts"] > self._told and not self._is_quiet:
            self._told = job["attempts"]
            self.note(f"{job['reason']}; retry {self._told} of {job['max_retries']}{self._when(job)}")
        if now_s - self._begun_s >= QUIET_START_S and self._is_line_free:
            self._line.show(_doing(job, round(now_s - self._since_s) * 1000))

    def _when(self, job: JobRecord) -> str:
        in_ms = self._queue.why(job["id"]).get("in_ms")
        return "" if in_ms is None else f" in {format_span(in_ms)}"

    def sum_up(self, job: JobRecord) -> None:
        """Say how the job ended if that is not well, and on a terminal how long it took."""
        is_good = job["state"] == "completed"
        said = f"job {job['id']} completed" if is_good else f"job {job['id']} is {job['state']}: {job['reason']}"
        if self._line.is_live:
            span = format_span(round(1000 * (time.monotonic() - self._begun_s)))
            attempt = "" if job["attempts"] < 2 else f", at attempt {job['attempts']}"
            self.note(f"{said}{'' if is_good else '; ended'} after {span}{attempt}")
        elif not is_good:
            self.note(said)

    def close(self) -> None:
        """Remove the line."""
        self._line.clear()
        super().close()


_DOING = {"pending": "waits {0}; `queuectl why {1}` says why", "failed": "waits {0} for its retry"}


def _doing(job: JobRecord, for_ms: int) -> str:
    """Return what an unfinished job does now, and for how long."""
    return f"job {job['id']} {_DOING.get(job['state'], 'runs {0}').format(format_age(for_ms), job['id'])}"


def run(queue: Queue, args: Arguments, screen: Screen) -> int:
    """Add a job, print its output until it ends, and return its exit status."""
    if not args.words:
        raise InvalidInput(what="put a command after --: queuectl run -- make all")
    if screen.json:
        raise InvalidInput(what="run prints raw job output; --json is not supported")
    timeout_s = None if args.wait_timeout is None else seconds_of(args.wait_timeout, "--wait-timeout")
    fields = _fields(queue, args)
    if queue.status()["supervisor"] is None:
        raise NoSupervisor(home=queue.home.path)
    id = queue.enqueue(join(args.words), **fields)
    advice = f"follow it with `queuectl logs -f {id}`, or end it with `queuectl cancel {id}`"
    narrator = _Narrator(queue, screen, timeout_s, args.quiet)
    try:
        with BusyWindow(args.quiet):
            follow(queue, [(queue.get(id), narrator)], narrator.look)
        job = queue.get(id)
        narrator.sum_up(job)
        if args.notify:
            _notify(f"job {id} {job['state']}", job)
        return _status_of(job)
    except UnknownJob:
        screen.note(f"job {id} was removed before its result was read, by hand or because of `retention-jobs`")
        return 1
    except KeyboardInterrupt:
        screen.note(f"job {id} continues; {advice}")
        return 130
    except _WaitedTooLong:
        if args.notify:
            _notify(f"job {id} continues", queue.get(id))
        screen.note(f"timed out after {timeout_s:g} s; job {id} continues; {advice}")
        return TIMED_OUT
    finally:
        narrator.close()


def _fields(queue: Queue, args: Arguments) -> JobFields:
    """Return the fields of the job that the options give.

    Raises: InvalidInput, NothingToDo.
    """
    if args.after:
        from ..filters import with_newest

        args = with_newest(queue, args)
    fields: JobFields = {**variable_fields(), **job_fields(args), **order_fields(args)}
    if args.id is not None:
        fields["id"] = args.id
    return fields


def _notify(what: str, job: JobRecord) -> None:
    from ...terminal.notification import notify

    why = f", {job['reason']}" if job["reason"] else ""
    notify(f"queuectl: {what}", f"{job['command']}{why}")


def _status_of(job: JobRecord) -> int:
    if job["state"] == "completed":
        return 0
    if not job["history"]:
        return 1
    last = job["history"][-1]
    if last["outcome"] in ("signal", "timeout") and last["signal"]:
        return 128 + last["signal"]
    return last["exit_code"] or 1
