"""Retention: what is over is removed in the background, so that neither the store nor the logs grow without bound.

    completed jobs   by age (`retention`) and by number (`retention-jobs`), the oldest first, a slice a turn
    logs             by age (`log-retention`) and by size (`log-retention-bytes`), whole segments, the oldest first

Dead jobs stay until somebody purges them, and so do the logs of jobs that are dead or wait for a retry, unless there
are too many bytes of logs. Nothing goes by its age before the wall clock has held for a while: a clock that is wrong
for a moment removes nothing. Knows when to look; what may go is decided by the engine and, for logs, by `output_log`.
The trap: looking costs something, so it must not happen for every job that ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from ..home import Home
from ..model.commands import Prune
from ..model.events import Died, Event, Failed, SettingChanged, Snoozed, Succeeded
from ..model.job import COMPLETED, DEAD, FAILED, PROCESSING
from ..service import clock_anchor
from ..service.ledger import Ledger
from ..storage import output_log
from ..table.index_keys import indexes_of

SLICE = 250
"""Jobs removed in one turn at the most."""

LOOK_EVERY_S = 600.0
"""Jobs grow too old one by one; they go in batches."""

HOLD_S = 3600.0
"""So long must the wall clock have held before anything goes by its age."""

SEARCH_SHARE = 0.001
"""Of all time that is spent on the search for logs that are still wanted."""

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
        held_s, self._ahead_s = clock_anchor.held_s(home)
        self._held_since_s = time.monotonic() - held_s
        self._search: Iterator[None] | None = None
        self._search_s = 0.0
        self._wanted: set[str] = set()
        """Segments with output of jobs that are dead or are tried again, as far as the search has come."""
        self._touched: set[str] = set()
        """Jobs that may have moved from where the search has not been to where it has."""

    def doubt(self, jump_s: float) -> None:
        """The wall clock was set by so much: nothing goes by its age until it has held.

        One that was set far ahead holds as long as it was, up to the age itself: what has happened before is no older
        for it.
        """
        self._held_since_s, self._ahead_s = time.monotonic(), max(0.0, jump_s)

    def _doubted_s(self, age_s: float) -> float:
        """For how long the clock is still not believed about this age."""
        hold_s = min(age_s, max(HOLD_S, self._ahead_s))
        return max(0.0, self._held_since_s + hold_s - time.monotonic())

    def note(self, happened: Sequence[Event]) -> None:
        """What was written in this turn: it may bring the next look nearer."""
        for event in happened:
            if isinstance(event, (Succeeded, Failed, Died)):
                self._new_bytes += event.ending.output_bytes
            if self._search is not None and isinstance(event, (Failed, Died, Snoozed)):
                self._touched.add(event.id)
            elif isinstance(event, SettingChanged):
                self._jobs_at_s = self._logs_at_s = 0.0
        if self._new_bytes >= LOOK_BYTES:
            self._logs_at_s = 0.0

    def tend(self, now_ms: int) -> None:
        """Does a little of what is due. Jobs are removed by a decision, which is still to be written."""
        now_s = time.monotonic()
        settings = self._ledger.engine.settings
        if now_s >= self._jobs_at_s or self._are_too_many(settings.usable("retention-jobs")):
            doubted_s = self._doubted_s(settings.usable("retention"))
            removed = self._ledger.decide(Prune(SLICE, by_age=not doubted_s), now_ms)
            wait_s = max(doubted_s, self._until_next_s(now_ms / 1000))
            self._jobs_at_s = 0.0 if removed == SLICE else now_s + wait_s
        try:
            if self._search is not None:
                self._search_on(self._search, now_ms / 1000)
            elif now_s >= self._logs_at_s:
                self._logs_at_s, self._new_bytes = now_s + LOOK_EVERY_S, 0
                if output_log.can_prune(self._home.logs, *self._log_limits(now_ms / 1000)):
                    self._search, self._search_s = self._find_wanted(), 0.0
        except OSError:  # no descriptor left, a folder that was removed: the next look may find it otherwise
            self._search = None

    def _log_limits(self, now_s: float) -> tuple[float, int]:
        """The wall time in s before which a segment is too old, 0 while none is; and how many bytes may stay."""
        settings = self._ledger.engine.settings
        age_s = settings.usable("log-retention")
        before_s = now_s - age_s if age_s and not self._doubted_s(age_s) else 0.0
        return before_s, settings.usable("log-retention-bytes")

    def _search_on(self, search: Iterator[None], now_s: float) -> None:
        """A slice of the search for wanted logs; at its end the others go. Raises OSError."""
        began_s = time.monotonic()
        is_over = next(search, True) is True
        self._search_s += time.monotonic() - began_s
        if not is_over:
            return
        for id in self._touched:
            self._want(id)
        wanted, self._wanted, self._touched, self._search = self._wanted, set(), set(), None
        self._logs_at_s = time.monotonic() + max(LOOK_EVERY_S, self._search_s / SEARCH_SHARE)
        output_log.prune(self._home.logs, self._writers(), *self._log_limits(now_s), wanted)

    def _find_wanted(self) -> Iterator[None]:
        table = self._ledger.table
        for index in (*indexes_of(FAILED), PROCESSING, DEAD):
            entries, after = [("", "")], ""
            while entries:
                entries = table.in_order(index, SLICE, after)
                table.read_ahead(entries)
                for _, id in entries:
                    self._want(id)
                after = entries[-1][0] if entries else after
                yield

    def _want(self, id: str) -> None:
        job = self._ledger.table.get(id)
        if job is not None and job.state != COMPLETED:
            self._wanted.update(str(attempt["log_file"]) for attempt in job.history if attempt.get("log_file"))

    def due_in_s(self) -> float | None:
        """Until a job grows too old, or a search goes on; None while nothing is to be done."""
        if self._search is not None:
            return 0.0
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
