"""Job table: the current jobs, in a memtable of recent changes over a store that may lag behind.

The store has a record of each job, `job/ID`, and the index entries of `index_keys`. `meta` has the position, counts,
settings, queues, schedules and the next job number. `counts` has the counts of queues and batches, `batch_times` the
times of each batch, and `metrics` what happened in each queue. So no frequent request needs a scan.

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
from itertools import islice

from .. import fast_json
from ..errors import Corrupt, NewerFormat
from ..model.job import NO_OPTIONS, STATES, Job
from ..model.job_spec import DEFAULT_QUEUE
from .batch_times import BatchTimes
from .counts import Counts, count_names
from .id_search import IdSearch
from .index_keys import ALL_QUEUES, DELAYED, DUE, READY, Entry, index_keys_of, state_key_of
from .memtable import DirtyJob, FreshJob, InsertBatch, Memtable
from .metrics import Metrics

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import Any

    from ..model.records import Options, Rules, Schedule, State
    from .memtable import MemtableEntry
    from .store import Store

FORMAT = 4
"""Since format 2, there are an index over all queues, and a record of counts for each queue (`store_upgrade`).

Format 3 only has more options, events, and rules of queues. Format 4 has metrics, and more counts.
"""

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
        self.format: int = meta.get("format", FORMAT)
        """The format of the store, which is older than FORMAT only in a home that nobody can write to."""
        self.log_id: str = meta.get("log_id", "")
        """The ID of the journal that this store belongs to; empty if none yet."""
        self.segment: int = meta.get("segment", 0)
        """The number of a segment that this journal has had; its newest segment has this number or a higher one."""
        self.position: int = meta.get("position", 0)
        self.ahead: int = meta.get("ahead", 0)
        self._counts = Counts(store, meta.get("counts", {}))
        self.counts = self._counts.home
        self.batch_times = BatchTimes(store)
        self.metrics = Metrics(store)
        self.settings: dict[str, Any] = meta.get("settings", {})
        self.queues: dict[str, Rules] = meta.get("queues", {})
        """The rules of the queues that have any; `*` is all queues."""
        self.next_starts: dict[str, float] = meta.get("opens", {})
        """When the rate of a queue lets the next job start, by the clock without its shifts."""
        self.schedules: dict[str, Schedule] = meta.get("schedules", {})
        self.clock_shift_ms: int = meta.get("clock_shift_ms", 0)
        self.latest_ms: int = meta.get("latest_ms", 0)
        self.next_number: int = meta.get("next_number", 1)
        self._memtable = Memtable()
        self._dirty = self._memtable.entries
        self.ids = IdSearch(store, self._dirty, tuple(meta.get("newest", (0, ""))))
        self._read: dict[str, Job] = {}
        self._read_bytes = 0
        """An upper bound of the size of their records."""

    def get(self, id: str) -> Job | None:
        """Return the job, read-only, or None if there is none."""
        entry = self._dirty.get(id)
        return self._load(id) if entry is None else entry.job

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
        entry = self._dirty.get(id)
        job = entry[0] if isinstance(entry, FreshJob) else self.get(id)
        return NO_OPTIONS if job is None else job.options

    def state_of(self, id: str) -> State | None:
        """Return the state of a job, or None if there is none."""
        job = self.get(id)
        return None if job is None else job.state

    def known(self, ids: list[str]) -> set[str]:
        """Return which of these IDs belong to jobs, with one read of the store for each few hundred."""
        known = {id for id in ids if id in self._dirty and self.get(id) is not None}
        others = [f"job/{id}".encode() for id in ids if id not in self._dirty]
        for start in range(0, len(others), GET_LIMIT):
            pairs = self._store.get_many(others[start : start + GET_LIMIT])
            known.update(key[4:].decode() for key, _ in pairs)
        return known

    def is_entry(self, entry: Entry) -> bool:
        """Return whether the job of this index entry still has this place."""
        key, id = entry
        dirty = self._dirty.get(id)
        if dirty is not None:
            keys = dirty.keys
            return bool(keys) and keys[0][1] == key
        job = self._load(id)
        return job is not None and state_key_of(job)[1] == key

    def read_ahead(self, entries: list[Entry]) -> None:
        """Load these jobs into memory: the caller needs them soon, one after another."""
        wanted = [f"job/{id}".encode() for _, id in entries if id not in self._dirty and id not in self._read]
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
        entry = self._dirty.get(id)
        if entry is None:
            stored = self._load(id)
            if stored is None:
                return None
            del self._read[id]
            entry = self._dirty[id] = DirtyJob(stored, sequence, stored)
        elif isinstance(entry, FreshJob):
            entry = self._memtable.make_dirty(entry)
        return entry.job

    def add(self, job: Job) -> None:
        """Add a new job; call `reindex` next. The caller has checked that its ID is free."""
        entry = self._dirty.setdefault(job.id, DirtyJob(job, job.revision))
        assert isinstance(entry, DirtyJob)
        entry.job = job  # else that of a job that was removed, without a flush since
        self.next_number = max(self.next_number, job.number + 1)
        self.ids.note(job.number, job.id, job.options)

    def insert(self, batch: InsertBatch, first_sequence: int) -> int:
        """Add a batch of jobs with free IDs, and return the sequence of the last one."""
        last_sequence = batch.set_sequences(first_sequence)
        self.next_number = max(self.next_number, batch.last_number + 1)
        self.ids.note_batch(batch)
        if self._dirty.keys().isdisjoint(batch.entries):
            self._memtable.insert(batch)
            for name, change in batch.counts.items():
                self._counts.add(name, change)
            return last_sequence
        for entry in batch.entries.values():  # some have IDs of jobs that were removed, without a flush since
            job = entry.job
            assert job is not None
            self.add(job)
            self.reindex(job)
        return last_sequence

    def reindex(self, job: Job) -> Entry:
        """Update the counts and the index entries of a changed job, and return the entry of its state."""
        entry = self._dirty[job.id]
        assert isinstance(entry, DirtyJob)  # `for_update` and `add` make it one
        keys, names = index_keys_of(job), count_names(job)
        if keys != entry.keys:
            self._memtable.reindex(job.id, entry, keys)
        if names != entry.counts:
            self._counts.move(entry.counts, names)
            entry.counts = names
        return keys[0][1], job.id

    def remove(self, id: str, sequence: int) -> None:
        """Remove a job, on account of event `sequence`."""
        if self.for_update(id, sequence) is not None:
            entry = self._dirty[id]
            assert isinstance(entry, DirtyJob)
            entry.job = None
            self._memtable.reindex(id, entry, ())
            self._counts.move(entry.counts, ())
            entry.counts = ()

    def note_time(self, at_ms: int) -> None:
        """Keep the latest time of any event, by the clock without its shifts."""
        if at_ms - self.clock_shift_ms > self.latest_ms:
            self.latest_ms = at_ms - self.clock_shift_ms

    def scan(self, index: str, limit: int, after: str = "", reverse: bool = False) -> list[Entry]:
        """Return the first `limit` entries of an index after key `after`; with `reverse`, the last ones before it."""
        start, stop = f"{index}/", f"{index}0"  # "0" is the character after "/"
        if after:
            start, stop = (start, after) if reverse else (after + "\0", stop)
        recent = self._memtable.scan(index, limit, start, stop, reverse)
        stored = self._scan_stored(limit, start, stop, reverse)
        return list(islice(heapq.merge(recent, stored, reverse=reverse), limit))

    def in_order(self, index: str, limit: int, after: str = "", reverse: bool = False) -> list[Entry]:
        """Return entries like `scan`, but of READY, DUE and DELAYED merge all queues as if they shared one index."""
        entries = self.scan(index, limit, after, reverse)
        if index not in (READY, DUE, DELAYED):
            return entries
        everywhere = f"{index}@{ALL_QUEUES}"
        named = self.scan(everywhere, limit, after and everywhere + after[len(index) :], reverse)
        others = [(index + key[len(everywhere) :], id) for key, id in named]
        return list(islice(heapq.merge(entries, others, reverse=reverse), limit)) if others else entries

    def count_of(self, queue: str, state: str) -> int:
        """Return how many jobs of a queue are in a state, or count as AFTER or DELAYED."""
        return self._counts.count_of(queue, state)

    def counts_of_batch(self, batch: str) -> dict[State, int]:
        """Return how many jobs of a batch are in each state, all 0 if there is no such batch."""
        return self._counts.of_batch(batch)

    def queue_names(self, after: str = "", limit: int = 2**31) -> list[str]:
        """Return the first `limit` queues after that name that have a job or a rule, by name, the default one first."""
        first = [] if after else [DEFAULT_QUEUE]
        after = "" if after == DEFAULT_QUEUE else after
        ruled = [name for name in self.queues if name > after and name not in (ALL_QUEUES, DEFAULT_QUEUE)]
        names = {*self._counts.queues(after, limit), *heapq.nsmallest(limit, ruled)}
        return (first + sorted(names))[:limit]

    @property
    def changed_count(self) -> int:
        """Return how many jobs have changes that the store lacks."""
        return len(self._dirty)

    def flush(self, limit: int, last_sequence: int) -> int:
        """Move up to `limit` of the jobs with the oldest changes into the store, and return how many are left.

        It moves fewer jobs when they are long. `last_sequence` is that of the last event applied: the new position
        when nothing is left.
        """
        batch = _WriteBatch()
        ids = []
        for id, entry in islice(self._dirty.items(), limit):
            if batch.size > FLUSH_BYTES:
                break
            ids.append(id)
            batch.add(id, entry)
        left = next(islice(self._dirty.values(), len(ids), None), None)
        position = last_sequence if left is None else left.first_sequence - 1
        counts = self._counts.stored_after(batch.counts)
        counts.write(batch.puts, batch.deletes)
        self.batch_times.write(batch.puts, batch.deletes)
        self.metrics.write(batch.puts, batch.deletes)
        batch.puts.append((b"meta", self._meta(position, last_sequence, counts.home)))
        self._store.write(batch.puts, batch.deletes)
        self._counts.note_stored(batch.counts, counts)
        self.batch_times.note_stored()
        self.metrics.note_stored()
        self._memtable.drop(ids)
        self.position, self.ahead = position, last_sequence
        return len(self._dirty)

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

    def _scan_stored(self, limit: int, start: str, stop: str, reverse: bool) -> list[Entry]:
        """Return entries of the store, without those of jobs that have changed since."""
        current: list[Entry] = []
        while len(current) < limit:
            page = self._store.scan(start.encode(), stop.encode(), limit, reverse)
            entries = [(key.decode(), value.decode()) for key, value in page]
            current += [entry for entry in entries if entry[1] not in self._dirty]
            if len(page) < limit:
                break
            start, stop = (start, entries[-1][0]) if reverse else (entries[-1][0] + "\0", stop)
        return current

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
            "opens": self.next_starts,
            "schedules": self.schedules,
            "clock_shift_ms": self.clock_shift_ms,
            "latest_ms": self.latest_ms,
            "next_number": self.next_number,
            "newest": self.ids.newest,
        }
        return fast_json.encode_text(meta).encode()


class _WriteBatch:
    """The writes of one flush, and the changes of the stored counts that they make."""

    def __init__(self) -> None:
        self.puts: list[tuple[bytes, bytes]] = []
        self.deletes: list[bytes] = []
        self.counts: dict[str, int] = {}
        self.size = 0

    def add(self, id: str, entry: MemtableEntry) -> None:
        """Add the writes for one job."""
        fields, keys, stored_keys = entry.fields(), entry.keys, entry.stored_keys
        for name in entry.counts:
            self.counts[name] = self.counts.get(name, 0) + 1
        for name in entry.stored_counts:
            self.counts[name] = self.counts.get(name, 0) - 1
        self.deletes += [key[1].encode() for key in stored_keys if key not in keys]
        self.puts += [(key[1].encode(), id.encode()) for key in keys if key not in stored_keys]
        if fields is None:
            self.deletes.append(f"job/{id}".encode())
            return
        record = fast_json.encode_text(fields).encode()
        self.puts.append((f"job/{id}".encode(), record))
        self.size += len(record)


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
        value = fast_json.decode(raw.decode())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Corrupt(path="the store", why=f"its value of {key} is damaged")
    return value
