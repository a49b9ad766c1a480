"""`queuectl logs`: what a job has printed, bytes as they came; with --follow as they come."""

from __future__ import annotations

import time

from .. import output
from ..api import Queue
from ..errors import InvalidInput, NoOutput, NoSupervisor
from ..job import FINAL_STATES
from .render import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = """Prints what a job has printed, stdout and stderr as they came: of its latest attempt, of attempt N, or
of all. With --follow it goes on until the job has ended for good, through its retries."""
EXAMPLES = ["queuectl logs job1", "queuectl logs job1 --follow", "queuectl logs job1 --attempt 1"]

LOOK_EVERY_S = 0.2
"""How often a followed log is looked at."""


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
            follower = _Follower(queue, screen)
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


def follow(queue: Queue, job: dict[str, object], screen: Screen) -> int:
    """Prints the latest attempt, then every later one, until the job is in a final state."""
    follower = _Follower(queue, screen)
    while True:
        follower.catch_up(job["history"])
        if job["state"] in FINAL_STATES:
            return 0
        if job["state"] != "processing" and queue.status()["supervisor"] is None:
            raise NoSupervisor(home=queue.home.path)
        time.sleep(LOOK_EVERY_S)
        follower.measure(job["history"])
        job = queue.get(job["id"])


class _Follower:
    """Which attempt is being printed, and how much of it has been. An attempt is known by where its output lies.

    A segment goes on with other attempts' output. So it is measured first, and then asked whether the attempt is
    still under way: if it is, what stood there by then was its own.
    """

    def __init__(self, queue: Queue, screen: Screen) -> None:
        self._queue = queue
        self._screen = screen
        self._place: tuple[object, object] | None = None
        self._printed = 0
        self._sizes: dict[object, int] = {}

    def measure(self, history: list[dict[str, object]]) -> None:
        """To be called before the history is asked for that `catch_up` is given next."""
        open_files = {attempt["output_file"] for attempt in history[-1:] if attempt["output_bytes"] is None} - {None}
        self._sizes = {file: output.size_from(self._queue.home.logs, file, 0) for file in open_files}

    def catch_up(self, history: list[dict[str, object]]) -> None:
        """Prints what is new, from the attempt under way to the latest in the history."""
        located = [attempt for attempt in history if attempt["output_file"] is not None]
        places = [_place_of(attempt) for attempt in located]
        later = located[places.index(self._place) :] if self._place in places else located[-1:]
        for attempt in later:
            if self._place is not None and self._place != _place_of(attempt):
                self._screen.note(f"==> attempt {attempt['attempt']}, started {attempt['started_at']}")
                self._printed = 0
            self._place = _place_of(attempt)
            self._print_new(attempt)

    def _print_new(self, attempt: dict[str, object]) -> None:
        size = attempt["output_bytes"]
        if size is None:
            size = max(0, self._sizes.get(attempt["output_file"], 0) - attempt["output_offset"])
        start = attempt["output_offset"] + self._printed
        try:
            for piece in output.read(self._queue.home.logs, attempt["output_file"], start, size - self._printed):
                self._screen.raw(piece)
                self._printed += len(piece)
        except FileNotFoundError:
            pass


def _place_of(attempt: dict[str, object]) -> tuple[object, object]:
    return attempt["output_file"], attempt["output_offset"]


def _attempt(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(what=f"--attempt must be a number from 1 on, not {text[:40]!r}")
    return int(text)
