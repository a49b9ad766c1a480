"""Progress line: how far a long task is, in one line of a given width.

Pure. It does not know what the numbers count, the time, or the terminal.
Invariant: memory and the cost of one report do not grow with the task.
"""

from __future__ import annotations

from ..timestamps import format_age, format_span

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Mapping

HALF_LIFE_S = 20.0
"""The age in seconds at which what happened counts half for the rate."""

FIRST_RATE_AFTER_S = 1.0
"""How many seconds a task must run before its rate says anything."""


class Pace:
    """The rate of a task, in which recent progress counts more."""

    def __init__(self, done: int, at_s: float) -> None:
        """Begin with `done` at a time in seconds; any clock will do."""
        self._begun_s = self._last_s = at_s
        self._last_done = done
        self._gained = self._spent_s = 0.0

    def note(self, done: int, at_s: float) -> None:
        """Take the count at a later time. A count below the last one starts again."""
        past_s = max(0.0, at_s - self._last_s)
        kept = 0.5 ** (past_s / HALF_LIFE_S)
        self._gained = self._gained * kept + max(0, done - self._last_done)
        self._spent_s = self._spent_s * kept + past_s
        self._last_done, self._last_s = done, at_s

    def per_second(self) -> float | None:
        """Return the rate, or None if it is not known yet."""
        if self._last_s - self._begun_s < FIRST_RATE_AFTER_S or self._gained <= 0:
            return None
        return self._gained / self._spent_s


class Standing:
    """What a line shows: `done` of `total` (None if unknown), of which `failed`, and the rate per second."""

    def __init__(self, done: int, total: int | None, failed: int, rate: float | None) -> None:
        self.done = done
        self.total = total
        self.failed = failed
        self.rate = rate

    def percent(self) -> int | None:
        """Return the share that is done in whole percent, or None without a total."""
        return None if not self.total else min(100, 100 * self.done // self.total)


def line(what: str, standing: Standing, columns: int) -> str:
    """Return the line that fits into `columns`, without the parts that do not fit.

    The count stays longest, then the failures, the time left, the rate, and the share.
    """
    count = f"{standing.done:,}" if standing.total is None else f"{standing.done:,}/{standing.total:,}"
    parts = {"count": f"{count} {what}", **_details(standing)}
    for name in ("share", "rate", "left", "failed"):
        if len("  ".join(parts.values())) <= columns:
            break
        parts.pop(name, None)
    return "  ".join(parts.values())[: max(0, columns)]


def _details(standing: Standing) -> dict[str, str]:
    percent, rate = standing.percent(), standing.rate
    details = {} if percent is None else {"share": f"{percent}%"}
    if standing.failed:
        details["failed"] = f"{standing.failed:,} failed"
    if rate is not None:
        details["rate"] = _rate(rate)
        if standing.total is not None and standing.done < standing.total:
            left_ms = round(1000 * (standing.total - standing.done) / rate)
            details["left"] = f"ETA {format_age(left_ms)}"
    return details


def _rate(per_second: float) -> str:
    """Return a rate with two or more digits, per hour or minute if it is low: `3.4/s`, `12/min`."""
    for unit, seconds in (("s", 1), ("min", 60)):
        if per_second * seconds >= 1:
            number = per_second * seconds
            return f"{number:,.0f}/{unit}" if number >= 10 else f"{number:.1f}/{unit}"
    return f"{per_second * 3600:.1f}/h"


def sentence(what: str, ended: Mapping[str, int], spent_s: float) -> str:
    """Return the line that stays: how many ended in which way, and how long the wait was.

    The order of the ways does not depend on which job ended first.
    """
    total = sum(ended.values())
    count = f"1 {what[:-1]}" if total == 1 and what.endswith("s") else f"{total} {what}"
    how = ", ".join(f"{number} {state}" for state, number in sorted(ended.items()) if number)
    return f"{count}: {how}; waited {format_span(round(1000 * spent_s))}" if how else count
