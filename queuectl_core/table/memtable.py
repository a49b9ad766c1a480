"""Memtable: the entries of jobs that changed lately, and batches of new jobs.

A job that was enqueued and has not changed since is `Fresh`: the event that made it. This costs a tenth of a Job and
its index entry.

Pure. Knows no table and no store.

Warning: the jobs of a block share one object that says where their sequences begin. It is right only once the block is
in the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, repeat

from ..model.events import Enqueued
from ..model.job import NO_OPTIONS, PENDING, Job
from .index_keys import INDEXED_OPTIONS, IndexKey, count_names_of, index_keys_of


class DirtyJob:
    """A memtable entry of a changed job. `job` is None if it was removed.

    `stored_keys` are its keys in the indexes of the store, the place of its state first; `keys` are the current
    ones.
    """

    __slots__ = ("job", "first_sequence", "stored_keys", "stored_count", "keys", "count")

    def __init__(self, job: Job | None, sequence: int, stored: Job | None) -> None:
        self.job = job
        self.first_sequence = sequence
        self.stored_keys: tuple[IndexKey, ...] = () if stored is None else index_keys_of(stored)
        self.stored_count: tuple[str, ...] = () if stored is None else count_names_of(stored)
        self.keys: tuple[IndexKey, ...] = ()
        self.count = self.stored_count
        """The names of the counts that include it."""


class NumberBlock:
    """New jobs with consecutive numbers, and with consecutive events once they are in the queue."""

    __slots__ = ("first_number", "first_sequence")

    def __init__(self, first_number: int) -> None:
        self.first_number = first_number
        self.first_sequence = 0


Fresh = tuple[Enqueued, NumberBlock]
"""A memtable entry of a job that has not changed since it was added: its event and its block."""


class InsertBatch:
    """New jobs prepared for a table, so that adding them costs almost nothing.

    `numbers` has the fresh ones. `placed` has the others, and `indexes` has their keys.
    """

    def __init__(self) -> None:
        self.entries: dict[str, DirtyJob | Fresh] = {}
        self.numbers: dict[int, str] = {}
        self.placed: list[tuple[DirtyJob, NumberBlock]] = []
        self.indexes: dict[str, dict[str, str]] = {}
        self.counts: dict[str, int] = {}
        self.blocks: list[tuple[NumberBlock, int]] = []
        """Each block with its length."""
        self.last_number = 0
        self.latest_ms = 0

    def add(self, enqueued: Sequence[Enqueued]) -> None:
        """Add one more block, of higher numbers."""
        block = NumberBlock(enqueued[0].number)
        ids = [event.id for event in enqueued]
        self.entries.update(zip(ids, zip(enqueued, repeat(block))))
        self.numbers.update(zip(count(block.first_number), ids))
        bump(self.counts, FRESH_COUNT, len(ids))
        latest_ms = self.latest_ms
        for event in enqueued:
            if event.at_ms > latest_ms:
                latest_ms = event.at_ms
            if event.options is not NO_OPTIONS or event.due_ms:
                self._index_if_needed(event, block)
        self.latest_ms = latest_ms
        self.blocks.append((block, len(ids)))
        self.last_number = block.first_number + len(ids) - 1

    def _index_if_needed(self, event: Enqueued, block: NumberBlock) -> None:
        """Index a job whose place depends on more than its number."""
        if not (event.blockers or event.due_ms or event.options.keys() & INDEXED_OPTIONS):
            return
        job = job_from((event, block))
        entry = self.entries[event.id] = DirtyJob(job, 0, None)
        del self.numbers[event.number]
        entry.keys, entry.count = index_keys_of(job), count_names_of(job)
        for index, key in entry.keys:
            self.indexes.setdefault(index, {})[key] = event.id
        bump(self.counts, FRESH_COUNT, -1)
        bump(self.counts, entry.count, 1)
        self.placed.append((entry, block))


def job_from(fresh: Fresh) -> Job:
    """Return the Job of a fresh entry."""
    id, number, at_ms, command, cwd, max_retries, backoff_base, options, due_ms, blockers, wall_ms = fresh[0]
    return Job(
        id,
        number,
        command,
        cwd,
        max_retries,
        backoff_base,
        at_ms,
        due_ms=due_ms,
        revision=sequence_of(fresh),
        options=options or NO_OPTIONS,
        blockers=list(blockers),
        wall_ms=wall_ms,
    )


def sequence_of(fresh: Fresh) -> int:
    event, block = fresh
    return block.first_sequence + event.number - block.first_number


FRESH_COUNT = (PENDING,)


def bump(counts: dict[str, int], names: tuple[str, ...], change: int) -> None:
    """Add `for_update` to each of these counts."""
    for name in names:
        counts[name] = counts.get(name, 0) + change
