"""`queuectl import`: the jobs of an export from another home."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...api import Queue
from ...engine.job_import import blockers_first
from ...errors import InvalidInput, QueueError
from ..fast_args import Arguments
from ..job_export import portions, read_lines
from ..screen import Screen, counted

SUMMARY = """Adds jobs that `queuectl export` printed, with their state and history, in batches. After a failure, repeat
the import with --skip-existing."""
EXAMPLES = ["queuectl import jobs.jsonl", "queuectl import - --skip-existing < jobs.jsonl"]
OPTIONS = (
    ("file", "FILE", "file of exported jobs; - is standard input"),
    ("--skip-existing", "", "skip jobs whose IDs already exist"),
)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Import the jobs of the file in batches."""
    count = 0
    for portion in portions(_in_order(read_lines(args.file))):
        try:
            count += len(queue.import_jobs([job for _, job in portion], args.skip_existing))
        except QueueError as refusal:
            if "index" not in refusal.fields:
                refusal.done = f"imported {counted(count)}" if count else ""
                raise
            line = portion[int(str(refusal.fields["index"]))][0]
            raise InvalidInput(what=f"line {line}: {refusal}; {counted(count)} imported before it") from None
    screen.done({"count": count}, f"imported {counted(count)}")


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
