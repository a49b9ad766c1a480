"""`queuectl import`: jobs that another home has exported."""

from __future__ import annotations

from ..api import Queue
from ..errors import InvalidInput, QueueError
from .render import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

SUMMARY = """Adds jobs as `queuectl export` has printed them, with their state and history, a thousand at a time; with
--skip-existing it can be repeated after a failure."""
EXAMPLES = ["queuectl import jobs.jsonl", "queuectl import - --skip-existing < jobs.jsonl"]
PORTION_JOBS = 1000
PORTION_BYTES = 1024 * 1024


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a file of exported jobs; - is standard input")
    parser.add_argument("--skip-existing", action="store_true", help="passes over jobs whose ids are there already")


def run(args: Namespace, screen: Screen) -> int:
    count = 0
    with Queue(args.home, notice=screen.note) as queue:
        for first, jobs in _portions(args.file):
            try:
                count += len(queue.import_jobs(jobs, args.skip_existing))
            except QueueError as refusal:
                if "index" not in refusal.fields:
                    raise
                line = first + int(str(refusal.fields["index"]))
                raise InvalidInput(what=f"line {line}: {refusal}; the {count} jobs before are in") from None
    if screen.json:
        screen.value({"count": count})
    else:
        screen.line(f"{count} {'job is' if count == 1 else 'jobs are'} in")
    return 0


def _portions(path: str) -> Iterator[tuple[int, list[object]]]:
    """Each with the number of its first line."""
    import json
    import sys

    jobs: list[object] = []
    first, size, number = 1, 0, 0
    try:
        with sys.stdin.buffer if path == "-" else open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                jobs.append(json.loads(line))
                size += len(line)
                if len(jobs) == PORTION_JOBS or size >= PORTION_BYTES:
                    yield first, jobs
                    jobs, first, size = [], number + 1, 0
    except OSError as fault:
        raise InvalidInput(what=f"cannot read {path}: {fault.strerror}") from None
    except ValueError as fault:
        raise InvalidInput(what=f"line {number + 1} is no exported job: {fault}") from None
    if jobs:
        yield first, jobs
