"""Queue counts: how many jobs each queue with a name has in which state, however many queues there are.

The store has one record for each such queue, `queue/NAME`; memory has by how much the jobs that changed lately make it
another number. So a home with many queues costs neither memory nor time at opening, and a queue without jobs nothing.

Pure: the store is handed in. A number is called STATE@QUEUE, as in `index_keys.counted_as`. The trap:
what is moved into the
store must be taken off here in the same moment, or it counts twice.
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
"""By queue, then by state."""

READ_LIMIT = 1000
"""So many records of the store are kept in memory once they were read."""

_PREFIX, _STOP = "queue/", "queue0"
_PAGE = 500


class Tallies:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._changes: dict[str, int] = {}
        self._read: dict[str, dict[str, int]] = {}

    def bump(self, name: str, change: int) -> None:
        number = self._changes.get(name, 0) + change
        if number:
            self._changes[name] = number
        else:
            self._changes.pop(name, None)

    def count_of(self, queue: str, state: str) -> int:
        return self._stored(queue).get(state, 0) + self._changes.get(f"{state}@{queue}", 0)

    def names(self, after: str, limit: int) -> list[str]:
        """The first `limit` queues behind that name ("": of all) that have a job, by name."""
        found: list[str] = []
        while len(found) < limit:
            names = sorted({*self._stored_names(after), *self._changed_names(after)})[:_PAGE]
            found += [name for name in names if self._has_jobs(name)]
            if len(names) < _PAGE:
                break
            after = names[-1]
        return found[:limit]

    def records_after(self, changes: Mapping[str, int]) -> Records:
        """The records of the store, by queue, as these changes make them."""
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
        """The store has these records now, and in them these changes."""
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
    """Says what is to be written for these records; those of queues without jobs go."""
    for queue, record in records.items():
        key = f"{_PREFIX}{queue}".encode()
        if record:
            puts.append((key, json.dumps(record, separators=(",", ":")).encode()))
        else:
            deletes.append(key)


def counts_in(key: bytes, value: bytes) -> dict[str, int]:
    """The numbers in a pair of the store, by their names; none where it is no record of a queue. Raises ValueError."""
    prefix, _, queue = key.decode().partition("/")
    return {f"{state}@{queue}": n for state, n in json.loads(value).items()} if f"{prefix}/" == _PREFIX else {}
