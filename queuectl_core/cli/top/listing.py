"""Listing: the first jobs that match, read page by page, so that a key never waits for a long search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...api import Queue
from ...model.states import COMPLETED, DEAD, FAILED, PENDING, PROCESSING, STATES

if TYPE_CHECKING:
    from ...model.records import Chosen, JobRecord

FIRST_JOBS = 100
"""How many jobs are read at first. More are read when the cursor comes near their end."""

SORTED_JOBS = 500
"""How many jobs are read to sort them."""

_ORDER = ((DEAD,), (FAILED,), (PROCESSING, PENDING, COMPLETED))


class Listing:
    """One reading of the list. Call `step` until it is over."""

    def __init__(self, queue: Queue, chosen: Chosen, wanted: int, is_failed_first: bool) -> None:
        self._queue = queue
        self._wanted = wanted
        self._parts: Iterator[Chosen] = iter(_failed_first(chosen) if is_failed_first else [chosen])
        self._part: Chosen | None = next(self._parts, None)
        self._cursor: object = None
        self.jobs: list[JobRecord] = []
        self.has_more = False

    @property
    def is_over(self) -> bool:
        """Return whether all jobs are read, or as many as were wanted."""
        return self._part is None

    def step(self) -> None:
        """Read one page.

        Raises: QueueError.
        """
        if self._part is None:
            return
        page = self._queue.page(self._cursor, self._wanted - len(self.jobs), **self._part)
        self.jobs += page["jobs"]
        self._cursor = page["next"]
        if self._cursor is None:
            self._part = next(self._parts, None)
        if len(self.jobs) >= self._wanted:
            self.has_more = self._part is not None
            self._part = None


def _failed_first(chosen: Chosen) -> list[Chosen]:
    """Return the filter in parts, so that dead and failed jobs come first."""
    named: Any = chosen.get("state") or list(STATES)
    named = [named] if isinstance(named, str) else named
    if not set(named) <= set(STATES):
        return [chosen]
    parts = [[state for state in part if state in named] for part in _ORDER]
    return [{**chosen, "state": part} for part in parts if part]
