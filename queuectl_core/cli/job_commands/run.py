"""`queuectl run`: a job that acts like a command, with its output and its exit status."""

from __future__ import annotations

from ...api import Queue
from ...errors import InvalidInput, NoSupervisor, UnknownJob
from ..fast_args import Arguments
from ..job_options import NEW_JOB_FLAGS, job_fields, join, order_fields
from ..log_follower import follow
from ..log_printer import Outlet
from ..screen import Screen

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ...model.records import JobFields, JobRecord

TAKES_WORDS = True
SUMMARY = """Adds a job, prints its output through all retries, and exits with its exit status.
Exits with 128+N after signal N, and with 1 if the job was canceled or never started.
Ctrl-C leaves the job running."""
EXAMPLES = ["queuectl run -- make -j4 all", "queuectl run --queue gpu --timeout 2h -- ./train.sh"]
USAGE = "queuectl run [options] -- WORD …"
OPTIONS = (("--id", "ID", "ID of the job (default: generated)"),)
JOB_FLAGS = NEW_JOB_FLAGS


def run(queue: Queue, args: Arguments, screen: Screen) -> int:
    """Add a job, print its output until it ends, and return its exit status."""
    if not args.words:
        raise InvalidInput(what="put a command after --: queuectl run -- make all")
    if screen.json:
        raise InvalidInput(what="run prints raw job output; --json is not supported")
    fields: JobFields = {**job_fields(args), **order_fields(args)}
    if args.id is not None:
        fields["id"] = args.id
    if queue.status()["supervisor"] is None:
        raise NoSupervisor(home=queue.home.path)
    id = queue.enqueue(join(args.words), **fields)
    try:
        follow(queue, [(queue.get(id), Outlet(screen))])
        return _status_of(queue.get(id), screen)
    except UnknownJob:
        screen.note(f"job {id} was removed before its result was read, by hand or because of `retention-jobs`")
        return 1
    except KeyboardInterrupt:
        advice = f"follow it with `queuectl logs -f {id}`, or end it with `queuectl cancel {id}`"
        screen.note(f"job {id} continues; {advice}")
        return 130


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
