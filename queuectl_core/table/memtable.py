"""Memtable: the entries of jobs that changed lately, and batches of new jobs.

A job that was enqueued and has not changed since is fresh: its entry is the event that made it. This costs a tenth of a
Job and its index entry.

Pure. Knows no table and no store.

Warning: the jobs of a block share one object that says where their sequences begin. It is right only once the block is
in the table.
"""

from __future__ import annotations

import heapq
from itertools import chain, count, islice, repeat

from ..light_types import defaultdict
from ..model.events import Enqueued
from ..model.job import NO_OPTIONS, PENDING, Job
from .counts import bump, count_in_batch, count_names
from .index_keys import INDEXED_OPTIONS, READY, Entry, IndexKey, index_keys_of, member_index

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Union

    from ..model.records import StoredJob


class DirtyJob:
    """An entry of a changed job. `job` is None if it was removed.

    `stored_keys` are its keys in the indexes of the store, that of its state first. `keys` are the current ones.
    `counts` has the names of the counts that include it, and `stored_counts` those of the store.
    """

    __slots__ = ("job", "first_sequence", "stored_keys", "stored_counts", "keys", "counts")

    def __init__(self, job: Job | None, sequence: int, stored: Job | None = None) -> None:
        self.job = job
        self.first_sequence = sequence
        self.stored_keys: tuple[IndexKey, ...] = () if stored is None else index_keys_of(stored)
        self.stored_counts: tuple[str, ...] = () if stored is None else count_names(stored)
        self.keys: tuple[IndexKey, ...] = ()
        self.counts = self.stored_counts

    def fields(self) -> StoredJob | None:
        """Return the fields of the job for the store, or None if it was removed."""
        return None if self.job is None else self.job.fields()


class NumberBlock:
    """New jobs with consecutive numbers, and with consecutive events once they are in the table."""

    __slots__ = ("first_number", "first_sequence")

    def __init__(self, first_number: int) -> None:
        self.first_number = first_number
        self.first_sequence = 0


class FreshJob(tuple[Enqueued, NumberBlock]):
    """An entry of a job that has not changed since it was added: its event and its block. It reads like a DirtyJob."""

    __slots__ = ()
    stored_keys: tuple[IndexKey, ...] = ()
    stored_counts: tuple[str, ...] = ()
    counts: tuple[str, ...] = (PENDING,)

    @property
    def first_sequence(self) -> int:
        """Return the sequence of the event that added the job."""
        block = self[1]
        return block.first_sequence + self[0].number - block.first_number

    @property
    def job(self) -> Job:
        """Return a new Job."""
        id, number, at_ms, command, cwd, retries, base, options, due_ms, blockers, wall_ms = self[0]
        job = Job(id, number, command, cwd, retries, base, at_ms, due_ms=due_ms, wall_ms=wall_ms)
        job.revision = self.first_sequence
        job.options, job.blockers = options or NO_OPTIONS, list(blockers)
        return job

    @property
    def keys(self) -> tuple[IndexKey, ...]:
        """Return the places of the job in the indexes."""
        return ((READY, f"{READY}/{self[0].number:012}"),)

    def fields(self) -> StoredJob:
        """Return `job.fields()`, without making the job. A fresh job waits for no time and no other job."""
        event, block = self
        known: StoredJob = {
            "id": event.id,
            "number": event.number,
            "command": event.command,
            "cwd": event.cwd,
            "max_retries": event.max_retries,
            "backoff_base": event.backoff_base,
            "created_ms": event.at_ms,
            "revision": block.first_sequence + event.number - block.first_number,
            "state": PENDING,
        }
        if event.options:
            known["options"] = event.options
        return known


class FreshMember(FreshJob):
    """A FreshJob that belongs to a batch."""

    __slots__ = ()

    @property
    def counts(self) -> tuple[str, ...]:  # type: ignore[override]  # it only reads
        """Return the names of the counts that include the job."""
        return PENDING, count_in_batch(self[0].options["batch"], PENDING)

    @property
    def keys(self) -> tuple[IndexKey, ...]:
        """Return the places of the job in the indexes."""
        number, index = self[0].number, member_index(self[0].options["batch"], PENDING)
        return (READY, f"{READY}/{number:012}"), (index, f"{index}/{number:012}")


if TYPE_CHECKING:
    MemtableEntry = Union[DirtyJob, FreshJob]


def _are_members(enqueued: Sequence[Enqueued]) -> bool:
    """Return whether all of these jobs have the options of the first: a batch, and none that their places depend on."""
    options = enqueued[0].options
    if "batch" not in options or options.keys() & INDEXED_OPTIONS:
        return False
    return all(event.options is options and not event.due_ms and not event.blockers for event in enqueued)


