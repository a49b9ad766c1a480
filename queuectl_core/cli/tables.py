"""Tables: jobs as a table, as JSON, or as lines of a template.

`list` and `dlq list` share this module.
"""

from __future__ import annotations

from ..api import Queue
from ..errors import InvalidInput
from ..system.clock import now_ms
from ..timestamps import format_age, from_utc
from .fast_args import Arguments
from .no_match import noted
from .screen import Screen, shown, visible
from .value_args import whole_number

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..model.records import Chosen, JobRecord
    from .screen import Columns

TABLE_LIMIT = 100
"""The maximum number of jobs in a table without --limit."""

LIMIT = ("--limit", "N", f"maximum number of jobs; 0 is all (default: {TABLE_LIMIT} in a table)")


class View:
    """How to show jobs: `columns` of a table, or lines of a template, in an order, up to a limit.

    The options are --limit, and for `list` also --columns, --format, --sort, and --reverse.

    Raises: InvalidInput.
    """

    def __init__(self, args: Arguments, columns: Columns) -> None:
        chosen = getattr(args, "columns", None)
        self._columns = columns if chosen is None else _columns_of(chosen)
        self._limit = None if args.limit is None else whole_number(args.limit, "--limit")
        self._template = getattr(args, "format", None)
        self._sort = getattr(args, "sort", None)
        self._is_reverse = getattr(args, "reverse", False)
        if self._sort is not None and not self._sort.replace("_", "").isalnum():
            raise InvalidInput(what=f"--sort needs a field like created_at, not {self._sort[:40]!r}")

    def show(self, queue: Queue, chosen: Chosen, screen: Screen) -> None:
        """Print the jobs that match `chosen`, a filter as for `Queue.list`.

        Without --limit, print at most `TABLE_LIMIT` jobs in a table, and all otherwise.
        """
        is_table = self._template is None and not screen.json
        limit = TABLE_LIMIT if is_table and self._limit is None else self._limit or 0
        jobs = noted(self._jobs(queue, chosen, limit and limit + is_table), chosen, screen)
        if self._template is not None:
            for job in jobs:
                screen.line(_filled(self._template, job))
        elif screen.json:
            screen.values(jobs)
        else:
            listed = list(jobs)
            screen.table(self._columns, listed[: limit or None])
            if 0 < limit < len(listed):
                screen.note(f"showing the first {limit} jobs; --limit 0 shows all")

    def _jobs(self, queue: Queue, chosen: Chosen, limit: int) -> Iterable[JobRecord]:
        if self._sort is None:
            return queue.list(limit=limit, **chosen)
        field = self._sort

        def place(job: JobRecord) -> tuple[bool, object]:
            value = job.get(field)
            is_text = not isinstance(value, (int, float))
            return is_text, str(value) if is_text else value

        jobs = list(queue.list(**chosen))
        known = [job for job in jobs if job.get(field) is not None]
        unknown = [job for job in jobs if job.get(field) is None]
        return [*sorted(known, key=place, reverse=self._is_reverse), *unknown][: limit or None]


def note_shortage(queue: Queue, screen: Screen) -> None:
    """Print a note if no job starts because the disk is full.

    The home itself shows this, so that no process needs to answer.
    """
    from ..storage.reserve import Reserve, shortage_message

    lack = Reserve(queue.home.reserve).shortage()
    if lack is not None:
        screen.note(shortage_message(queue.home.path, lack))


def _columns_of(text: str) -> Columns:
    """Return the columns that --columns names.

    Raises: InvalidInput.
    """
    names = [name.strip() for name in text.split(",")]
    if not all(name.replace("_", "").isalnum() for name in names):
        raise InvalidInput(what=f"--columns needs fields like id,state,command, not {text[:40]!r}")
    return {name.upper(): _field(name) for name in names}


def _field(name: str) -> Callable[[JobRecord], str | None]:
    return lambda job: None if job.get(name) is None else shown(job.get(name))


def _filled(template: str, job: JobRecord) -> str:
    """Return the template with fields of the job in place of `{field}`; `{{` is a brace."""
    values = {name: visible(shown(value)) if value is not None else "" for name, value in job.items()}
    try:
        return template.format_map(_Fields(values))
    except (ValueError, IndexError, AttributeError, KeyError, TypeError) as fault:
        wanted = "--format needs fields like {id} or {command}"
        raise InvalidInput(what=f"{wanted}, not {template[:40]!r} ({fault})") from None


class _Fields(dict[str, str]):
    """The fields of a job, in which a missing field is empty."""

    def __missing__(self, name: str) -> str:
        return ""


def age_of(job: JobRecord) -> str:
    """Return how long ago the job last changed."""
    return format_age(now_ms() - from_utc(job["updated_at"]))


def note_of(job: JobRecord) -> str:
    """Return the most useful fact about a job in its state."""
    due_at = job["next_run_at"]
    if job["state"] == "failed" and due_at is not None:
        wait_ms = from_utc(due_at) - now_ms()
        return f"{job['reason']}; retry in {format_age(wait_ms)}" if wait_ms > 0 else f"{job['reason']}; retry due"
    if job["state"] == "processing":
        return f"{'suspended ' if job.get('suspended') else ''}on {job['worker']}"
    if job["state"] == "pending" and job.get("waits_for"):
        return f"after {', '.join(job['waits_for'])}"
    if job["state"] == "pending" and due_at is not None:
        return f"at {due_at}"
    return str(job["reason"] or "-")


COLUMNS: Columns = {
    "ID": "id",
    "STATE": "state",
    "ATTEMPTS": "attempts",
    "SINCE": age_of,
    "NOTE": note_of,
    "COMMAND": "command",
}
