"""Job lines: the list of jobs, with the columns that fit.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...model.states import PROCESSING
from ...timestamps import from_utc
from ..job_notes import note_at, reason_of
from .spans import Line, Span, cell
from .spells import age, clock
from .state import Top

if TYPE_CHECKING:
    from ...model.records import JobRecord

_GAP = "  "
_NARROW, _WIDE = 72, 110
_SEEN = 100
"""How many jobs decide on the width of a column."""


class Column(NamedTuple):
    """One column: its head, the name it is sorted by, and its width."""

    head: str
    sort: str
    columns: int
    is_right: bool = False


def columns_of(top: Top, columns: int, rows: int) -> list[Column]:
    """Return the columns of the list for a size. The last takes the rest. Notes appear if a job here has one."""
    seen = top.jobs[top.first : top.first + _SEEN]
    ids = max((len(job["id"]) for job in seen), default=0)
    queues = {job["queue"] for job in seen}
    shown = [Column("ID", "id", min(max(ids, 8), 14 if columns < _NARROW else 22)), Column("STATE", "state", 10)]
    if len(queues) > 1 and columns >= _NARROW:
        shown.append(Column("QUEUE", "queue", min(max(map(len, queues)), 12)))
    if columns >= _NARROW:
        shown.append(Column("TRY", "attempts", 3, True))
    shown.append(Column("TIME", "time", 6, True))
    if columns >= _WIDE:
        shown.append(Column("AGE", "", 4, True))
    left = columns - 2 - sum(column.columns + len(_GAP) for column in shown)
    has_note = columns >= _NARROW and any(_note(top, job) for job in seen[:rows])
    longest = max((len(_note(top, job)) for job in seen), default=0)
    note = 0 if not has_note else min(max(longest, 4), max(12, left * 2 // 5))
    if note:
        shown.append(Column("NOTE", "", note))
    return [*shown, Column("COMMAND", "command", max(4, left - (note + len(_GAP) if note else 0)))]


def head(top: Top, shown: Sequence[Column]) -> Line:
    """Return the heads of the columns, with a sign at the one that is sorted by."""
    sign = "▼" if top.is_reverse else "▲"
    titles = [column.head + (sign if top.sort and column.sort == top.sort else "") for column in shown]
    cells = [cell(title, column.columns, column.is_right) for title, column in zip(titles, shown)]
    return [Span("  " + _GAP.join(cells), "head")]


def lines(top: Top, shown: Sequence[Column], rows: int) -> Iterator[Line]:
    """Yield the jobs on the screen."""
    for number, job in enumerate(top.jobs[top.first : top.first + rows], top.first):
        yield _line(top, job, shown, number == top.cursor)


def _line(top: Top, job: JobRecord, shown: Sequence[Column], is_chosen: bool) -> Line:
    signs = (">" if is_chosen else " ") + ("*" if top.is_marked(job["id"]) else " ")
    texts = _texts(top, job, has_note=any(column.head == "NOTE" for column in shown))
    cells = [cell(texts[column.head], column.columns, column.is_right) for column in shown]
    if is_chosen:
        return [Span(signs + _GAP.join(cells), "chosen")]
    spans = [Span(signs, "marked" if signs[1] == "*" else "")]
    for column, text in zip(shown, cells):
        spans += [Span(text, _style_of(job, column)), Span(_GAP)]
    return spans[:-1]


def _style_of(job: JobRecord, column: Column) -> str:
    if column.head == "STATE":
        return job["state"]
    return "dim" if column.head in ("NOTE", "AGE") else ""


def _texts(top: Top, job: JobRecord, has_note: bool) -> dict[str, str]:
    """Return the text of a job in each column."""
    time_ms, note = top.time_ms(job), _note(top, job)
    is_said = not has_note and job["state"] in ("failed", "dead")
    return {
        "ID": job["id"],
        "STATE": job["state"],
        "QUEUE": job["queue"],
        "TRY": str(job["attempts"]),
        "TIME": age(time_ms) if job["state"] in ("pending", "failed") else clock(time_ms),
        "AGE": age(top.now_ms - from_utc(job["updated_at"])),
        "NOTE": note,
        "COMMAND": f"{note}: {job['command']}" if is_said else job["command"],
    }


def _note(top: Top, job: JobRecord) -> str:
    """Return what matters about a job. That a job runs is said by its state."""
    due_ms = top.due_in_ms(job)
    if due_ms is not None and not job.get("waits_for"):
        reason = reason_of(job)
        return f"in {age(due_ms)}" + (f"; {reason}" if reason else "")
    is_usual = job["state"] == PROCESSING and not job.get("suspended")
    note = "" if is_usual else note_at(job, top.now_ms)
    return "" if note == "-" else note