class InsertBatch:
    """New jobs prepared for a table, so that adding them costs almost nothing.

    `numbers` has the fresh ones, `members` those of them in each index of a batch, as ranges of numbers, and `indexes`
    the keys of the others.
    """

    def __init__(self) -> None:
        self.entries: dict[str, MemtableEntry] = {}
        self.numbers: dict[int, str] = {}
        self.members: dict[str, list[range]] = {}
        self.indexes: dict[str, dict[str, str]] = {}
        self.counts: dict[str, int] = {}
        self.last_number = 0
        self.latest_ms = 0
        self._blocks: list[tuple[NumberBlock, int]] = []
        """Each block with its length."""
        self._indexed: list[tuple[FreshJob, DirtyJob, Job]] = []
        self._options, self._first, self._stop = NO_OPTIONS, 0, 0
        """The options of the latest members of a batch, and the range of their numbers; they share the options."""

    def add(self, enqueued: Sequence[Enqueued]) -> None:
        """Add one more block, of higher numbers."""
        block = NumberBlock(enqueued[0].number)
        ids = [event.id for event in enqueued]
        are_members = _are_members(enqueued)
        kind = FreshMember if are_members else FreshJob
        self.entries.update(zip(ids, map(kind, zip(enqueued, repeat(block)))))
        self.numbers.update(zip(count(block.first_number), ids))
        bump(self.counts, PENDING, len(ids))
        latest_ms = self.latest_ms
        for event in enqueued:
            if event.at_ms > latest_ms:
                latest_ms = event.at_ms
            if not are_members and (event.options is not NO_OPTIONS or event.due_ms):
                self._place(event, block)
        if are_members:
            self._options = enqueued[0].options
            self._first, self._stop = block.first_number, block.first_number + len(ids)
        self._end_run()
        self.latest_ms = latest_ms
        self._blocks.append((block, len(ids)))
        self.last_number = block.first_number + len(ids) - 1

    def _place(self, event: Enqueued, block: NumberBlock) -> None:
        """Index a job whose place depends on more than its number and its batch."""
        options = event.options
        if event.blockers or event.due_ms or (options is not self._options and options.keys() & INDEXED_OPTIONS):
            self._index(event, block)
        elif "batch" in options:
            self.entries[event.id] = FreshMember((event, block))
            if options is not self._options or event.number != self._stop:
                self._end_run()
                self._options, self._first = options, event.number
            self._stop = event.number + 1

    def _end_run(self) -> None:
        """Note the members of a batch that came one after another."""
        if self._options is not NO_OPTIONS:
            batch = self._options["batch"]
            self.members.setdefault(member_index(batch, PENDING), []).append(range(self._first, self._stop))
            bump(self.counts, count_in_batch(batch, PENDING), self._stop - self._first)
            self._options = NO_OPTIONS

    def _index(self, event: Enqueued, block: NumberBlock) -> None:
        """Index a job."""
        fresh = FreshJob((event, block))
        job = fresh.job
        entry = self.entries[event.id] = DirtyJob(job, 0)
        del self.numbers[event.number]
        entry.keys, entry.counts = index_keys_of(job), count_names(job)
        for index, key in entry.keys:
            self.indexes.setdefault(index, {})[key] = event.id
        bump(self.counts, PENDING, -1)
        for name in entry.counts:
            bump(self.counts, name, 1)
        self._indexed.append((fresh, entry, job))

    def set_sequences(self, first_sequence: int) -> int:
        """Give the jobs their sequences, and return the last one."""
        for block, length in self._blocks:
            block.first_sequence = first_sequence
            first_sequence += length
        for fresh, entry, job in self._indexed:
            entry.first_sequence = job.revision = fresh.first_sequence
        return first_sequence - 1


