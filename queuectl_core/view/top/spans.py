"""Spans: lines of styled text, cut to a width. A painter gives each style its look.

Pure.

Invariant: `fitted` makes every text safe, whatever it is: no control character, NUL, or mark that turns the direction
of writing reaches a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...cells import cut, width
from ...escapes import visible

BLOCKS = " ▁▂▃▄▅▆▇█"


class Span(NamedTuple):
    """A piece of a line. `style` is a state of a job, `head`, `dim`, `warn`, `chosen`, `marked`, or nothing."""

    text: str
    style: str = ""


Line = Sequence[Span]


def fitted(line: Iterable[Span], columns: int) -> list[Span]:
    """Return the line, made safe and cut to a width."""
    spans, left = [], columns
    for text, style in line:
        text = cut(visible(text), left)
        if text:
            spans.append(Span(text, style))
            left -= width(text)
    return spans


def plain(line: Line) -> str:
    """Return a line without its styles."""
    return "".join(span.text for span in line).rstrip()


def width_of(line: Iterable[Span]) -> int:
    """Return the columns of a line."""
    return sum(width(visible(span.text)) for span in line)


def cell(text: str, columns: int, is_right: bool = False) -> str:
    """Return a text in a cell of a table: safe, cut, and padded."""
    text = cut(visible(text), columns)
    gap = " " * (columns - width(text))
    return gap + text if is_right else text + gap


def apart(left: Line, right: Line, columns: int) -> list[Span]:
    """Return a line with one part at its left end and one at its right end. The right part stays whole."""
    left = fitted(left, max(0, columns - width_of(right) - 2))
    return [*left, Span(" " * max(2, columns - width_of(left) - width_of(right))), *right]


def rule(title: Line, right: Line, columns: int) -> list[Span]:
    """Return the line above a part of the screen, with its title."""
    begin = [Span("── ", "dim"), *title, Span(" ", "dim")]
    end = [Span(" ", "dim"), *right] if right else []
    left = fitted(begin, max(0, columns - width_of(end)))
    return [*left, Span("─" * max(0, columns - width_of(left) - width_of(end)), "dim"), *end]


def wrapped(text: str, columns: int) -> list[str]:
    """Return a text in lines of a width. It breaks between words where it can."""
    lines, line = [], ""
    for word in visible(text).split(" "):
        longer = f"{line} {word}" if line else word
        if width(longer) <= columns:
            line = longer
            continue
        if line:
            lines.append(line)
        while width(word) > columns:
            part = word[: max(1, columns // 2)]
            lines.append(part)
            word = word[len(part) :]
        line = word
    return [*lines, line]


def sparkline(counts: Sequence[int], marked: Sequence[int], columns: int) -> list[Span]:
    """Return a chart of counts, the newest at its right end. A cell with marked ones has another style."""
    cells = max(1, min(columns, len(counts)))
    size = -(-len(counts) // cells)
    groups = range(len(counts) % size - size if len(counts) % size else 0, len(counts), size)
    sums = [(sum(counts[max(0, n) : n + size]), sum(marked[max(0, n) : n + size])) for n in groups]
    most = max((both + other for both, other in sums), default=0)
    return [_bar(count + failed, most, "failed" if failed else "completed") for count, failed in sums]


def _bar(count: int, most: int, style: str) -> Span:
    level = 0 if not count else max(1, round(count * (len(BLOCKS) - 1) / most))
    return Span(BLOCKS[level], style) if count else Span("·", "dim")
