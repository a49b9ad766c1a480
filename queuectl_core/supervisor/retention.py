"""Retention: the background removal of finished jobs and old logs.

    completed jobs   by age (`retention`) and by number (`retention-jobs`), oldest first, one slice a turn
    logs             by age (`log-retention`) and by size (`log-retention-bytes`), whole segments, oldest first

Dead jobs stay until somebody purges them.
The logs of jobs that are dead or wait for a retry stay too, unless the logs exceed their size limit.
Knows when to check. Does not know what may go: the engine decides that for jobs, `output_log` for logs.

Invariant: nothing is removed by age until the wall clock has been unchanged for a while.
So a clock that is wrong for a moment removes nothing.
Invariant: the end of a single job starts no search, because a search takes time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

from ..home import Home
from ..model.commands import Prune
from ..model.events import DeadLettered, Event, Failed, SettingChanged, Snoozed, Succeeded
from ..model.job import COMPLETED, DEAD, FAILED, PROCESSING
from ..service import clock_anchor
from ..service.ledger import Ledger
from ..storage import output_log
from ..table.index_keys import indexes_of

SLICE = 250
"""The most jobs that one turn removes or searches."""

CHECK_EVERY_S = 600.0
"""The shortest time in seconds between two checks of ages, so that jobs are removed in batches."""

HOLD_S = 3600.0
"""Seconds without a jump of the wall clock before a removal by age, or the age if it is less."""

SEARCH_SHARE = 0.001
"""The largest share of all time that goes into the search for logs that must stay."""

CHECK_BYTES = 64 * 1024 * 1024
"""Bytes of new output after which the logs are checked again."""

_WATCHED = frozenset((Succeeded, Failed, DeadLettered, Snoozed, SettingChanged))


class Retention:
    """The removal of jobs and logs that exceed the settings, in small steps."""

    def __init__(
        self, home: Home, ledger: Ledger, writers: Callable[[], set[str]], now_ms: Callable[[], int]
    ) -> None:
        """Begin with a check due at once. `writers` returns the workers that may write to logs now."""
        self._home = home
        self._ledger = ledger
        self._writers = writers
        self._now_ms = now_ms
        self._setting = ledger.engine.settings.usable
        self._jobs_at_s = self._logs_at_s = 0.0
        self._new_bytes = 0
        held_s, self._ahead_s = clock_anchor.held_s(home)
        self._unchanged_since_s = time.monotonic() - held_s
        self._search: Iterator[None] | None = None
        self._search_s = 0.0
        self._touched: set[str] = set()
        """Jobs that may have moved behind the current position of the search."""

    def hold_by_age(self, jump_s: float) -> None:
        """Suspend removal by age, because the wall clock was set by `jump_s` seconds.

        If it was set far ahead, it must stay unchanged for `jump_s` or for the age itself, whichever is less.
        Things that happened before the jump are no older because of it.
        """
        self._unchanged_since_s, self._ahead_s = time.monotonic(), max(0.0, jump_s)

    def _hold_s(self, age_s: float) -> float:
        """Return the seconds for which the clock is not trusted yet about this age."""
        hold_s = min(age_s, max(HOLD_S, self._ahead_s))
        return max(0.0, self._unchanged_since_s + hold_s - time.monotonic())

    def on_events(self, happened: Sequence[Event]) -> None:
        """Note written events, which can bring the next check closer."""
        if _WATCHED.isdisjoint(map(type, happened)):
            return
        for event in happened:
            if isinstance(event, (Succeeded, Failed, DeadLettered)):
                self._new_bytes += event.ending.output_bytes
            if self._search is not None and isinstance(event, (Failed, DeadLettered, Snoozed)):
                self._touched.add(event.id)
            elif isinstance(event, SettingChanged):
                self._jobs_at_s = self._logs_at_s = 0.0
        if self._new_bytes >= CHECK_BYTES:
            self._logs_at_s = 0.0

    def next_deadline(self) -> float:
        """Return when to check jobs or logs, or infinity. A search for logs continues at once."""
        if self._ledger.is_short:
            return math.inf
        if self._search is not None:
            return 0.0
        can_age = self._ledger.table.counts[COMPLETED] and self._setting("retention")
        return min(self._logs_at_s, self._jobs_at_s if can_age else math.inf)

    def run_due(self) -> None:
        """Do one slice of the work that is due. The caller must then write the ledger."""
        if self._ledger.is_short:
            return
        if time.monotonic() >= self._jobs_at_s or self._are_too_many():
            self._prune_jobs(self._now_ms())
        try:
            self._prune_logs()
        except OSError:  # no free descriptor or no folder; try again at the next check
            self._search = None

    def _are_too_many(self) -> bool:
        """Return whether completed jobs exceed their limit by enough to be worth a check."""
        limit: int = self._setting("retention-jobs")
        return limit > 0 and self._ledger.table.counts[COMPLETED] > limit + min(1000, limit // 10)

    def _prune_jobs(self, now_ms: int) -> None:
        """Remove one slice of jobs, and note when the oldest completed job grows too old."""
        age_s = self._setting("retention")
        hold_s = self._hold_s(age_s)
        self._jobs_at_s = 0.0
        if self._ledger.decide(Prune(SLICE, by_age=not hold_s), now_ms) == SLICE:
            return
        oldest = self._ledger.table.scan(COMPLETED, 1)
        ended_ms = int(oldest[0][0].split("/")[1]) if oldest else now_ms
        until_next_s = age_s - (now_ms - ended_ms) / 1000
        self._jobs_at_s = time.monotonic() + max(hold_s, CHECK_EVERY_S, until_next_s)

    def _prune_logs(self) -> None:
        """Begin a search for logs that must stay, if it is due, or continue it by one slice.

        Raises: OSError.
        """
        now_s = time.monotonic()
        if self._search is not None:
            is_over = next(self._search, self) is self
            self._search_s += time.monotonic() - now_s
            if is_over:
                self._search = None
                self._logs_at_s = now_s + max(CHECK_EVERY_S, self._search_s / SEARCH_SHARE)
        elif now_s >= self._logs_at_s:
            self._logs_at_s, self._new_bytes = now_s + CHECK_EVERY_S, 0
            if output_log.can_prune(self._home.logs, *self._log_limits()):
                self._search, self._search_s = self._search_and_prune(), 0.0

    def _log_limits(self) -> tuple[float, int]:
        """Return the wall time in seconds before which a log segment is too old, and the size limit in bytes.

        The time is 0 while no segment is too old.
        """
        age_s = self._setting("log-retention")
        before_s = self._now_ms() / 1000 - age_s if age_s and not self._hold_s(age_s) else 0.0
        return before_s, self._setting("log-retention-bytes")

    def _search_and_prune(self) -> Iterator[None]:
        """Find the logs that must stay, slice by slice, and then remove the others.

        Raises: OSError.
        """
        wanted, self._touched = set[str](), set()
        table = self._ledger.table
        for index in (*indexes_of(FAILED), PROCESSING, DEAD):
            entries, after = [("", "")], ""
            while entries:
                entries = table.in_order(index, SLICE, after)
                table.read_ahead(entries)
                wanted.update(*(self._logs_of(id) for _, id in entries))
                after = entries[-1][0] if entries else after
                yield
        wanted.update(*map(self._logs_of, self._touched))
        output_log.prune(self._home.logs, self._writers(), *self._log_limits(), wanted)

    def _logs_of(self, id: str) -> list[str]:
        """Return the segments with output of a job, if the job is dead or will be retried."""
        job = self._ledger.table.get(id)
        history = job.history if job is not None and job.state != COMPLETED else ()
        return [str(attempt["log_file"]) for attempt in history if attempt.get("log_file")]