class Memtable:
    """The entries of the jobs that changed since the store last had them, and the index entries of these jobs."""

    def __init__(self) -> None:
        self.entries: dict[str, MemtableEntry] = {}
        """Entries by ID, ordered by the age of the first change that the store lacks."""
        self._fresh: dict[int, str] = {}
        """The number and ID of each fresh job: their entries in the ready index."""
        self._fresh_range = (0, 0)
        """No fresh job has a lower number than the first, and none has the second or a higher one."""
        self._members: dict[str, Members] = {}
        """The fresh members of batches, by index."""
        self._indexes: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def insert(self, batch: InsertBatch) -> None:
        """Add the jobs of a batch. None of them has an entry."""
        self.entries.update(batch.entries)
        if batch.numbers:
            first, stop = self._fresh_range
            lowest = next(iter(batch.numbers))
            first = min(first, lowest) if self._fresh else lowest
            self._fresh_range = first, max(stop, batch.last_number + 1)
            self._fresh.update(batch.numbers)
        for index, ranges in batch.members.items():
            self._members.setdefault(index, Members()).add(ranges)
        for index, keys in batch.indexes.items():
            self._indexes[index].update(keys)

    def make_dirty(self, fresh: FreshJob) -> DirtyJob:
        """Replace the entry of a fresh job. The new one keeps its place in the order of changes."""
        job = fresh.job
        self._forget(fresh)
        entry = self.entries[job.id] = DirtyJob(job, job.revision)
        entry.counts = fresh.counts  # they already include it
        return entry

    def reindex(self, id: str, entry: DirtyJob, keys: tuple[IndexKey, ...]) -> None:
        """Replace the index entries of a job."""
        for index, key in entry.keys:
            ids = self._indexes[index]
            del ids[key]
            if not ids:
                del self._indexes[index]
        for index, key in keys:
            self._indexes[index][key] = id
        entry.keys = keys

    def drop(self, ids: Iterable[str]) -> None:
        """Drop the entries of jobs of which the store has all changes."""
        for id in ids:
            entry = self.entries.pop(id)
            if isinstance(entry, FreshJob):
                self._forget(entry)
            else:
                self.reindex(id, entry, ())

    def _forget(self, fresh: FreshJob) -> None:
        event = fresh[0]
        del self._fresh[event.number]
        if isinstance(fresh, FreshMember):
            index = member_index(event.options["batch"], PENDING)
            members = self._members[index]
            members.count -= 1
            if not members.count:
                del self._members[index]

    def scan(self, index: str, limit: int, start: str, stop: str, reverse: bool) -> list[Entry]:
        """Return the first or last `limit` entries of an index with start <= key < stop."""
        keys = self._indexes.get(index, {})
        entries = [entry for entry in keys.items() if start <= entry[0] < stop]
        if index == READY and self._fresh:
            entries += self._scan_fresh(limit, start, stop, reverse)
        elif index in self._members:
            entries += self._scan_members(index, limit, start, stop, reverse)
        return heapq.nlargest(limit, entries) if reverse else heapq.nsmallest(limit, entries)

    def _scan_fresh(self, limit: int, start: str, stop: str, reverse: bool) -> list[Entry]:
        """Return fresh entries by trying each number: the numbers of fresh jobs lie close together."""
        numbers = _between(range(*self._fresh_range), READY, start, stop)
        first = self._first_fresh(READY, reversed(numbers) if reverse else numbers, limit, start, stop)
        if first and not reverse and start == f"{READY}/":
            self._fresh_range = _number_in(first[0][0], READY, 0), self._fresh_range[1]
        return first

    def _scan_members(self, index: str, limit: int, start: str, stop: str, reverse: bool) -> list[Entry]:
        """Return fresh entries of the index of a batch."""
        ranges = [_between(numbers, index, start, stop) for numbers in self._members[index].ranges]
        numbers = chain.from_iterable(map(reversed, reversed(ranges)) if reverse else ranges)
        return self._first_fresh(index, numbers, limit, start, stop)

    def _first_fresh(self, index: str, numbers: Iterable[int], limit: int, start: str, stop: str) -> list[Entry]:
        entries = ((f"{index}/{number:012}", self._fresh[number]) for number in numbers if number in self._fresh)
        return list(islice((entry for entry in entries if start <= entry[0] < stop), limit))


class Members:
    """The fresh members of a batch: their count, and ranges of numbers, each higher than the last, that have them."""

    __slots__ = ("count", "ranges")

    def __init__(self) -> None:
        self.count = 0
        self.ranges: list[range] = []

    def add(self, ranges: list[range]) -> None:
        """Add members with higher numbers."""
        for numbers in ranges:
            self.count += len(numbers)
            if self.ranges and self.ranges[-1].stop == numbers.start:
                self.ranges[-1] = range(self.ranges[-1].start, numbers.stop)
            else:
                self.ranges.append(numbers)


def _between(numbers: range, index: str, start: str, stop: str) -> range:
    """Return the numbers that can have keys of an index from `start` to `stop`."""
    is_behind = start[len(index) + 1 : len(index) + 2] > "9"  # the rank of a low priority
    low = max(numbers.start, _number_in(start, index, numbers.stop if is_behind else 0))
    return range(low, max(low, min(numbers.stop, _number_in(stop, index, numbers.stop))))


def _number_in(key: str, index: str, otherwise: int) -> int:
    """Return the number in a key of an index, or `otherwise`: a cursor from outside may have none."""
    digits = key[len(index) + 1 : len(index) + 13]
    return int(digits) if digits.isdigit() else otherwise
