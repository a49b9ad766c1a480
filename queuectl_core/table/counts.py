"""Counts: the number of jobs in each state, in the home and in each named queue.

The counts of the home are in `meta`. The store has one record for each named queue, `queue/NAME`. Memory has only the
differences that recently changed jobs make. So a home with many queues needs neither more memory nor more time to open,
and an empty queue costs nothing.

Pure: the caller passes the store. A count of a named queue has the name STATE@QUEUE.

Warning: when a difference moves into the store, subtract it here at the same moment. Otherwise it counts twice.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..model.job import DEAD, PENDING, STATES, Job
from ..model.job_spec import DEFAULT_QUEUE
from .index_keys import ALL_QUEUES, BLOCKED

if TYPE_CHECKING:
    from .store import Store

FIXED_COUNTS = frozenset((*STATES, *(f"{state}@{ALL_QUEUES}" for state in STATES), BLOCKED))
"""The counts of the whole home. Every other count belongs to one queue."""

READ_LIMIT = 1000
"""The maximum number of records of the store in memory."""

_PREFIX, _STOP = "queue/", "queue0"
_PAGE = 500


def count_names(job: Job) -> tuple[str, ...]:
    """Return the names of the counts that include a job.

    They are the count of its state; for a named queue, also that of the state in all named queues and in this one;
    and the count of jobs with blockers.
    """
    if not job.options:
        return (job.state,)
    state, queue = job.state, job.queue
    names = (state,) if queue == DEFAULT_QUEUE else (state, f"{state}@{ALL_QUEUES}", f"{state}@{queue}")
    return (*names, BLOCKED) if job.blockers and state in (PENDING, DEAD) else names


def bump(counts: dict[str, int], name: str, change: int) -> None:
    """Add `change` to a count."""
    counts[name] = counts.get(name, 0) + change


class StoredCounts(NamedTuple):
    """The counts that the store has after a flush: those of the home, and those of queues by queue and state."""

    home: dict[str, int]
    queues: dict[str, dict[str, int]]

    def write(self, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None:
        """Add the writes for the records of queues. Delete the records of queues without jobs."""
        for queue, counts in self.queues.items():
            key, record = f"{_PREFIX}{queue}".encode(), _without_zeros(counts)
            if record:
                puts.append((key, json.dumps(record, separators=(",", ":")).encode()))
            else:
                deletes.append(key)


class Counts:
    """The counts of one table. `home` has those of the home."""

    def __init__(self, store: Store, home: Mapping[str, int]) -> None:
        self.home: dict[str, int] = dict.fromkeys(STATES, 0)
        self.home.update(home)
        self._store = store
        self._stored_home = dict(self.home)
        self._changes: dict[str, int] = {}
        self._read: dict[str, dict[str, int]] = {}

    def add(self, name: str, change: int) -> None:
        """Add `change` to a count."""
        if name in FIXED_COUNTS:
            self.home[name] = self.home.get(name, 0) + change
        elif number := self._changes.get(name, 0) + change:
            self._changes[name] = number
        else:
            self._changes.pop(name, None)

    def move(self, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        """Count a job under the new names instead of the old ones."""
        for names, change in ((old, -1), (new, 1)):
            for name in names:
                if name in FIXED_COUNTS:
                    self.home[name] = self.home.get(name, 0) + change
                else:
                    self.add(name, change)

    def count_of(self, queue: str, state: str) -> int:
        """Return how many jobs of a queue are in a state."""
        if queue == DEFAULT_QUEUE:
            return self.home[state] - self.home.get(f"{state}@{ALL_QUEUES}", 0)
        return self._stored(queue).get(state, 0) + self._changes.get(f"{state}@{queue}", 0)

    def queues(self, after: str, limit: int) -> list[str]:
        """Return the first `limit` named queues after that name ("" is before all) that have a job, sorted."""
        queues: list[str] = []
        while len(queues) < limit:
            names = sorted({*self._stored_queues(after), *self._changed_queues(after)})[:_PAGE]
            queues += [name for name in names if any(self.count_of(name, state) for state in STATES)]
            if len(names) < _PAGE:
                break
            after = names[-1]
        return queues[:limit]

    def stored_after(self, changes: Mapping[str, int]) -> StoredCounts:
        """Return the counts of the store after these changes."""
        stored = StoredCounts(dict(self._stored_home), {})
        for name, change in changes.items():
            state, _, queue = name.partition("@")
            if name in FIXED_COUNTS:
                bump(stored.home, name, change)
            else:
                bump(stored.queues.setdefault(queue, dict(self._stored(queue))), state, change)
        return stored

    def note_stored(self, changes: Mapping[str, int], stored: StoredCounts) -> None:
        """Note that the store now has these counts, and in them these changes."""
        self._stored_home = stored.home
        self._keep(stored.queues)
        for name, change in changes.items():
            if name not in FIXED_COUNTS:
                self.add(name, -change)

    def _stored(self, queue: str) -> Mapping[str, int]:
        if queue not in self._read:
            raw = self._store.get(f"{_PREFIX}{queue}".encode())
            self._keep({queue: json.loads(raw or b"{}")})
        return self._read[queue]

    def _stored_queues(self, after: str) -> list[str]:
        page = self._store.scan(f"{_PREFIX}{after}\0".encode(), _STOP.encode(), _PAGE)
        records = {key.decode()[len(_PREFIX) :]: json.loads(value) for key, value in page}
        self._keep(records)
        return list(records)

    def _keep(self, records: Mapping[str, dict[str, int]]) -> None:
        if len(self._read) + len(records) > READ_LIMIT:
            self._read.clear()
        self._read.update(records)

    def _changed_queues(self, after: str) -> list[str]:
        names = {name.partition("@")[2] for name in self._changes}
        return heapq.nsmallest(_PAGE, (name for name in names if name > after))


def _without_zeros(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: number for name, number in counts.items() if number}


def counts_in(key: bytes, value: bytes) -> dict[str, int]:
    """Return the counts of a queue record by name.

    Raises: ValueError.
    """
    queue = key.decode()[len(_PREFIX) :]
    return {f"{state}@{queue}": number for state, number in json.loads(value).items()}
