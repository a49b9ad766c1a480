"""Memtable: the entries of jobs that changed lately, and batches of new jobs.

A job that was enqueued and has not changed since is fresh: its entry is the event that made it. This costs a tenth of a
Job and its index entry.

Pure. Knows no table and no store.

Warning: the jobs of a block share one object that says where their sequences begin. It is right only once the block is
in the table.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import count, islice, repeat
from typing import Union

from ..model.events import Enqueued
from ..model.job import NO_OPTIONS, PENDING, Job
from .counts import bump, count_names
from .index_keys import INDEXED_OPTIONS, READY, Entry, IndexKey, index_keys_of


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


MemtableEntry = Union[DirtyJob, FreshJob]


class InsertBatch:
    """New jobs prepared for a table, so that adding them costs almost nothing.

    `numbers` has the fresh ones, and `indexes` the keys of the others.
    """

    def __init__(self) -> None:
        self.entries: dict[str, MemtableEntry] = {}
        self.numbers: dict[int, str] = {}
        self.indexes: dict[str, dict[str, str]] = {}
        self.counts: dict[str, int] = {}
        self.last_number = 0
        self.latest_ms = 0
        self._blocks: list[tuple[NumberBlock, int]] = []
        """Each block with its length."""
        self._indexed: list[tuple[FreshJob, DirtyJob, Job]] = []

    def add(self, enqueued: Sequence[Enqueued]) -> None:
        """Add one more block, of higher numbers."""
        block = NumberBlock(enqueued[0].number)
        ids = [event.id for event in enqueued]
        self.entries.update(zip(ids, map(FreshJob, zip(enqueued, repeat(block)))))
        self.numbers.update(zip(count(block.first_number), ids))
        bump(self.counts, PENDING, len(ids))
        latest_ms = self.latest_ms
        for event in enqueued:
            if event.at_ms > latest_ms:
                latest_ms = event.at_ms
            if event.options is not NO_OPTIONS or event.due_ms:
                self._index_if_needed(event, block)
        self.latest_ms = latest_ms
        self._blocks.append((block, len(ids)))
        self.last_number = block.first_number + len(ids) - 1

    def _index_if_needed(self, event: Enqueued, block: NumberBlock) -> None:
        """Index a job whose place depends on more than its number."""
        if not (event.blockers or event.due_ms or event.options.keys() & INDEXED_OPTIONS):
            return
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
        for index, keys in batch.indexes.items():
            self._indexes[index].update(keys)

    def make_dirty(self, fresh: FreshJob) -> DirtyJob:
        """Replace the entry of a fresh job. The new one keeps its place in the order of changes."""
        job = fresh.job
        del self._fresh[job.number]
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
                del self._fresh[entry[0].number]
            else:
                self.reindex(id, entry, ())

    def scan(self, index: str, limit: int, start: str, stop: str, reverse: bool) -> list[Entry]:
        """Return the first or last `limit` entries of an index with start <= key < stop."""
        keys = self._indexes.get(index, {})
        entries = [entry for entry in keys.items() if start <= entry[0] < stop]
        if index == READY and self._fresh:
            entries += self._scan_fresh(limit, start, stop, reverse)
        return heapq.nlargest(limit, entries) if reverse else heapq.nsmallest(limit, entries)

    def _scan_fresh(self, limit: int, start: str, stop: str, reverse: bool) -> list[Entry]:
        """Return fresh entries by trying each number: the numbers of fresh jobs lie close together."""
        low, high = self._fresh_range
        low, high = max(low, _number_of(start, 0)), min(high, _number_of(stop, high))
        numbers = range(high - 1, low - 1, -1) if reverse else range(low, high)
        entries = ((f"{READY}/{number:012}", self._fresh[number]) for number in numbers if number in self._fresh)
        first = list(islice((entry for entry in entries if start <= entry[0] < stop), limit))
        if first and not reverse and start == f"{READY}/":
            self._fresh_range = _number_of(first[0][0], low), self._fresh_range[1]
        return first


def _number_of(key: str, otherwise: int) -> int:
    """Return the number in a key of the ready index, or `otherwise`: a cursor from outside may have none."""
    digits = key[6:18]
    return int(digits) if digits.isdigit() else otherwise
