"""Job export: jobs as the JSON lines that `import` reads.

The commands that export, import, and restore jobs share this module.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from .. import fast_json
from ..api import Queue
from ..errors import InvalidInput
from ..transport import grouped
from .fast_args import Arguments
from .filters import ALLOW_EMPTY, at_least_one, chosen_by, nothing_matches
from .jsonl import opened
from .output_file import write_lines
from .screen import Screen

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import Any

PORTION_JOBS = 500

OUTPUT = (("--output", "FILE", "write to a new file, readable only by you"), ALLOW_EMPTY)
"""The options of a command that exports jobs."""


def export(queue: Queue, args: Arguments, screen: Screen, **fixed: Any) -> None:
    """Write the jobs that match the options and `fixed`, a part of a filter.

    If the options have a filter, no match is an error without --allow-empty.

    Raises: InvalidInput, NothingToDo.
    """
    chosen = chosen_by(args)
    jobs = queue.export(**chosen, **fixed)
    if chosen and not args.allow_empty:
        jobs = at_least_one(jobs, nothing_matches())
    write_lines(args.output, map(compact, jobs), screen)


def compact(value: object) -> str:
    """Return JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_lines(path: str) -> Iterator[tuple[int, Any]]:
    """Yield the number and the JSON value of each line of a file, or of standard input if it is `-`.

    Raises: InvalidInput.
    """
    with opened(path) as file:
        number = 0
        try:
            for line in file:
                value = json.loads(line, object_pairs_hook=fast_json.unique)
                number += 1
                yield number, value
        except OSError as fault:
            raise InvalidInput(what=f"cannot read {path}: {fault.strerror}") from None
        except (ValueError, RecursionError) as fault:
            raise InvalidInput(what=f"line {number + 1} is not valid: {fault}") from None


def portions(jobs: Iterable[tuple[int, object]]) -> Iterator[list[tuple[int, object]]]:
    """Yield the jobs with their line numbers, in groups that fit into one request."""
    return grouped(jobs, PORTION_JOBS, lambda job: len(str(job[1])))
