"""`queuectl logs`: what a job has printed, bytes as they came; with --follow as they come."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace

from .. import output
from ..api import Queue
from ..errors import InvalidInput, NoOutput, NoSupervisor
from .render import Screen

SUMMARY = """Prints what a job has printed, stdout and stderr as they came: of its latest attempt, of attempt N, or
of all. With --follow it goes on until the job has ended for good, through its retries."""
EXAMPLES = ["queuectl logs job1", "queuectl logs job1 --follow", "queuectl logs job1 --attempt 1"]

LOOK_EVERY_S = 0.1
"""How often a followed log is looked at; the supervisor is asked five times less often."""


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
    with Queue(args.home) as queue:
        job = queue.get(args.id)
        if args.follow:
            return _follow(queue, job, screen)
        attempts = _chosen(job, args)
        for attempt in attempts:
            if args.all:
                screen.note(f"==> attempt {attempt['attempt']}, started {attempt['started_at']}")
            _print(queue, attempt, screen)
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
            raise NoOutput(what=f"the output of attempt {attempt['attempt']} is gone: its log was removed") from None


def _follow(queue: Queue, job: dict[str, object], screen: Screen) -> int:
    """Prints the latest attempt, then every later one, until the job is in a final state."""
    follower = _Follower(queue, screen)
    while True:
        follower.catch_up(job["history"])
        if job["state"] in ("completed", "dead"):
            return 0
        if queue.status()["supervisor"] is None:
            raise NoSupervisor(home=queue.home.path)
        for _ in range(5):
            time.sleep(LOOK_EVERY_S)
            follower.print_new()
        job = queue.get(job["id"])


class _Follower:
    """Which attempt is being printed, and how much of it has been. An attempt is known by where its output lies."""

    def __init__(self, queue: Queue, screen: Screen) -> None:
        self._queue = queue
        self._screen = screen
        self._attempt: dict[str, object] | None = None
        self._printed = 0

    def catch_up(self, history: list[dict[str, object]]) -> None:
        """Prints what is new, from the attempt under way to the latest in the history."""
        located = [attempt for attempt in history if attempt["output_file"] is not None]
        places = [(attempt["output_file"], attempt["output_offset"]) for attempt in located]
        at = self._place() if self._attempt else None
        later = located[places.index(at) :] if at in places else located[-1:]
        for attempt in later:
            if self._attempt is not None and at != (attempt["output_file"], attempt["output_offset"]):
                self._screen.note(f"==> attempt {attempt['attempt']}, started {attempt['started_at']}")
                self._printed = 0
            self._attempt = attempt
            at = self._place()
            self.print_new()

    def print_new(self) -> None:
        """Prints what has come since, of the attempt under way."""
        attempt = self._attempt
        if attempt is None:
            return
        size = None if attempt["output_bytes"] is None else attempt["output_bytes"] - self._printed
        start = attempt["output_offset"] + self._printed
        try:
            for piece in output.read(self._queue.home.logs, attempt["output_file"], start, size):
                self._screen.raw(piece)
                self._printed += len(piece)
        except FileNotFoundError:
            pass

    def _place(self) -> tuple[object, object]:
        return self._attempt["output_file"], self._attempt["output_offset"]


def _attempt(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(what=f"--attempt must be a number from 1 on, not {text[:40]!r}")
    return int(text)
