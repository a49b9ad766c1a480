"""Memtable: the entries of jobs that changed lately, and batches of new jobs.

A job that was enqueued and has not changed since is `Fresh`: the event that made it. This costs a tenth of a Job and
its index entry.

Pure. Knows no table and no store.

Warning: the jobs of a row share one object that says where their sequences begin. It is right only once the row is in
the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, repeat

from ..model.events import Enqueued
from ..model.job import NO_OPTIONS, PENDING, Job
from .index_keys import PLACING_OPTIONS, Place, counted_as, places_of


class Changed:
    """A memtable entry of a changed job. `job` is None if it was removed.

    `stored_places` are its places in the indexes of the store, the place of its state first; `places` are the current
    ones.
    """

    __slots__ = ("job", "first_sequence", "stored_places", "stored_count", "places", "count")

    def __init__(self, job: Job | None, sequence: int, stored: Job | None) -> None:
        self.job = job
        self.first_sequence = sequence
        self.stored_places: tuple[Place, ...] = () if stored is None else places_of(stored)
        self.stored_count: tuple[str, ...] = () if stored is None else counted_as(stored)
        self.places: tuple[Place, ...] = ()
        self.count = self.stored_count
        """The names of the counts that include it."""


class Row:
    """New jobs with consecutive numbers, and with consecutive events once they are in the queue."""

    __slots__ = ("first_number", "first_sequence")

    def __init__(self, first_number: int) -> None:
        self.first_number = first_number
        self.first_sequence = 0


Fresh = tuple[Enqueued, Row]
"""A memtable entry of a job that has not changed since it was added: its event and its row."""


class InsertBatch:
    """New jobs prepared for a table, so that adding them costs almost nothing.

    `numbers` has the fresh ones. `placed` has the others, and `indexes` has their places.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Changed | Fresh] = {}
        self.numbers: dict[int, str] = {}
        self.placed: list[tuple[Changed, Row]] = []
        self.indexes: dict[str, dict[str, str]] = {}
        self.counts: dict[str, int] = {}
        self.rows: list[tuple[Row, int]] = []
        """Each row with its length."""
        self.last_number = 0
        self.latest_ms = 0

    def add(self, enqueued: Sequence[Enqueued]) -> None:
        """Add one more row, of higher numbers."""
        row = Row(enqueued[0].number)
        ids = [event.id for event in enqueued]
        self.entries.update(zip(ids, zip(enqueued, repeat(row))))
        self.numbers.update(zip(count(row.first_number), ids))
        bump(self.counts, FRESH_COUNT, len(ids))
        latest_ms = self.latest_ms
        for event in enqueued:
            if event.at_ms > latest_ms:
                latest_ms = event.at_ms
            if event.options is not NO_OPTIONS or event.due_ms:
                self._place_if_needed(event, row)
        self.latest_ms = latest_ms
        self.rows.append((row, len(ids)))
        self.last_number = row.first_number + len(ids) - 1

    def _place_if_needed(self, event: Enqueued, row: Row) -> None:
        """Index a job whose place depends on more than its number."""
        if not (event.blockers or event.due_ms or event.options.keys() & PLACING_OPTIONS):
            return
        job = job_from((event, row))
        entry = self.entries[event.id] = Changed(job, 0, None)
        del self.numbers[event.number]
        entry.places, entry.count = places_of(job), counted_as(job)
        for index, key in entry.places:
            self.indexes.setdefault(index, {})[key] = event.id
        bump(self.counts, FRESH_COUNT, -1)
        bump(self.counts, entry.count, 1)
        self.placed.append((entry, row))


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
    event, row = fresh
    return row.first_sequence + event.number - row.first_number


FRESH_COUNT = (PENDING,)


def bump(counts: dict[str, int], names: tuple[str, ...], change: int) -> None:
    """Add `change` to each of these counts."""
    for name in names:
        counts[name] = counts.get(name, 0) + change
