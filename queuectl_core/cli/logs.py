"""`queuectl logs`: what a job has printed, bytes as they came; with --follow as they come."""

from __future__ import annotations

from .. import output
from ..api import Queue
from ..errors import InvalidInput, NoOutput
from .follower import Follower, follow
from .render import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = """Prints what a job has printed, stdout and stderr as they came: of its latest attempt, of attempt N, or
of all. With --follow it goes on until the job has ended for good, through its retries."""
EXAMPLES = ["queuectl logs job1", "queuectl logs job1 --follow", "queuectl logs job1 --attempt 1"]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the job")
    parser.add_argument("-f", "--follow", action="store_true", help="go on printing until the job has ended")
    parser.add_argument(
        "--attempt", metavar="N", type=_attempt, help="the attempt of this number (the latest of that number)"
    )
    parser.add_argument("--all", action="store_true", help="all attempts, with a line between them")


def run(args: Namespace, screen: Screen) -> int:
    if screen.json:
        raise InvalidInput(what="logs prints what the job printed, as it is; it has no --json")
    if args.follow + args.all + (args.attempt is not None) > 1:
        raise InvalidInput(what="--follow, --all and --attempt exclude each other")
    with Queue(args.home, notice=screen.note) as queue:
        job = queue.get(args.id)
        if args.follow:
            return follow(queue, job, screen)
        attempts = _chosen(job, args)
        if attempts[-1]["output_bytes"] is None:
            follower = Follower(queue, screen)
            follower.measure(job["history"])
            follower.catch_up(queue.get(args.id)["history"][-1:])
            attempts = attempts[:-1]
        for attempt in attempts:
            if args.all:
                screen.note(f"==> attempt {attempt['attempt']}, started {attempt['started_at']}")
            try:
                _print(queue, attempt, screen)
            except NoOutput as fault:
                if not args.all:
                    raise
                screen.note(str(fault))
    return 0


def _chosen(job: dict[str, object], args: Namespace) -> list[dict[str, object]]:
    history = job["history"]
    if not history:
        raise NoOutput(what=f"job {job['id']} has not run yet; it is {job['state']}")
    if args.all:
        return history
    if args.attempt is None:
        return history[-1:]
    chosen = [attempt for attempt in history if attempt["attempt"] == args.attempt][-1:]
    if not chosen:
        raise NoOutput(what=f"job {job['id']} has no attempt {args.attempt}; its latest is {history[-1]['attempt']}")
    return chosen


def _print(queue: Queue, attempt: dict[str, object], screen: Screen) -> None:
    if attempt["output_file"] is None:
        return
    try:
        for piece in output.read(
            queue.home.logs, attempt["output_file"], attempt["output_offset"], attempt["output_bytes"]
        ):
            screen.raw(piece)
    except FileNotFoundError:
        if attempt["output_bytes"]:
            what = f"the output of attempt {attempt['attempt']} is gone: its log was removed (config log-retention)"
            raise NoOutput(what=what) from None


def _attempt(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(what=f"--attempt must be a number from 1 on, not {text[:40]!r}")
    return int(text)
