"""Contest: several contenders at the same work, measured in turns (A B A B), and the rows that come of it.

A contender's turn gives readings: by what was measured, with the unit last ("jobs/s", "status, ms"), a number. Absolute
times drift on shared machines, so each reading is set against that of the reference in the same contest. Knows nothing
of what is measured, nor how rows are shown.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from typing import NamedTuple

Readings = dict[str, float]
Turn = Callable[[], Readings]


class CannotTakePart(Exception):
    """Why this contender has no reading: it is not installed, this system lacks something, or it went wrong."""


class Contest(NamedTuple):
    """`reference` is the contender that the others are set against; "" for none."""

    name: str
    reference: str
    turns: dict[str, Turn]


class Bench(NamedTuple):
    """How much is measured, and where. `peers_python` has the peers' libraries, if it is there; `fsync` is when Redis
    syncs.
    """

    size: str
    rounds: int
    folder: str
    peers_python: str
    fsync: str

    def pick(self, tiny: int, small: int, full: int) -> int:
        return {"tiny": tiny, "small": small, "full": full}[self.size]


class Row(NamedTuple):
    """`values` has one number a round; when it is empty, `said` tells why."""

    measure: str
    contender: str
    values: list[float]
    ratio: float | None
    said: str = ""


def hold(contest: Contest, rounds: int) -> list[Row]:
    """Gives every contender one turn a round. One that cannot take part is left out of the later rounds."""
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
    """Of the medians; None where the reference has no such reading, or reads 0."""
    base = [readings[what] for readings in taken.get(contest.reference, []) if what in readings]
    return statistics.median(values) / statistics.median(base) if base and statistics.median(base) else None


def median_ms(times_s: list[float]) -> float:
    return 1000 * statistics.median(times_s)


def percentiles(what: str, times_s: list[float]) -> Readings:
    """The 50th and 99th percentile and the maximum, in ms."""
    ordered = sorted(times_s)
    at = {"p50": len(ordered) // 2, "p99": len(ordered) * 99 // 100, "max": len(ordered) - 1}
    return {f"{what}, {name}, ms": 1000 * ordered[index] for name, index in at.items()}
