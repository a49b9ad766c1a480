"""Tables: jobs as a table, as JSON, or as lines of a template.

`list` and `dlq list` share this module.
"""

from __future__ import annotations

from ..api import Queue
from ..errors import InvalidInput
from ..system.clock import now_ms
from ..timestamps import format_age, from_utc
from ..view.job_notes import note_at
from .fast_args import Arguments
from .filters import noted
from .screen import Screen
from .value_args import whole_number

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.records import Chosen, JobRecord
    from .job_columns import Fact, Lines
    from .screen import Columns

TABLE_LIMIT = 100
"""The maximum number of jobs in a table without --limit."""

OTHER_LINES = 4
"""The lines beside the jobs on a page: the head of the table, notes, and the line of the cursor."""

LIMIT = ("--limit", "N", f"maximum number of jobs; 0 is all (default: {TABLE_LIMIT} in a table)")


class View:
    """How to show jobs: as a table, or as lines, in an order, up to a limit.

    The options are --limit, and for `list` also --columns, --format, --csv, --markdown, --sort, and --reverse.

    Raises: InvalidInput.
    """

    def __init__(self, args: Arguments, columns: Columns) -> None:
        self._columns = columns
        self._limit = None if args.limit is None else whole_number(args.limit, "--limit")
        self._lines: Lines | None = None
        self._sort: Fact | None = None
        if hasattr(args, "sort"):
            self._take(args)

    def _take(self, args: Arguments) -> None:
        """Take the options that only `list` has."""
        has_lines = args.csv or args.markdown or args.format is not None
        if args.json + args.csv + args.markdown + (args.format is not None) > 1:
            raise InvalidInput(what="use only one of --json, --csv, --markdown and --format")
        self._is_reverse = args.reverse
        if not has_lines and args.columns is None and args.sort is None:
            return
        from .job_columns import lines_of, text_of, value_of

        named = None if args.columns is None else args.columns.split(",")
        if named is not None:
            self._columns = {name.strip().upper(): text_of(name, "--columns") for name in named}
        if has_lines:
            self._lines = lines_of(args, named)
        if args.sort is not None:
            self._sort = value_of(args.sort, "--sort")
            if named is None:
                self._columns = _with_column(self._columns, args.sort)

    def show(self, queue: Queue, chosen: Chosen, screen: Screen) -> None:
        """Print the jobs that match `chosen`, a filter as for `Queue.list`.

        Without --limit, print at most `TABLE_LIMIT` jobs in a table, and all otherwise. On a page, print a table that
        fits.
        """
        is_table = self._lines is None and not screen.json
        limit = TABLE_LIMIT if is_table and self._limit is None else self._limit or 0
        if is_table and screen.height is not None:
            limit = min(limit or screen.height, max(1, screen.height - OTHER_LINES))
        jobs = noted(self._jobs(queue, chosen, limit and limit + is_table), chosen, screen)
        if self._lines is not None:
            for line in self._lines(jobs):
                screen.line(line)
        elif screen.json:
            screen.values(jobs)
        else:
            listed = list(jobs)
            screen.table(self._columns, listed[: limit or None])
            if 0 < limit < len(listed):
                how = "--limit 0 shows all" if screen.height is None else "a larger terminal shows more"
                screen.note(f"showing the first {'job' if limit == 1 else f'{limit} jobs'}; {how}")

    def _jobs(self, queue: Queue, chosen: Chosen, limit: int) -> Iterable[JobRecord]:
        if self._sort is None:
            return queue.list(limit=limit, **chosen)
        placed = [(self._sort(job), job) for job in queue.list(**chosen)]
        known = sorted((pair for pair in placed if pair[0] is not None), key=_place, reverse=self._is_reverse)
        return [job for _, job in [*known, *(pair for pair in placed if pair[0] is None)]][: limit or None]


def _with_column(columns: Columns, name: str) -> Columns:
    """Return the columns of a table with a column for the sorted fact, before the long texts."""
    from .job_columns import text_of

    title = name.strip().upper().replace("-", "_")
    texts = {title: columns[title] for title in ("NOTE", "COMMAND") if title in columns}
    first = {title: column for title, column in columns.items() if title not in texts}
    return {**first, title: text_of(name, "--sort"), **texts} if title not in columns else columns


def _place(pair: tuple[object, object]) -> tuple[bool, object]:
    value = pair[0]
    is_text = not isinstance(value, (int, float))
    return is_text, str(value) if is_text else value


def note_shortage(queue: Queue, screen: Screen) -> None:
    """Print a note if no job starts because the disk is full.

    The home itself shows this, so that no process needs to answer.
    """
    from ..model.reasons import shortage_message
    from ..storage.reserve import Reserve

    lack = Reserve(queue.home.reserve).shortage()
    if lack is not None:
        screen.note(shortage_message(queue.home.path, lack))


def age_of(job: JobRecord) -> str:
    """Return how long ago the job last changed."""
    return format_age(now_ms() - from_utc(job["updated_at"]))


def note_of(job: JobRecord) -> str:
    """Return the most useful fact about a job in its state."""
    return note_at(job, now_ms())


COLUMNS: Columns = {
    "ID": "id",
    "STATE": "state",
    "ATTEMPTS": "attempts",
    "SINCE": age_of,
    "NOTE": note_of,
    "COMMAND": "command",
}
