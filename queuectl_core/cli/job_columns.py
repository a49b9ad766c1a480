"""Job columns: the facts of a job that `list` shows and sorts by, and jobs as CSV, Markdown, or filled templates.

It knows the record of a job, but no table. A fact is a field of the record, or one of `_FACTS`.
"""

from __future__ import annotations

from ..errors import InvalidInput
from ..model.job_spec import BASIC_FIELDS, OPTIONS
from ..model.states import FINAL_STATES
from ..system.clock import now_ms
from ..timestamps import format_span, from_utc
from .fast_args import Arguments
from .job_details import took_ms
from .screen import shown, visible

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..model.records import AttemptRecord, JobRecord

    Fact = Callable[[JobRecord], object]
    Lines = Callable[[Iterable[JobRecord]], Iterator[str]]
    """A function that turns jobs into lines, with a line for the head if there is one."""

DEFAULT = ("id", "state", "attempts", "exit_code", "created_at", "ended", "duration", "reason", "command")
"""The columns of --csv and --markdown."""


def value_of(name: str, flag: str) -> Fact:
    """Return the function that gives a fact in the form for programs: seconds, bytes, times in UTC.

    Raises: InvalidInput.
    """
    field = name.strip().lower().replace("-", "_")
    if field in _FACTS:
        return _FACTS[field][0]
    if field not in FIELDS:
        raise InvalidInput(what=f"{flag} knows no field {name[:40]!r}; {_suggestion(field)}")
    return lambda job: job.get(field)


def names() -> list[str]:
    """Return the names of all facts."""
    return [*_FACTS, *sorted(FIELDS)]


def text_of(name: str, flag: str) -> Callable[[JobRecord], str | None]:
    """Return the function that gives a fact in the form for people.

    Raises: InvalidInput.
    """
    value, form = value_of(name, flag), _FACTS.get(name.strip().lower().replace("-", "_"), _PLAIN)[1]

    def text(job: JobRecord) -> str | None:
        found = value(job)
        return None if found is None else form(found)

    return text


def latest(job: JobRecord) -> AttemptRecord | None:
    """Return the latest attempt of a job, or None."""
    return job["history"][-1] if job["history"] else None


def _suggestion(field: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(field, names(), n=1)
    common = "id, state, queue, name, attempts, exit_code, duration, wait, cpu, memory, ended, reason, command"
    return f"did you mean {near[0]}?" if near else f"some are {common}"


def _seconds(of_attempt: Callable[[AttemptRecord], int | None]) -> Fact:
    """Return a function of a job that gives a time of its latest attempt in seconds."""

    def seconds(job: JobRecord) -> float | None:
        attempt = latest(job)
        ms = None if attempt is None else of_attempt(attempt)
        return None if ms is None else ms / 1000

    return seconds


def _exit_code(job: JobRecord) -> int | None:
    attempt = latest(job)
    return None if attempt is None else attempt["exit_code"]


def _memory(job: JobRecord) -> int | None:
    attempt = latest(job)
    return None if attempt is None else attempt["peak_bytes"]


def _ended(job: JobRecord) -> str | None:
    return job["updated_at"] if job["state"] in FINAL_STATES else None


def _wait_s(job: JobRecord) -> float:
    """Return the seconds from the addition of a job to its first start, or so far."""
    began = job["history"][0]["started_at"] if job["history"] else _ended(job)
    return max(0, (now_ms() if began is None else from_utc(began)) - from_utc(job["created_at"])) / 1000


def _span(seconds: object) -> str:
    return format_span(round(float(str(seconds)) * 1000))


def _size(size: object) -> str:
    return f"{int(str(size)) / 2**20:.1f} MiB"


FIELDS = frozenset((
    *BASIC_FIELDS, *OPTIONS, "id", "command", "cwd", "state", "attempts", "created_at", "updated_at", "next_run_at",
    "reason", "worker", "history", "waits_for", "suspended", "canceled", "schedule",
    "cause", "hook", "slot", "environ", "environment", "defaults",
))  # fmt: skip
"""The fields that the record of a job can have."""

_PLAIN: tuple[Fact, Callable[[object], str]] = (lambda job: None, shown)
_FACTS: dict[str, tuple[Fact, Callable[[object], str]]] = {
    "duration": (_seconds(took_ms), _span),
    "wait": (_wait_s, _span),
    "exit_code": (_exit_code, shown),
    "cpu": (_seconds(lambda attempt: attempt["cpu_ms"]), _span),
    "memory": (_memory, _size),
    "ended": (_ended, shown),
}
"""The facts that a record has only indirectly: how to find each, and how to show it."""


# Lines


def lines_of(args: Arguments, named: list[str] | None) -> Lines:
    """Return the function for --csv, --markdown or --format; `named` are the columns.

    Raises: InvalidInput.
    """
    if args.format is not None:
        return _filled(args.format)
    names = [name.strip() for name in named or DEFAULT]
    return _as_csv(names) if args.csv else _as_markdown(names)


def _as_csv(names: list[str]) -> Lines:
    """Return a function that makes CSV (RFC 4180) with values for programs."""
    facts = [value_of(name, "--columns") for name in names]

    def lines(jobs: Iterable[JobRecord]) -> Iterator[str]:
        yield _csv_row(names)
        for job in jobs:
            values = [fact(job) for fact in facts]
            yield _csv_row(["" if value is None else shown(value) for value in values])

    return lines


def _csv_row(cells: list[str]) -> str:
    import csv
    import io

    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(cells)
    return row.getvalue()


def _as_markdown(names: list[str]) -> Lines:
    texts = [text_of(name, "--columns") for name in names]

    def lines(jobs: Iterable[JobRecord]) -> Iterator[str]:
        yield _markdown_row(names)
        yield _markdown_row(["---"] * len(names))
        for job in jobs:
            yield _markdown_row([visible(text(job) or "") for text in texts])

    return lines


def _markdown_row(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _filled(template: str) -> Lines:
    """Return a function that fills a template with facts in place of `{field}`; `{{` is a brace.

    Raises: InvalidInput.
    """

    def line(job: JobRecord | None) -> str:
        try:
            return template.format_map(_Facts(job))
        except (ValueError, IndexError, AttributeError, KeyError, TypeError) as fault:
            wanted = "--format needs fields like {id} or {command}"
            raise InvalidInput(what=f"{wanted}, not {template[:40]!r} ({fault})") from None

    line(None)  # refuses a wrong template, even if no job matches
    return lambda jobs: map(line, jobs)


class _Facts(dict[str, str]):
    """The facts of a job by name, or empty texts without a job."""

    def __init__(self, job: JobRecord | None) -> None:
        self._job = job

    def __missing__(self, name: str) -> str:
        text = text_of(name, "--format")
        return "" if self._job is None else visible(text(self._job) or "")
