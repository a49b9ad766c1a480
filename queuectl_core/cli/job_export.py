"""Job export: jobs as the JSON lines that `import` reads.

The commands that export, import, and restore jobs share this module.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from .. import fast_json
from ..api import Queue
from .no_match import at_least_one
from .output_file import write_lines
from .screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from typing import Any

    from ..model.records import Chosen


def add_output(parser: ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="write to a new file, readable only by you")


def write_exported(
    queue: Queue, chosen: Chosen, path: str | None, screen: Screen, may_be_empty: bool
) -> int:
    """Write the jobs that match `chosen` to a new file, and return exit status 0.

    `chosen` is a filter as for `Queue.list`. If `path` is None, write to standard output. No match
    is an error unless `may_be_empty` is true.

    Raises: NothingToDo.
    """
    jobs = queue.export(**chosen)
    if not may_be_empty:
        jobs = at_least_one(jobs)
    write_lines(path, (json.dumps(job, ensure_ascii=False, separators=(",", ":")) for job in jobs), screen)
    return 0


def parsed(line: bytes) -> Any:
    """Return the JSON value of a line in an export or a backup.

    Raises: ValueError.
    """
    try:
        return json.loads(line, object_pairs_hook=fast_json.unique)
    except RecursionError:
        raise ValueError("nested too deeply") from None


PORTION_JOBS = 500
PORTION_CHARACTERS = 256 * 1024


def portions(jobs: Iterable[tuple[int, object]]) -> Iterator[list[tuple[int, object]]]:
    """Yield the jobs with their line numbers, in groups that fit into one request."""
    portion: list[tuple[int, object]] = []
    size = 0
    for line, job in jobs:
        more = len(str(job))
        if portion and (len(portion) == PORTION_JOBS or size + more > PORTION_CHARACTERS):
            yield portion
            portion, size = [], 0
        portion.append((line, job))
        size += more
    if portion:
        yield portion
