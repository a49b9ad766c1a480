"""Frame: the whole screen of `top` as lines, from what it shows and the size of the terminal.

    for line in frame(top, 80, 24):
        print(plain(line))

Pure. No line is wider than the terminal, and there are exactly as many as it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from . import header, job_lines
from .keys import KEYS, NAMES
from .spans import Line, Span, apart, cell, fitted, rule, wrapped
from .spells import age_changes_in_ms, age_falls_in_ms, clock_changes_in_ms
from .state import OUTPUT, PANE, TEXT, Question, Top

MIN_COLUMNS, MIN_ROWS = 20, 6
_FEW_ROWS = 14
_WIDE = 100


class Layout(NamedTuple):
    """How many rows each part of the screen has."""

    queues: int
    jobs: int
    pane: int
    """The lines of the pane without its rule; 0 hides it."""


def layout(top: Top, columns: int, rows: int) -> Layout:
    """Return the rows of the parts. The list and the pane share what the header and the queues leave."""
    head = len(header.lines(top, columns))
    count = len(top.view["queues"]) if top.view else 0
    queues = 0 if rows < _FEW_ROWS or top.pane.is_large else min(count + 1, max(3, rows // 5))
    left = max(0, rows - head - queues - 3)  # the rule and the head of the list, and the last line
    if top.pane.is_large:
        jobs = min(left, 3)
    else:
        jobs = left if left < 5 else max(3, left - max(4, left * 2 // 5))
    return Layout(queues if count else 0, jobs, max(0, left - jobs - 1))


def frame(top: Top, columns: int, rows: int) -> list[list[Span]]:
    """Return the lines of the screen."""
    if columns < MIN_COLUMNS or rows < MIN_ROWS:
        lines: list[Line] = [[Span("too small", "warn")]]
    elif top.has_help:
        lines = [*help_lines(columns)[: rows - 1], []]
    else:
        parts = layout(top, columns, rows)
        lines = [*header.lines(top, columns), *header.queue_lines(top, parts.queues, columns)]
        lines += _jobs(top, parts.jobs, columns)
        lines += _pane(top, parts.pane, columns)
    lines = lines[: rows - 1] + [[]] * (rows - 1 - len(lines))
    return [fitted(line, columns) for line in [*lines, _last(top, columns)][:rows]]


def _jobs(top: Top, rows: int, columns: int) -> list[Line]:
    shown = job_lines.columns_of(top, columns, rows)
    title = [Span("jobs", "head" if top.focus != PANE else ""), *_filter(top)]
    found: list[Line] = [rule(title, [Span(_how_many(top), "dim")], columns), job_lines.head(top, shown)]
    if top.jobs:
        return [*found, *job_lines.lines(top, shown, rows), *[[]] * (rows - len(top.jobs))]
    return [*found, [Span(f"  {_nothing(top)}", "dim")], *[[]] * (rows - 1)]


def _filter(top: Top) -> list[Span]:
    words = " ".join(top.filter) + (" failed first" if top.is_failed_first and not top.sort else "")
    return [Span(f" {words.strip()}", "marked")] if words else []


def _how_many(top: Top) -> str:
    """Return how many jobs are listed and marked."""
    more = "+" if top.has_more or top.is_searching else ""
    marked = f"{len(top.marks)} marked" if top.marks else ""
    marked = "all marked" if top.marks_all else marked
    parts = [marked, f"{len(top.jobs):,}{more}", "searching …" if top.is_searching else ""]
    return ", ".join(part for part in parts if part)


def _nothing(top: Top) -> str:
    if top.is_searching or (top.view is None and not top.problem):
        return "reading …"
    if top.filter:
        return "no job matches; / changes the filter, Esc removes it"
    return "no jobs; queuectl enqueue adds one"


# The pane


def _pane(top: Top, rows: int, columns: int) -> list[Line]:
    if rows < 1:
        return []
    if top.question is not None:
        title, lines = [Span(top.question.title, "warn")], _question_lines(top.question, rows, columns)
        return [rule(title, [], columns), *([Span(line)] for line in lines[:rows])]
    pane = top.pane
    title = [Span(pane.title or "output", "head" if top.focus == PANE else "")]
    if top.is_following:
        title.append(Span(" following", "completed"))
    if pane.words and pane.kind == OUTPUT:
        title.append(Span(f" & {pane.words}", "marked"))
    lines = pane.shown(rows)
    if pane.kind == TEXT:
        lines = [part for line in pane.lines for part in wrapped(line, columns)][:rows]
    return [rule(title, [Span(pane.note, "dim")] if pane.note else [], columns), *([Span(line)] for line in lines)]


def _question_lines(question: Question, rows: int, columns: int) -> Sequence[str]:
    """Return the lines below a question: the command first, then as many of the others as fit."""
    command = wrapped(f"$ {question.command}", columns)
    if len(command) > 2:
        command = [command[0], cell(command[1], columns - 2) + " …"]
    room = rows - len(command)
    lines = question.lines
    if len(lines) > room:
        lines = [*lines[: max(0, room - 1)], "…"]
    return [*command, *lines]


# The last line


def _last(top: Top, columns: int) -> Line:
    if top.prompt is not None:
        hint = Span(f"   {top.message}", "failed") if top.message else Span(f"   {top.prompt.hint}", "dim")
        text = top.prompt.text[-max(1, columns - len(top.prompt.label) - 3) :]
        return [Span(top.prompt.label, "head"), Span(f" {text}"), Span(" ", "chosen"), hint]
    if top.question is not None:
        return [span for key, said in top.question.answers for span in (Span(key, "key"), Span(f" {said}  "))]
    if top.message:
        return [Span(top.message, "failed" if top.is_refusal else "head")]
    if top.has_help:
        return [Span("any key", "key"), Span(" closes the help")]
    return _hints(columns)


def _hints(columns: int) -> Line:
    """Return the keys that fit; help and the end come first, so that they are always there."""
    spans: list[Span] = []
    left = columns
    for key in KEYS:
        name = NAMES.get(key.names[0], key.names[0])
        size = len(name) + 1 + len(key.short)
        if key.short and size <= left:
            spans += [Span("  " if spans else ""), Span(name, "key"), Span(f" {key.short}")]
            left -= size + 2
    return spans


def help_lines(columns: int) -> list[Line]:
    """Return the help: each key with its command, which lacks its first word where there is little room."""
    prefix = "queuectl "
    is_wide = columns >= _WIDE
    title = [Span("" if is_wide else f"the same as a command: {prefix}…", "dim")]
    lines: list[Line] = [apart([Span("Keys of queuectl top", "head")], title, columns), []]
    for key in KEYS:
        names = " ".join(NAMES.get(name, name) for name in key.names)
        command = key.command if is_wide else key.command.replace(prefix, "", 1)
        lines.append(apart([Span(cell(names, 12), "key"), Span(key.said)], [Span(command, "dim")], columns))
    return [*lines, [], [Span("Filters: --state dead  --queue gpu  --tag user=ann  --ended-since 1h …")]]


# Clocks


def changes_in_ms(top: Top, columns: int, rows: int) -> int | None:
    """Return in how many ms a clock on the screen changes, or None if none does before something happens."""
    if top.view is None or top.has_help:
        return None
    shown = top.jobs[top.first : top.first + layout(top, columns, rows).jobs]
    waits = [clock_changes_in_ms(top.time_ms(job)) for job in shown if job["state"] == "processing"]
    waits += [age_changes_in_ms(top.time_ms(job)) for job in shown if job["state"] in ("pending", "failed")]
    waits += [age_falls_in_ms(due_ms) for due_ms in map(top.due_in_ms, shown) if due_ms is not None]
    elapsed_ms = top.now_ms - top.view_ms
    latencies = (round(queue["latency_s"] * 1000) for queue in top.view["queues"])
    waits += [age_changes_in_ms(latency_ms + elapsed_ms) for latency_ms in latencies if latency_ms]
    return min(waits, default=None)
