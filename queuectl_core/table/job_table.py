"""Job table: the current jobs, in a memtable of recent changes over a store that may lag behind.

The store has a record of each job, `job/ID`, and the index entries of `index_keys`. `meta` has the position, counts,
settings, queues, schedules and the next job number. `queue_counts` has the counts of each named queue. So a job has one
record and few index entries, and no frequent request needs a scan.

`flush` moves the jobs with the oldest changes into the store, one slice at a time. One atomic write stores them with
the position up to which the store is then complete. Records may be ahead of that position. Each has the sequence of its
last event (`revision`, like a page LSN in ARIES), and replay skips the events that a record already has.

A job that was enqueued and has not changed since is fresh (see `memtable`). So the table adds a load of a million jobs
at once, and moves it to the store bit by bit.

Pure: the caller passes the store. Knows no journal, and no event but the one that adds a job.

Invariant: a job changes only between `for_update` and `reindex`. The result of `get` is read-only.
"""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..errors import Corrupt, NewerFormat
from ..model.job import NO_OPTIONS, PENDING, STATES, Job
from ..model.job_spec import DEFAULT_QUEUE
from .index_keys import (
    ALL_QUEUES,
    DELAYED,
    DUE,
    FIXED_COUNTS,
    READY,
    Entry,
    count_names_of,
    index_keys_of,
    state_key_of,
)
from .memtable import FRESH_COUNT, DirtyJob, Fresh, InsertBatch, bump, job_from, sequence_of
from .queue_counts import QueueCounts
from .queue_counts import write as write_tallies
from .store import Store

if TYPE_CHECKING:
    from ..model.records import Options, Rules, Schedule, State

FORMAT = 2
"""Since format 2, there are an index over all queues, and a record of counts for each queue (`store_upgrade`)."""

READ_LIMIT = 1000
"""The maximum number of unchanged jobs that stay in memory after a read."""

READ_BYTES = 16 * 1024 * 1024
"""The maximum size of the records of these jobs, for long jobs."""

GET_LIMIT = 250
"""The maximum number of keys in one read of the store."""

AHEAD_LIMIT = 50
"""The maximum number of keys in one read ahead, which loads a record for each."""

FLUSH_BYTES = 4 * 1024 * 1024
"""The maximum size of one flush, which only its last job may exceed."""


