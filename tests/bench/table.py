"""Table: rows as text for a terminal, and as a Markdown document with place, means and method of
the measurement.

Knows rows and facts, and measures nothing.
"""

from __future__ import annotations

import statistics

from tests.bench.contest import Row

HEAD = ("MEASURE", "CONTENDER", "MEDIAN", "MIN TO MAX", "RATIO")


def text(rows: list[Row]) -> str:
    cells = [HEAD, *map(_cells, _sorted(rows))]
    widths = [max(len(line[column]) for line in cells) for column in range(2)]
    return "\n".join(_line(line, widths) for line in cells)


def markdown(rows: list[Row], facts: list[tuple[str, str]]) -> str:
    """Return the document: `facts` first, then one table per contest."""
    parts = ["# Measured", "\n".join(f"- {name}: {fact}" for name, fact in facts)]
    parts.append(
        "Each number is the median of all rounds; in each round every contender had one turn. A ratio is to the"
        " contender whose own is 1.00."
    )
    groups: dict[str, list[Row]] = {}
    for row in _sorted(rows):
        groups.setdefault(row.measure, []).append(row)
    for measure, group in groups.items():
        lines = ["| contender | median | min to max | ratio |", "|---|---:|---:|---:|"]
        lines += ["| " + " | ".join(_cells(row)[1:]) + " |" for row in group]
        parts.append(f"## {measure}\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _sorted(rows: list[Row]) -> list[Row]:
    """Return the rows with all contenders of one measure together, in their order of arrival.

    A contender that cannot take part comes after the first measure of its contest.
    """
    order: dict[str, int] = {}
    for row in rows:
        if row.values:
            order.setdefault(row.measure, len(order))
    for row in rows:
        if not row.values:
            own = [place for measure, place in order.items() if measure.startswith(f"{row.measure}: ")]
            order.setdefault(row.measure, min(own, default=len(order)))
    named = {place: measure for measure, place in reversed(list(order.items()))}
    rows = [row._replace(measure=named[order[row.measure]]) for row in rows]
    return sorted(rows, key=lambda row: order[row.measure])


def _cells(row: Row) -> tuple[str, ...]:
    if not row.values:
        return (row.measure, row.contender, row.reason, "", "")
    spread = f"{_number(min(row.values))} to {_number(max(row.values))}"
    ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
    return (row.measure, row.contender, _number(statistics.median(row.values)), spread, ratio)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    measure, contender, median, spread, ratio = cells
    return f"{measure:{widths[0]}}  {contender:{widths[1]}}  {median:>9}  {spread:>20}  {ratio:>6}".rstrip()


def _number(value: float) -> str:
    """Return a number with three significant digits; whole numbers in full."""
    if value >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"
