"""Reports: what a supervisor adds to the answers about its home: itself, its workers, and how long syncs take.

It answers requests that change nothing.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable

from ..service import handlers, metrics, overview
from ..service.ledger import Ledger
from ..system import own_usage
from ..timestamps import utc
from ..view.metrics_text import SYNC_BOUNDS_MS
from ..wire.server import Request
from .shutdown import Shutdown
from .worker_pool import Pool


class Reports:
    """The reports of one supervisor, which started at `started_ms`."""

    def __init__(self, ledger: Ledger, pool: Pool, shutdown: Shutdown, now_ms: Callable[[], int]) -> None:
        self._ledger = ledger
        self._pool = pool
        self._shutdown = shutdown
        self._now_ms = now_ms
        self._started_ms = now_ms()
        self._sync_ms = 0.0
        self._syncs = [0] * (len(SYNC_BOUNDS_MS) + 1)

    def note_sync(self, seconds: float) -> None:
        """Note how long a sync of the journal took."""
        self._sync_ms += seconds * 1000
        self._syncs[bisect_left(SYNC_BOUNDS_MS, seconds * 1000)] += 1

    def status(self, request: Request) -> Request:
        """Return the status of the home, with the supervisor and its workers."""
        reply = handlers.answer(self._ledger, {"verb": "status"}, self._now_ms())
        supervisor = {
            "pid": os.getpid(),
            "state": "stopping" if self._shutdown.level else "running",
            "started_at": utc(self._started_ms),
            "workers_wanted": self._pool.wanted,
        }
        return {**reply, "supervisor": supervisor, "workers": self._pool.worker_records()}

    def overview(self, request: Request) -> Request:
        """Return what the home does now."""
        status = {**self.status(request), "slots": self._pool.slots()}
        return {"overview": overview.of(self._ledger, status, self._now_ms())}

    def metrics(self, request: Request) -> Request:
        """Return the counters, histograms and gauges of the home and of this process."""
        record = metrics.of(self._ledger, self.overview(request)["overview"])
        record["sync"] = [self._sync_ms, *self._syncs]
        record["process"] = {**own_usage.measured(), "started_ms": self._started_ms}
        return {"metrics": record}
