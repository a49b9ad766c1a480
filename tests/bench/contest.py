"""Contest: several contenders do the same work in turns (A B A B), and the results are rows.

A turn returns readings: a number for each measured thing, whose name ends with the unit ("jobs/s",
"status, ms"). Absolute times drift on shared machines, so each reading is compared with the
reference in the same contest. Does not know the work, or how rows are shown.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from typing import NamedTuple

Readings = dict[str, float]
Turn = Callable[[], Readings]


class CannotTakePart(Exception):
    """Why this contender has no reading: it is not installed, the system lacks something, or it
    failed.
    """


class Contest(NamedTuple):
    """Contenders at the same work; `reference` is the one that the others are compared with, or ""."""

    name: str
    reference: str
    turns: dict[str, Turn]


class Bench(NamedTuple):
    """How much to measure, and where.

    `peers_python` has the libraries of the peers, if it exists; `fsync` says when Redis syncs.
    """

    size: str
    rounds: int
    folder: str
    peers_python: str
    fsync: str

    def pick(self, tiny: int, small: int, full: int) -> int:
        return {"tiny": tiny, "small": small, "full": full}[self.size]


class Row(NamedTuple):
    """One contender's result; `values` has one number per round, and if it is empty, `reason` says
    why.
    """

    measure: str
    contender: str
    values: list[float]
    ratio: float | None
    reason: str = ""


def run_contest(contest: Contest, rounds: int) -> list[Row]:
    """Give each contender one turn a round; one that cannot take part is skipped in later rounds."""
    taken: dict[str, list[Readings]] = {name: [] for name in contest.turns}
    absent: dict[str, str] = {}
    for number in range(1, rounds + 1):
        for name, turn in contest.turns.items():
            if name not in absent:
                print(f"{contest.name}: round {number} of {rounds}: {name}", file=sys.stderr, flush=True)
                try:
                    taken[name].append(turn())
                except CannotTakePart as why:
                    absent[name] = str(why)
    return [row for name in contest.turns for row in _rows(contest, name, taken, absent.get(name))]


def _rows(contest: Contest, name: str, taken: dict[str, list[Readings]], absent: str | None) -> list[Row]:
    if absent is not None:
        return [Row(contest.name, name, [], None, absent)]
    rows = []
    for what in taken[name][0]:
        values = [readings[what] for readings in taken[name]]
        rows.append(Row(f"{contest.name}: {what}", name, values, _ratio(contest, what, values, taken)))
    return rows


def _ratio(contest: Contest, what: str, values: list[float], taken: dict[str, list[Readings]]) -> float | None:
    """Return the ratio of the medians, or None if the reference has no such reading or reads 0."""
    base = [readings[what] for readings in taken.get(contest.reference, []) if what in readings]
    return statistics.median(values) / statistics.median(base) if base and statistics.median(base) else None


def median_ms(times_s: list[float]) -> float:
    return 1000 * statistics.median(times_s)


def percentiles(what: str, times_s: list[float]) -> Readings:
    """Return the 50th and 99th percentile and the maximum, in ms."""
    ordered = sorted(times_s)
    at = {"p50": len(ordered) // 2, "p99": len(ordered) * 99 // 100, "max": len(ordered) - 1}
    return {f"{what}, {name}, ms": 1000 * ordered[index] for name, index in at.items()}
