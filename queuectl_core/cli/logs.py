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
    seen, printed = len(job["history"]) - 1, 0
    while True:
        for _ in range(5):
            if 0 <= seen < len(job["history"]):
                printed += _print_new(queue, job["history"][seen], printed, screen)
            if job["state"] in ("completed", "dead"):
                break
            time.sleep(LOOK_EVERY_S)
        job = queue.get(job["id"])
        history = job["history"]
        while seen < len(history) and (seen < 0 or history[seen]["outcome"] is not None):
            if seen >= 0:
                _print_new(queue, history[seen], printed, screen)
            if seen + 1 == len(history):
                break
            seen, printed = seen + 1, 0
            if seen:
                screen.note(f"==> attempt {history[seen]['attempt']}, started {history[seen]['started_at']}")
        else:
            continue
        if job["state"] in ("completed", "dead"):
            return 0
        if queue.status()["supervisor"] is None:
            raise NoSupervisor(home=queue.home.path)


def _print_new(queue: Queue, attempt: dict[str, object], printed: int, screen: Screen) -> int:
    if attempt["output_file"] is None:  # it has not run for long enough to be told
        return 0
    size = None if attempt["output_bytes"] is None else attempt["output_bytes"] - printed
    new = 0
    try:
        for piece in output.read(queue.home.logs, attempt["output_file"], attempt["output_offset"] + printed, size):
            screen.raw(piece)
            new += len(piece)
    except FileNotFoundError:
        pass
    return new


def _attempt(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(what=f"--attempt must be a number from 1 on, not {text[:40]!r}")
    return int(text)
