"""`queuectl backup`: a whole home in one file, while it lives."""

from __future__ import annotations

import json

from ...api import Queue
from ...errors import Busy, PastIsGone
from ...model import events
from ...storage import journal_reader
from ..output_file import write_lines
from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Generator, Iterator

    Line = dict[str, object]

SUMMARY = """Writes a home's jobs with their history, its queues, schedules and settings to one file
while the queue runs, as they are at the end of the backup. The output of jobs is not included."""
EXAMPLES = ["queuectl backup queue.jsonl", "queuectl backup - | gzip > queue.jsonl.gz"]
VERSION = 2
SWEEP_JOBS = 10_000
"""After so many jobs it looks what has happened meanwhile, while the journal still knows it."""

TOUCHED_JOBS = 500
ATTEMPTS = 5


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="new file, readable only by you; - is standard output")


def run(args: Namespace, screen: Screen) -> int:
    with Queue(args.home, notice=screen.note) as queue:
        queue.sequence()  # what is wrong with the home is told before anything is written
        lines = (json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in _lines(queue))
        write_lines(args.file, lines, screen)
    return 0


def _lines(queue: Queue) -> Iterator[Line]:
    """What comes behind a head counts, and nothing before it. Raises Busy."""
    for _ in range(ATTEMPTS):
        count = 0
        yield {"queuectl_backup": VERSION}
        try:
            for line in _home(queue):
                count += 1
                yield line
        except PastIsGone:  # very much has happened meanwhile: once more from the beginning
            continue
        yield {"end": count}
        return
    raise Busy(what=f"too many changes for a backup, after {ATTEMPTS} attempts")


def _home(queue: Queue) -> Iterator[Line]:
    """Give what an `backup_image` is made of: records of all jobs, each at least as new as a position;
    what stands beside them; and the facts behind that position. Raises PastIsGone.
    """
    position, count = queue.sequence()["sequence"], 0
    for page in queue.kept():
        for job in page:  # no look in between: the rest of a page is older
            yield {"job": job}
        count += len(page)
        if count >= SWEEP_JOBS:
            position, count = (yield from _touched(queue, position)), 0
    position = yield from _touched(queue, position)
    yield {"rest": {**queue.sequence(), "sequence": position}}
    for sequence, happened in journal_reader.as_they_stand(queue.home.journal, position):
        yield {"sequence": sequence, "events": json.loads(events.encode(happened))}


def _touched(queue: Queue, position: int) -> Generator[Line, None, int]:
    """Give once more the jobs to which something has happened behind a position; return up to
    which one. Without this, a job that moves from a page to come to an earlier one would be missed.
    """
    ids: dict[str, None] = {}
    for fact in journal_reader.read(queue.home.journal, position):
        position = int(str(fact["seq"]))
        if "id" in fact:
            ids[str(fact["id"])] = None
        if len(ids) == TOUCHED_JOBS:
            yield from _as_they_are(queue, ids)
            ids = {}
    yield from _as_they_are(queue, ids)
    return position


def _as_they_are(queue: Queue, ids: dict[str, None]) -> Iterator[Line]:
    there = {job["id"]: job for page in queue.kept(list(ids)) for job in page}
    for id in ids:
        yield {"job": there[id]} if id in there else {"gone": id}
