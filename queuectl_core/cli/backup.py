"""`queuectl backup`: a whole home in one file, while it lives."""

from __future__ import annotations

from ..api import Queue
from ..errors import PastIsGone, UnknownJob
from .outfile import write_lines
from .render import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

SUMMARY = """Writes all jobs with their history, the queues, schedules and settings of a home into one file, while the
queue goes on: every job is in it, as it was at some moment meanwhile. What jobs have printed is not."""
EXAMPLES = ["queuectl backup queue.jsonl", "queuectl backup - | gzip > queue.jsonl.gz"]
VERSION = 1


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a new file, for you alone; - is standard output")


def run(args: Namespace, screen: Screen) -> int:
    import json

    with Queue(args.home, notice=screen.note) as queue:
        lines = (json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in _lines(queue))
        write_lines(args.file, lines, screen)
    return 0


def _lines(queue: Queue) -> Iterator[dict[str, object]]:
    """The rest of the home; its jobs, as they are asked for page by page; then, once more, those that something has
    happened to meanwhile, for one that moves from a page to come to a page before would be missed.
    """
    start = queue.sequence()
    yield {"queuectl_backup": VERSION, **{name: start[name] for name in ("settings", "queues", "schedules")}}
    count, since = 0, start["sequence"]
    while True:
        for job in queue.export():
            count += 1
            yield {"job": job}
        try:
            touched = _touched(queue, since)
            break
        except PastIsGone:  # much has happened meanwhile: once more from the beginning
            since = queue.sequence()["sequence"]
    for id in touched:
        count += 1
        yield _as_it_is(queue, id)
    yield {"end": count}


def _as_it_is(queue: Queue, id: str) -> dict[str, object]:
    try:
        return {"job": queue.export_one(id)}
    except UnknownJob:
        return {"gone": id}


def _touched(queue: Queue, since: int) -> list[str]:
    """The jobs to which something has happened. What one waits for may end while they are asked for: `import` lets
    it wait for nothing that is over.
    """
    from .. import past

    return list(dict.fromkeys(str(one["id"]) for one in past.read(queue.home.journal, since) if "id" in one))
