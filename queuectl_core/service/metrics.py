"""Metrics request: what happened in each queue so far, and what the home does now, as numbers for monitoring.

Knows the table. Does not know the form in which a monitoring program reads them (`view.metrics_text`).
"""

from __future__ import annotations

from typing import Any

from ..model.overview_records import COUNTERS
from ..table.metrics import DURATION, TURNAROUND, WAIT
from . import overview
from .fields import Fields
from .ledger import Ledger

_PLACES = 14
"""The places of one histogram: the sum, and the buckets."""


def metrics(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the metrics of the home, while no supervisor runs."""
    return {"metrics": of(ledger, overview.overview(ledger, request, now_ms)["overview"])}


def of(ledger: Ledger, now: object) -> dict[str, Any]:
    """Return the metrics of a home, with its overview `now`."""
    table = ledger.table
    fired = table.metrics.schedules()
    return {
        "overview": now,
        "queues": {name: _queue(queue.values) for name, queue in sorted(table.metrics.queues().items())},
        "schedules": [
            _schedule(name, schedule, fired.get(name, [0, 0])) for name, schedule in sorted(table.schedules.items())
        ],
        "sync": None,
        "process": None,
    }


def _queue(values: list[int]) -> Fields:
    places = {"wait": WAIT, "duration": DURATION, "turnaround": TURNAROUND}
    histograms = {name: values[place : place + _PLACES] for name, place in places.items()}
    return {"counters": dict(zip(COUNTERS, values)), **histograms}


def _schedule(name: str, schedule: dict[str, Any], fired: list[int]) -> Fields:
    next_ms = None if schedule.get("paused_ms") is not None else schedule.get("next_ms")
    return {"schedule": name, "next_ms": next_ms, "last_ms": fired[0] or None, "missed": fired[1]}