class JobTable:
    """The jobs of one home, over its store. The constructor checks the store."""

    def __init__(self, store: Store) -> None:
        """Load the meta record of the store.

        Raises: NewerFormat, Corrupt.
        """
        meta = _parsed("meta", store.get(b"meta") or b"{}")
        if meta.get("format", FORMAT) > FORMAT:
            raise NewerFormat(path="the store", found=f"format {meta['format']}", known=FORMAT)
        self._store = store
        self.log_id: str = meta.get("log_id", "")
        """The ID of the journal that this store belongs to; empty if none yet."""
        self.segment: int = meta.get("segment", 0)
        """The number of a segment that this journal has had; its newest segment has this number or a higher one."""
        self.position: int = meta.get("position", 0)
        self.ahead: int = meta.get("ahead", 0)
        self.counts: dict[str, int] = dict.fromkeys(STATES, 0)
        self.counts.update(meta.get("counts", {}))
        self._tallies = QueueCounts(store)
        self.settings: dict[str, Any] = meta.get("settings", {})
        self.queues: dict[str, Rules] = meta.get("queues", {})
        """The rules of the queues that have any; `*` is all queues."""
        self.opens: dict[str, float] = meta.get("opens", {})
        """When the rate of a queue lets the next job start, by the clock without its shifts."""
        self.schedules: dict[str, Schedule] = meta.get("schedules", {})
        self.clock_shift_ms: int = meta.get("clock_shift_ms", 0)
        self.latest_ms: int = meta.get("latest_ms", 0)
        self.next_number: int = meta.get("next_number", 1)
        self._stored_counts = dict(self.counts)
        self._changed: dict[str, DirtyJob | Fresh] = {}
        """The memtable, ordered by the age of the first change that the store lacks."""
        self._fresh: dict[int, str] = {}
        """The number and ID of each fresh job: their entries in the ready index."""
        self._fresh_from = 0
        """No fresh job has a lower number."""
        self._read: dict[str, Job] = {}
        self._read_bytes = 0
        """An upper bound of the size of their records."""
        self._changed_index: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def get(self, id: str) -> Job | None:
        """Return the job, read-only, or None if there is none."""
        entry = self._changed.get(id)
        if entry is None:
            return self._load(id)
        return job_from(entry) if isinstance(entry, tuple) else entry.job

    def existing(self, id: str) -> Job:
        """Return a job that the caller knows to exist.

        Raises: KeyError if it does not.
        """
        job = self.get(id)
        if job is None:
            raise KeyError(id)
        return job

    def options_of(self, id: str) -> Options:
        """Return the options of a job, without making a Job of a fresh one."""
        entry = self._changed.get(id)
        if isinstance(entry, tuple):
            return entry[0].options
        job = self.get(id)
        return NO_OPTIONS if job is None else job.options

    def state_of(self, id: str) -> State | None:
        """Return the state of a job, or None if there is none; for a fresh job, this costs one lookup."""
        if isinstance(self._changed.get(id), tuple):
            return PENDING
        job = self.get(id)
        return None if job is None else job.state

    def known(self, ids: list[str]) -> set[str]:
        """Return which of these IDs belong to jobs, with one read of the store for each few hundred."""
        found = {id for id in ids if id in self._changed and self.get(id) is not None}
        others = [f"job/{id}".encode() for id in ids if id not in self._changed]
        for start in range(0, len(others), GET_LIMIT):
            found.update(key[4:].decode() for key, _ in self._store.get_many(others[start : start + GET_LIMIT]))
        return found

    def is_entry(self, entry: Entry) -> bool:
        """Return whether the job of this index entry still has this place."""
        key, id = entry
        found = self._changed.get(id)
        if found is None:
            job = self._load(id)
            return job is not None and state_key_of(job)[1] == key
        if isinstance(found, tuple):
            return key == f"ready/{found[0].number:012}"
        return bool(found.keys) and key == found.keys[0][1]

    def read_ahead(self, entries: list[Entry]) -> None:
        """Load these jobs into memory: the caller needs them soon, one after another."""
        wanted = [f"job/{id}".encode() for _, id in entries if id not in self._changed and id not in self._read]
        size = 0
        for start in range(0, len(wanted), AHEAD_LIMIT):
            if size > READ_BYTES // 2:
                return
            for key, raw in self._store.get_many(wanted[start : start + AHEAD_LIMIT]):
                self._keep(key[4:].decode(), raw)
                size += len(raw)

    def for_update(self, id: str, sequence: int) -> Job | None:
        """Return a job that event `sequence` is about to change, or None if there is none.

        The caller changes the job, and then calls `reindex`.
        """
        entry = self._changed.get(id)
        if isinstance(entry, tuple):  # the new entry keeps the old place in the order of changes
            job = job_from(entry)
            del self._fresh[job.number]
            entry = self._changed[id] = DirtyJob(job, job.revision, None)
            entry.count = FRESH_COUNT  # the counts already include it as a fresh job
        elif entry is None:
            loaded = self._load(id)
            if loaded is None:
                return None
            del self._read[id]
            entry = self._changed[id] = DirtyJob(loaded, sequence, loaded)
        return entry.job

    def add(self, job: Job) -> None:
        """Add a new job; call `reindex` next. The caller has checked that its ID is free."""
        entry = self._changed.get(job.id)
        if entry is None:
            self._changed[job.id] = DirtyJob(job, job.revision, None)
        else:  # a job with this ID was removed, and no flush has happened since
            assert not isinstance(entry, tuple)
            entry.job = job
        self.next_number = max(self.next_number, job.number + 1)

    def enqueue(self, batch: InsertBatch, first_sequence: int) -> int:
        """Add a batch of jobs with free IDs, and return the sequence of the last one."""
        for block, length in batch.blocks:
            block.first_sequence = first_sequence
            first_sequence += length
        for entry, block in batch.placed:
            assert entry.job is not None  # no job of a batch has been removed
            entry.first_sequence = entry.job.revision = block.first_sequence + entry.job.number - block.first_number
        self.next_number = max(self.next_number, batch.last_number + 1)
        if not self._changed.keys().isdisjoint(batch.entries):  # such jobs were removed, without a flush since
            for found in batch.entries.values():
                job = job_from(found) if isinstance(found, tuple) else found.job
                assert job is not None  # no job of a batch has been removed
                self.add(job)
                self.reindex(job)
            return first_sequence - 1
        self._changed.update(batch.entries)
        if batch.numbers:
            first = next(iter(batch.numbers))
            self._fresh_from = min(self._fresh_from, first) if self._fresh else first
            self._fresh.update(batch.numbers)
        for name, keys in batch.indexes.items():
            self._changed_index[name].update(keys)
        for name, number in batch.counts.items():
            if name in FIXED_COUNTS:
                self.counts[name] = self.counts.get(name, 0) + number
            else:
                self._tallies.bump(name, number)
        return first_sequence - 1

    def reindex(self, job: Job) -> Entry:
        """Update the counts and the index entries of a changed job, and return the entry of its state."""
        entry = self._changed[job.id]
        assert not isinstance(entry, tuple)  # `for_update` and `add` make it a DirtyJob
        keys = index_keys_of(job)
        if keys != entry.keys:
            self._unindex(entry)
            entry.keys = keys
            for index, key in keys:
                self._changed_index[index][key] = job.id
        names = count_names_of(job)
        if names != entry.count:
            self._count(entry, names)
        return keys[0][1], job.id

    def remove(self, id: str, sequence: int) -> None:
        """Remove a job, on account of event `sequence`."""
        if self.for_update(id, sequence) is not None:
            entry = self._changed[id]
            assert not isinstance(entry, tuple)  # `for_update` makes it a DirtyJob
            entry.job = None
            self._unindex(entry)
            self._count(entry, ())

    def note_time(self, at_ms: int) -> None:
        """Keep the latest time of any event, by the clock without its shifts."""
        if at_ms - self.clock_shift_ms > self.latest_ms:
            self.latest_ms = at_ms - self.clock_shift_ms

    def scan(self, index: str, limit: int, after: str = "", reverse: bool = False) -> list[Entry]:
        """Return the first `limit` entries of an index after key `after`; with `reverse`, the last ones before it."""
        start, stop = f"{index}/", f"{index}0"  # "0" is the character after "/"
        if after:
            start, stop = (start, after) if reverse else (after + "\0", stop)
        recent = self._scan_changed(index, limit, start, stop, reverse)
        stored = self._scan_stored(limit, start, stop, reverse)
        fresh = self._scan_fresh(limit, start, stop, reverse) if index == READY and self._fresh else []
        return list(islice(heapq.merge(recent, stored, fresh, reverse=reverse), limit))

    def in_order(self, index: str, limit: int, after: str = "", reverse: bool = False) -> list[Entry]:
        """Return entries like `scan`, but of READY, DUE and DELAYED merge all queues as if they shared one index."""
        found = self.scan(index, limit, after, reverse)
        if index not in (READY, DUE, DELAYED):
            return found
        everywhere = f"{index}@{ALL_QUEUES}"
        named = self.scan(everywhere, limit, after and everywhere + after[len(index) :], reverse)
        others = [(index + key[len(everywhere) :], id) for key, id in named]
        return list(islice(heapq.merge(found, others, reverse=reverse), limit)) if others else found

    def count_of(self, queue: str, state: str) -> int:
        """Return how many jobs of a queue are in a state."""
        if queue != DEFAULT_QUEUE:
            return self._tallies.count_of(queue, state)
        return self.counts[state] - self.counts.get(f"{state}@{ALL_QUEUES}", 0)

    def queue_names(self, after: str = "", limit: int = 2**31) -> list[str]:
        """Return the first `limit` queues after that name that have a job or a rule, by name, the default one first."""
        first = [] if after else [DEFAULT_QUEUE]
        after = "" if after == DEFAULT_QUEUE else after
        ruled = [name for name in self.queues if name > after and name not in (ALL_QUEUES, DEFAULT_QUEUE)]
        names = {*self._tallies.names(after, limit), *heapq.nsmallest(limit, ruled)}
        return (first + sorted(names))[:limit]

    @property
    def changed_count(self) -> int:
        return len(self._changed)

    def flush(self, limit: int, last_sequence: int) -> int:
        """Move up to `limit` of the jobs with the oldest changes into the store, and return how many are left.

        It moves fewer jobs when they are long. `last_sequence` is that of the last event applied: the new position
        when nothing is left.
        """
        puts: list[tuple[bytes, bytes]] = []
        deletes: list[bytes] = []
        ids: list[str] = []
        changes: dict[str, int] = {}
        size = seen = 0
        for id in islice(self._changed, limit):
            if size > FLUSH_BYTES:
                break
            ids.append(id)
            entry = self._changed[id]
            if isinstance(entry, tuple):
                _write_fresh(entry, puts)
                bump(changes, FRESH_COUNT, 1)
            else:
                self._write_entry(id, entry, changes, puts, deletes)
            size += sum(len(value) for _, value in puts[seen:])
            seen = len(puts)
        left = next(islice(self._changed.values(), len(ids), None), None)
        position = _first_sequence(left) - 1 if left else last_sequence
        counts = dict(self._stored_counts)
        for name in FIXED_COUNTS & changes.keys():
            bump(counts, (name,), changes.pop(name))
        tallies = self._tallies.records_after(changes)
        write_tallies(tallies, puts, deletes)
        puts.append((b"meta", self._meta(position, last_sequence, counts)))
        self._store.write(puts, deletes)
        self._tallies.note_moved(changes, tallies)
        for id in ids:
            entry = self._changed.pop(id)
            if isinstance(entry, tuple):
                del self._fresh[entry[0].number]
            else:
                self._unindex(entry)
        self._stored_counts = counts
        self.position, self.ahead = position, last_sequence
        return len(self._changed)

    def _load(self, id: str) -> Job | None:
        """Return a job from the store or the read cache: a dispatch looks at the same job several times."""
        job = self._read.get(id)
        if job is None:
            raw = self._store.get(f"job/{id}".encode())
            if raw is None:
                return None
            job = self._keep(id, raw)
        return job

    def _keep(self, id: str, raw: bytes) -> Job:
        """Return the job of a record, and keep it in the read cache."""
        if len(self._read) >= READ_LIMIT or self._read_bytes + len(raw) > READ_BYTES:
            self._read.clear()
            self._read_bytes = 0
        self._read_bytes += len(raw)
        job = self._read[id] = _job_of_record(id, raw)
        return job

    def _count(self, entry: DirtyJob, names: tuple[str, ...]) -> None:
        counts = self.counts
        for name in entry.count:
            if name in FIXED_COUNTS:
                counts[name] = counts.get(name, 0) - 1
            else:
                self._tallies.bump(name, -1)
        for name in names:
            if name in FIXED_COUNTS:
                counts[name] = counts.get(name, 0) + 1
            else:
                self._tallies.bump(name, 1)
        entry.count = names

    def _unindex(self, entry: DirtyJob) -> None:
        for index, key in entry.keys:
            keys = self._changed_index[index]
            del keys[key]
            if not keys:
                del self._changed_index[index]
        entry.keys = ()

    def _scan_changed(self, index: str, limit: int, start: str, stop: str, reverse: bool) -> list[Entry]:
        entries = (entry for entry in self._changed_index.get(index, _NOTHING).items() if start <= entry[0] < stop)
        return heapq.nlargest(limit, entries) if reverse else heapq.nsmallest(limit, entries)

    def _scan_fresh(self, limit: int, start: str, stop: str, reverse: bool) -> list[Entry]:
        """Return fresh entries by trying each number: the numbers of fresh jobs lie close together."""
        low = max(self._fresh_from, _number_of(start, 0))
        high = min(self.next_number, _number_of(stop, self.next_number))
        numbers = range(high - 1, low - 1, -1) if reverse else range(low, high)
        entries = ((f"ready/{number:012}", self._fresh[number]) for number in numbers if number in self._fresh)
        found = list(islice((entry for entry in entries if start <= entry[0] < stop), limit))
        if found and not reverse and start == "ready/":
            self._fresh_from = _number_of(found[0][0], low)
        return found

    def _scan_stored(self, limit: int, start: str, stop: str, reverse: bool) -> list[Entry]:
        """Return entries of the store, without those of jobs that have changed since."""
        found: list[Entry] = []
        while len(found) < limit:
            page = self._store.scan(start.encode(), stop.encode(), limit, reverse)
            entries = [(key.decode(), value.decode()) for key, value in page]
            found += [entry for entry in entries if entry[1] not in self._changed]
            if len(page) < limit:
                break
            start, stop = (start, entries[-1][0]) if reverse else (entries[-1][0] + "\0", stop)
        return found

    def _write_entry(
        self, id: str, entry: DirtyJob, changes: dict[str, int], puts: list[tuple[bytes, bytes]], deletes: list[bytes]
    ) -> None:
        bump(changes, entry.stored_count, -1)
        deletes += [place[1].encode() for place in entry.stored_keys if place not in entry.keys]
        if entry.job is None:
            deletes.append(f"job/{id}".encode())
            return
        bump(changes, count_names_of(entry.job), 1)
        puts.append((f"job/{id}".encode(), _encode(entry.job.fields()).encode()))
        puts += [(place[1].encode(), id.encode()) for place in entry.keys if place not in entry.stored_keys]

    def _meta(self, position: int, ahead: int, counts: dict[str, int]) -> bytes:
        meta = {
            "format": FORMAT,
            "log_id": self.log_id,
            "segment": self.segment,
            "position": position,
            "ahead": ahead,
            "counts": {name: number for name, number in counts.items() if number or name in STATES},
            "settings": self.settings,
            "queues": self.queues,
            "opens": self.opens,
            "schedules": self.schedules,
            "clock_shift_ms": self.clock_shift_ms,
            "latest_ms": self.latest_ms,
            "next_number": self.next_number,
        }
        return _encode(meta).encode()


