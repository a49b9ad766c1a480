"""Tables: jobs as a table, as JSON, or as lines of a template.

`list` and `dlq list` share this module.
"""

from __future__ import annotations

from ..api import Queue
from ..errors import InvalidInput
from ..system.clock import now_ms
from ..timestamps import format_age, from_utc
from .no_match import noted
from .screen import Screen, shown, visible

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..model.records import Chosen, JobRecord

    Column = tuple[str, Callable[[Any], object]]
    """A title, and a function that returns the cell of a job."""

    Sort = tuple[str, bool]
    """A field, and whether the largest value comes first."""

TABLE_LIMIT = 100
"""The maximum number of jobs in a table without --limit."""


def show(  # noqa: PLR0913  # one for each option of `list`
    queue: Queue,
    chosen: Chosen,
    limit: int | None,
    screen: Screen,
    columns: list[Column] | None = None,
    sort: Sort | None = None,
    template: str | None = None,
) -> int:
    """Print the jobs that match `chosen`, and return the exit status.

    `chosen` is a filter as for `Queue.list`. `limit` is the maximum number of jobs, and 0 means
    all. None means `TABLE_LIMIT` for a table, and all for JSON and templates.
    """
    if screen.json or template is not None:
        jobs = noted(_jobs(queue, chosen, limit or 0, sort), chosen, screen)
        if template is None:
            screen.values(jobs)
        else:
            for job in jobs:
                screen.line(_filled(template, job))
        return 0
    limit = TABLE_LIMIT if limit is None else limit
    found = list(noted(_jobs(queue, chosen, limit and limit + 1, sort), chosen, screen))
    listed = found[:limit] if limit else found
    columns = columns or _COLUMNS
    names = [name for name, _ in columns]
    colour_column = names.index("STATE") if "STATE" in names else None
    screen.table(names, [[value(job) for _, value in columns] for job in listed], colour_column)
    if len(listed) < len(found):
        screen.note(f"showing the first {limit} jobs; --limit 0 shows all")
    return 0


def note_shortage(queue: Queue, screen: Screen) -> None:
    """Print a note if no job starts because the disk is full.

    The home itself shows this, so that no process needs to answer.
    """
    from ..storage.reserve import Reserve, told

    lack = Reserve(queue.home.reserve).shortage()
    if lack is not None:
        screen.note(told(queue.home.path, lack))


def _jobs(queue: Queue, chosen: Chosen, limit: int, sort: Sort | None) -> Iterable[JobRecord]:
    if sort is None:
        return queue.list(limit=limit, **chosen)
    field, is_reverse = sort

    def place(job: JobRecord) -> tuple[bool, bool, object]:
        value = job.get(field)
        is_number = isinstance(value, (int, float))
        return value is None, not is_number, value if is_number else str(value)

    known: list[JobRecord] = []
    unknown: list[JobRecord] = []
    for job in queue.list(**chosen):
        (unknown if job.get(field) is None else known).append(job)
    found = [*sorted(known, key=place, reverse=is_reverse), *unknown]
    return found[:limit] if limit else found


def columns_of(text: str) -> list[Column]:
    """Return the columns that --columns names.

    Raises: InvalidInput.
    """

    def column(name: str) -> Column:
        if not name.replace("_", "").isalnum():
            raise InvalidInput(what=f"--columns needs fields like id,state,command, not {text[:40]!r}")
        return name.upper(), lambda job: None if job.get(name) is None else shown(job[name])

    return [column(name.strip()) for name in text.split(",")]


def key_of(field: str, is_reverse: bool) -> Sort:
    """Return the sort order that --sort and --reverse name.

    Raises: InvalidInput.
    """
    if not field.replace("_", "").isalnum():
        raise InvalidInput(what=f"--sort needs a field like created_at, not {field[:40]!r}")
    return field, is_reverse


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


def limit_of(text: str, flag: str = "--limit") -> int:
    """Return the count that --limit, or the option `flag`, gives.

    Raises: InvalidInput.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(what=f"{flag} must be a whole number, 0 or more, not {text[:40]!r}")
    return int(text)


_COLUMNS: list[Column] = [
    ("ID", lambda job: job["id"]),
    ("STATE", lambda job: job["state"]),
    ("ATTEMPTS", lambda job: job["attempts"]),
    ("SINCE", age_of),
    ("NOTE", note_of),
    ("COMMAND", lambda job: job["command"]),
]
