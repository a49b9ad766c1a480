"""Counts: the number of jobs in each state, in the home, in each named queue, and in each batch.

The counts of the home are in `meta`. The store has one record for each group: `queue/NAME` for a named queue, and
`batch/NAME` for a batch. Memory has only the differences that recently changed jobs make. So a home with many groups
needs neither more memory nor more time to open, and an empty group costs nothing.

Pure: the caller passes the store. A count of a named queue has the name STATE@QUEUE, and one of a batch
STATE@batch/NAME.

Warning: when a difference moves into the store, subtract it here at the same moment. Otherwise it counts twice.
"""

from __future__ import annotations

import heapq

from ..fast_json import decode, encode
from ..light_types import NamedTuple
from ..model.job import DEAD, PENDING, STATES, Job
from ..model.job_spec import DEFAULT_QUEUE
from .index_keys import ALL_QUEUES, BLOCKED, DELAYED

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model.records import State
    from .store import Store

AFTER = "after"
"""The count of pending jobs that wait for others. DELAYED is that of those that wait for a time."""

_IN_QUEUES = (*STATES, AFTER, DELAYED)
FIXED_COUNTS = frozenset((*_IN_QUEUES, *(f"{name}@{ALL_QUEUES}" for name in _IN_QUEUES), BLOCKED))
"""The counts of the whole home. Every other count belongs to one group."""

READ_LIMIT = 1000
"""The maximum number of records of the store in memory."""

BATCH = "batch/"
"""How the group of a batch begins. The name of a queue has no slash."""

_PREFIX, _STOP = "queue/", "queue0"
_PAGE = 500


def count_names(job: Job) -> tuple[str, ...]:
    """Return the names of the counts that include a job.

    They are the count of its state; for a named queue, also that of the state in all named queues and in this one;
    for a batch, that of the state in it; and the count of jobs with blockers. AFTER and DELAYED count like states.
    """
    if not job.options and job.due_ms is None:
        return (job.state,)
    state, queue = job.state, job.queue
    names = _names_in_queue(state, queue)
    if state == PENDING and (job.blockers or job.due_ms is not None):
        names = (*names, *_names_in_queue(AFTER if job.blockers else DELAYED, queue))
    if "batch" in job.options:
        names = (*names, count_in_batch(job.options["batch"], state))
    return (*names, BLOCKED) if job.blockers and state in (PENDING, DEAD) else names


def _names_in_queue(name: str, queue: str) -> tuple[str, ...]:
    return (name,) if queue == DEFAULT_QUEUE else (name, f"{name}@{ALL_QUEUES}", f"{name}@{queue}")


def count_in_batch(batch: str, state: str) -> str:
    """Return the name of the count of the jobs of a batch in a state."""
    return f"{state}@{BATCH}{batch}"


def bump(counts: dict[str, int], name: str, change: int) -> None:
    """Add `change` to a count."""
    counts[name] = counts.get(name, 0) + change


class StoredCounts(NamedTuple):
    """The counts that the store has after a flush: those of the home, and those of groups by group and state."""

    home: dict[str, int]
    groups: dict[str, dict[str, int]]

    def write(self, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None:
        """Add the writes for the records of groups. Delete the records of groups without jobs."""
        for group, counts in self.groups.items():
            key, record = _key_of(group), _without_zeros(counts)
            if record:
                puts.append((key, encode(record).encode()))
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
        """Return how many jobs of a queue are in a state, or count as AFTER or DELAYED."""
        if queue == DEFAULT_QUEUE:
            return self.home.get(state, 0) - self.home.get(f"{state}@{ALL_QUEUES}", 0)
        return self._in_group(queue, state)

    def of_batch(self, batch: str) -> dict[State, int]:
        """Return how many jobs of a batch are in each state."""
        return {state: self._in_group(f"{BATCH}{batch}", state) for state in STATES}

    def _in_group(self, group: str, state: str) -> int:
        return self._stored(group).get(state, 0) + self._changes.get(f"{state}@{group}", 0)

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
            state, _, group = name.partition("@")
            if name in FIXED_COUNTS:
                bump(stored.home, name, change)
            else:
                bump(stored.groups.setdefault(group, dict(self._stored(group))), state, change)
        return stored

    def note_stored(self, changes: Mapping[str, int], stored: StoredCounts) -> None:
        """Note that the store now has these counts, and in them these changes."""
        self._stored_home = stored.home
        self._keep(stored.groups)
        for name, change in changes.items():
            if name not in FIXED_COUNTS:
                self.add(name, -change)

    def _stored(self, group: str) -> Mapping[str, int]:
        if group not in self._read:
            self._keep({group: _parsed(self._store.get(_key_of(group)) or b"{}")})
        return self._read[group]

    def _stored_queues(self, after: str) -> list[str]:
        page = self._store.scan(f"{_PREFIX}{after}\0".encode(), _STOP.encode(), _PAGE)
        records = {key.decode()[len(_PREFIX) :]: _parsed(value) for key, value in page}
        self._keep(records)
        return list(records)

    def _keep(self, records: Mapping[str, dict[str, int]]) -> None:
        if len(self._read) + len(records) > READ_LIMIT:
            self._read.clear()
        self._read.update(records)

    def _changed_queues(self, after: str) -> list[str]:
        names = {name.partition("@")[2] for name in self._changes if BATCH not in name}
        return heapq.nsmallest(_PAGE, (name for name in names if name > after))


def _without_zeros(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: number for name, number in counts.items() if number}


def _key_of(group: str) -> bytes:
    """Return the key of the record of a group."""
    return (group if group.startswith(BATCH) else f"{_PREFIX}{group}").encode()


def _parsed(value: bytes) -> dict[str, int]:
    counts: dict[str, int] = decode(value.decode())
    return counts


def counts_in(key: bytes, value: bytes) -> dict[str, int]:
    """Return the counts of the record of a group by name.

    Raises: ValueError.
    """
    text = key.decode()
    group = text[len(_PREFIX) :] if text.startswith(_PREFIX) else text
    return {f"{state}@{group}": number for state, number in _parsed(value).items()}