def _write_fresh(fresh: Fresh, puts: list[tuple[bytes, bytes]]) -> None:
    (id, number, *_), _ = fresh
    puts.append((f"job/{id}".encode(), _encode(job_from(fresh).fields()).encode()))
    puts.append((f"ready/{number:012}".encode(), id.encode()))


def _number_of(key: str, otherwise: int) -> int:
    """Return the number in a key of the ready index, or `otherwise`: a cursor from outside may have none."""
    digits = key[6:18]
    return int(digits) if digits.isdigit() else otherwise


def _first_sequence(entry: DirtyJob | Fresh) -> int:
    return sequence_of(entry) if isinstance(entry, tuple) else entry.first_sequence


def _job_of_record(id: str, raw: bytes) -> Job:
    """Return the job of a record of the store.

    Raises: Corrupt, NewerFormat.
    """
    fields = _parsed(f"job/{id}", raw)
    unknown = fields.keys() - set(Job.__slots__)
    if unknown:
        raise NewerFormat(path="the store", found=f"the job field {min(unknown)!r}", known=FORMAT)
    try:
        return Job(**fields)
    except TypeError as fault:
        raise Corrupt(path="the store", why=f"the record of job {id} is invalid ({fault})") from None


def _parsed(key: str, raw: bytes) -> dict[str, Any]:
    """Return the JSON object in a value of the store.

    Raises: Corrupt.
    """
    try:
        value = _decode(raw.decode())[0]
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Corrupt(path="the store", why=f"its value of {key} is damaged")
    return value


_NOTHING: dict[str, str] = {}
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode
