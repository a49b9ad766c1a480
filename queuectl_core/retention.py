"""Retention: what is over is removed in the background, so that neither the store nor the logs grow without bound.

    completed jobs   by age (`retention`) and by number (`retention-jobs`), the oldest first, a slice a turn
    logs             by age (`log-retention`) and by size (`log-retention-bytes`), whole segments, the oldest first

Dead jobs stay until somebody purges them. Knows when to look; what may go is decided by the engine and, for logs, by
`output`. The trap: looking costs something, so it must not happen for every job that ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from . import output
from .commands import Prune
from .events import Died, Event, Failed, SettingChanged, Succeeded
from .home import Home
from .job import COMPLETED
from .ledger import Ledger

SLICE = 250
"""Jobs removed in one turn at the most."""

LOOK_EVERY_S = 600.0
"""Jobs grow too old one by one; they go in batches."""

LOOK_BYTES = 64 * 1024 * 1024
"""After so much new output the logs are looked at again."""


class Retention:
    def __init__(self, home: Home, ledger: Ledger, writers: Callable[[], set[str]]) -> None:
        """`writers` names the workers that may be writing to the logs now."""
        self._home = home
        self._ledger = ledger
        self._writers = writers
        self._jobs_at_s = self._logs_at_s = 0.0
        self._new_bytes = 0

    def note(self, happened: list[Event]) -> None:
        """What was written in this turn: it may bring the next look nearer."""
        for event in happened:
            kind = type(event)
            if kind is Succeeded or kind is Failed or kind is Died:
                self._new_bytes += event.ending.output_bytes
            elif kind is SettingChanged:
                self._jobs_at_s = self._logs_at_s = 0.0
        if self._new_bytes >= LOOK_BYTES:
            self._logs_at_s = 0.0

    def tend(self, now_ms: int) -> None:
        """Does a little of what is due. Jobs are removed by a decision, which is still to be written."""
        now_s = time.monotonic()
        settings = self._ledger.engine.settings
        if now_s >= self._jobs_at_s or self._are_too_many(int(settings.usable("retention-jobs"))):
            removed = self._ledger.decide(Prune(SLICE), now_ms)
            self._jobs_at_s = 0.0 if removed == SLICE else now_s + self._until_next_s(now_ms / 1000)
        if now_s >= self._logs_at_s:
            age_s, max_bytes = settings.usable("log-retention"), int(settings.usable("log-retention-bytes"))
            before_s = now_ms / 1000 - age_s if age_s else 0.0
            self._logs_at_s, self._new_bytes = now_s + LOOK_EVERY_S, 0
            try:
                output.prune(self._home.logs, self._writers(), before_s, max_bytes)
            except OSError:  # no descriptor left, a folder that was removed: the next look may find it otherwise
                pass

    def due_in_s(self) -> float | None:
        """Until a job grows too old; None while there is none that could."""
        if not (self._ledger.table.counts[COMPLETED] and self._ledger.engine.settings.usable("retention")):
            return None
        return max(0.0, self._jobs_at_s - time.monotonic())

    def _until_next_s(self, at_s: float) -> float:
        """From now, a wall time, until the oldest completed job grows too old."""
        oldest = self._ledger.table.scan(COMPLETED, 1)
        ended_s = int(oldest[0][0].split("/")[1]) / 1000 if oldest else at_s
        return max(LOOK_EVERY_S, ended_s + self._ledger.engine.settings.usable("retention") - at_s)

    def _are_too_many(self, limit: int) -> bool:
        """By some more than one, so that each look has something to do."""
        return limit > 0 and self._ledger.table.counts[COMPLETED] > limit + min(1000, limit // 10)
