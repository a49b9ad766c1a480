"""Queue counts: the number of jobs in each state of each named queue.

The store has one record for each such queue, `queue/NAME`. Memory has only the differences that recently changed jobs
make. So a home with many queues needs neither more memory nor more time to open, and an empty queue costs nothing.

Pure: the caller passes the store. A count is named STATE@QUEUE, as in `index_keys.count_names_of`.

Warning: when a difference moves into the store, subtract it here at the same moment. Otherwise it counts twice.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..model.states import STATES
from .memtable import bump

if TYPE_CHECKING:
    from .store import Store

Records = dict[str, dict[str, int]]
"""Counts by queue, then by state."""

READ_LIMIT = 1000
"""The maximum number of records of the store in memory."""

_PREFIX, _STOP = "queue/", "queue0"
_PAGE = 500


class QueueCounts:
    """The counts of the named queues of one table."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changes: dict[str, int] = {}
        self._read: dict[str, dict[str, int]] = {}

    def bump(self, name: str, change: int) -> None:
        """Add `change` to one difference, and drop it when it becomes 0."""
        number = self._changes.get(name, 0) + change
        if number:
            self._changes[name] = number
        else:
            self._changes.pop(name, None)

    def count_of(self, queue: str, state: str) -> int:
        return self._stored(queue).get(state, 0) + self._changes.get(f"{state}@{queue}", 0)

    def names(self, after: str, limit: int) -> list[str]:
        """Return the first `limit` queues after that name ("" is before all) that have a job, sorted by name."""
        found: list[str] = []
        while len(found) < limit:
            names = sorted({*self._stored_names(after), *self._changed_names(after)})[:_PAGE]
            found += [name for name in names if self._has_jobs(name)]
            if len(names) < _PAGE:
                break
            after = names[-1]
        return found[:limit]

    def records_after(self, changes: Mapping[str, int]) -> Records:
        """Return the records of the store, by queue, with these changes."""
        found: Records = {}
        for name, change in changes.items():
            state, _, queue = name.partition("@")
            record = found.get(queue)
            if record is None:
                record = found[queue] = dict(self._stored(queue))
            bump(record, (state,), change)
            if not record[state]:
                del record[state]
        return found

    def note_moved(self, changes: Mapping[str, int], records: Records) -> None:
        """Note that the store now has these records, and in them these changes."""
        self._bound(len(records))
        self._read.update(records)
        for name, change in changes.items():
            self.bump(name, -change)

    def _stored(self, queue: str) -> Mapping[str, int]:
        record = self._read.get(queue)
        if record is None:
            raw = self._store.get(f"{_PREFIX}{queue}".encode())
            self._bound(1)
            record = self._read[queue] = {} if raw is None else json.loads(raw)
        return record

    def _stored_names(self, after: str) -> list[str]:
        page = self._store.scan(f"{_PREFIX}{after}\0".encode(), _STOP.encode(), _PAGE)
        found = {key.decode()[len(_PREFIX) :]: json.loads(value) for key, value in page}
        self._bound(len(found))
        self._read.update(found)
        return list(found)

    def _bound(self, more: int) -> None:
        if len(self._read) + more > READ_LIMIT:
            self._read.clear()

    def _changed_names(self, after: str) -> list[str]:
        names = {name.partition("@")[2] for name in self._changes}
        return heapq.nsmallest(_PAGE, (name for name in names if name > after))

    def _has_jobs(self, queue: str) -> bool:
        return any(self.count_of(queue, state) for state in STATES)


def write(records: Records, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None:
    """Add the writes for these records to `puts`; delete the records of queues without jobs."""
    for queue, record in records.items():
        key = f"{_PREFIX}{queue}".encode()
        if record:
            puts.append((key, json.dumps(record, separators=(",", ":")).encode()))
        else:
            deletes.append(key)


def counts_in(key: bytes, value: bytes) -> dict[str, int]:
    """Return the counts in a pair of the store by name, or none if it is not a queue record.

    Raises: ValueError.
    """
    prefix, _, queue = key.decode().partition("/")
    return {f"{state}@{queue}": n for state, n in json.loads(value).items()} if f"{prefix}/" == _PREFIX else {}
