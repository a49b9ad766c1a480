"""`queuectl backup`: a copy of a whole home in one file, made while jobs run."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator

from ...api import Queue
from ...errors import Busy, EventsExpired
from ...model import events
from ...storage import journal_reader
from ..fast_args import Arguments
from ..job_export import compact
from ..output_file import write_lines
from ..screen import Screen

Line = dict[str, object]

HAS_JSON = False
SUMMARY = """Writes the jobs of a home with their history, its queues, schedules and settings to one file.
Jobs can run meanwhile; the file shows the home at the end of the backup, without the output of jobs."""
EXAMPLES = ["queuectl backup home.jsonl", "queuectl backup - | gzip > home.jsonl.gz"]
OPTIONS = (("file", "FILE", "new file, readable only by you; - is standard output"),)
VERSION = 3
SWEEP_JOBS = 10_000
"""The number of jobs after which the backup reads the journal, while it still has the changes."""

TOUCHED_JOBS = 500
ATTEMPTS = 5


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Write the backup."""
    queue.snapshot()  # report a broken home before anything is written
    write_lines(args.file, map(compact, _lines(queue)), screen)


def _lines(queue: Queue) -> Iterator[Line]:
    """Yield the lines of a backup, from the last head on.

    After a failed attempt, a new head makes all earlier lines void.

    Raises: Busy.
    """
    for _ in range(ATTEMPTS):
        count = 0
        yield {"queuectl_backup": VERSION}
        try:
            for line in _home(queue):
                count += 1
                yield line
        except EventsExpired:  # the journal no longer has the changes: start again
            continue
        yield {"end": count}
        return
    raise Busy(what=f"too many changes for a backup, after {ATTEMPTS} attempts")


def _home(queue: Queue) -> Iterator[Line]:
    """Yield what a `backup_image` consists of.

    The records of all jobs come first, each at least as new as a position in the journal. Then come
    the rest of the home, and the events after that position.

    Raises: EventsExpired.
    """
    position, count = queue.snapshot()["sequence"], 0
    for page in queue.kept():
        for job in page:  # read no journal within a page: its other jobs were read earlier
            yield {"job": job}
        count += len(page)
        if count >= SWEEP_JOBS:
            position, count = (yield from _touched(queue, position)), 0
    position = yield from _touched(queue, position)
    yield {"rest": {**queue.snapshot(), "sequence": position}}
    for sequence, happened in journal_reader.read_frames(queue.home.journal, position):
        yield {"sequence": sequence, "events": json.loads(events.encode(happened))}


def _touched(queue: Queue, position: int) -> Generator[Line, None, int]:
    """Yield again the jobs that changed after a position, and return the new position.

    Without this, the backup would miss a job that moves from a later page to an earlier one.
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
