"""`queuectl import`: the jobs of an export from another home."""

from __future__ import annotations

from ...api import Queue
from ...engine.job_import import blockers_first
from ...errors import InvalidInput, QueueError
from ..fast_args import path_of
from ..job_export import parsed, portions
from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator

SUMMARY = """Adds jobs that `queuectl export` printed, with their state and history, in batches. After a failure, repeat
the import with --skip-existing."""
EXAMPLES = ["queuectl import jobs.jsonl", "queuectl import - --skip-existing < jobs.jsonl"]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="file of exported jobs; - is standard input")
    parser.add_argument("--skip-existing", action="store_true", help="skip jobs whose IDs already exist")


def run(args: Namespace, screen: Screen) -> int:
    """Import the jobs of the file in batches, and return the exit status."""
    count = 0
    with Queue(args.home, notice=screen.note) as queue:
        for portion in portions(_in_order(_jobs(args.file))):
            try:
                count += len(queue.import_jobs([job for _, job in portion], args.skip_existing))
            except QueueError as refusal:
                if "index" not in refusal.fields:
                    raise
                line = portion[int(str(refusal.fields["index"]))][0]
                raise InvalidInput(what=f"line {line}: {refusal}; {count} jobs were imported before it") from None
    if screen.json:
        screen.value({"count": count})
    else:
        screen.line(f"{count} {'job' if count == 1 else 'jobs'} imported")
    return 0


def _in_order(jobs: Iterable[tuple[int, object]]) -> Iterator[tuple[int, object]]:
    """Yield jobs without dependencies as they come, and then each other one after its dependencies."""
    held: dict[object, tuple[int, dict[str, object]]] = {}
    for line, job in jobs:
        if isinstance(job, dict) and job.get("blockers"):
            id = job.get("id")
            held[id if isinstance(id, str) and id not in held else line] = line, job
        else:
            yield line, job
    yield from (held[key] for key in blockers_first(held, lambda key: held[key][1]["blockers"]))


def _jobs(path: str) -> Iterator[tuple[int, object]]:
    """Yield each job with the number of its line."""
    import sys

    number = 0
    try:
        with sys.stdin.buffer if path == "-" else open(path_of(path), "rb") as file:
            for number, line in enumerate(file, 1):
                yield number, parsed(line)
    except OSError as fault:
        raise InvalidInput(what=f"cannot read {path}: {fault.strerror}") from None
    except ValueError as fault:
        raise InvalidInput(what=f"line {number} is not an exported job: {fault}") from None
