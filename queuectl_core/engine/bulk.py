"""Bulk: a request for many jobs that comes in parts, and counts as a whole or not at all.

The engine checks each part when it arrives, between other work. The commit at the end costs little, however many jobs
there are. Pure. Knows neither who sends the parts nor where they are written.

Warning: between a part and the commit, another request may take an ID. `note_taken` must hear of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import Busy, DuplicateJob, KeyTaken, QueueError
from ..model.events import Enqueued, encode
from ..model.job import Job
from ..table.memtable import InsertBatch


class Load:
    """The jobs of a load so far.

    `batch` has the jobs. `parts` has, for each part, the number of its jobs and the payload for the journal. `keys`
    has the keys of the jobs with their IDs. `replaced` are the jobs that they replace. `waiting` has, for each job
    that some of them wait for, those that do. `completed` are those of these jobs that have completed since. `taken`
    is the reason why the load can no longer be committed.
    """

    def __init__(self, clock_shift_ms: int) -> None:
        self.clock_shift_ms = clock_shift_ms
        """The clock shift at the beginning: the times of the jobs are without it."""
        self.batch = InsertBatch()
        self.parts: list[tuple[int, bytes]] = []
        self.bytes = 0
        self.asked = 0
        """The number of jobs requested so far; some may have been skipped."""
        self.keys: dict[str, str] = {}
        self.replaced: list[str] = []
        self.waiting: dict[str, list[tuple[str, bool]]] = {}
        self.completed: set[str] = set()
        self.skippable: set[object] = set()
        """The IDs and keys that another job may take: the request then skips its job."""
        self.taken: QueueError | None = None

    @property
    def count(self) -> int:
        return len(self.batch.entries)

    def has_times(self) -> bool:
        """Return whether a job of the load waits for a time of the wall clock."""
        jobs = (entry.job for entry in self.batch.entries.values())
        return any(job is not None and job.wall_ms is not None for job in jobs)

    def add(self, part: list[Enqueued]) -> None:
        """Add the jobs of one part."""
        payload = encode(part)
        self.batch.add(part)
        self.parts.append((len(part), payload))
        self.bytes += len(payload)
        for event in part:
            for other in event.blockers:
                self.waiting.setdefault(other, []).append((event.id, bool(event.options.get("after_any"))))

    def note_policies(self, specs: Iterable[Any]) -> None:
        """Note the IDs and keys of those specs that may be skipped."""
        for spec in specs:
            if spec.get("on_conflict") == "skip":
                self.skippable.update((spec.get("id"), spec.get("key")))

    def dependants_of(self, id: str) -> list[tuple[str, bool]]:
        """Return the jobs of the load that wait for this job, and whether each accepts any end of it."""
        return self.waiting.get(id, [])

    def note_completed(self, id: str) -> None:
        """Note that a job completed, because the queue may forget it before the commit."""
        if id in self.waiting:
            self.completed.add(id)

    def note_taken(self, added: Iterable[Job]) -> None:
        """Note that another request added these jobs, or took them out of the dead letter queue."""
        for job in added if self.taken is None else ():
            if job.id in self.batch.entries:
                self.taken = self._id_taken(job.id)
            elif self.keys and job.options.get("key") in self.keys:
                self.taken = self._key_taken(job.options["key"], job.id)

    def note_load(self, other: Load) -> None:
        """Note that another load was committed."""
        id = next((id for id in other.batch.entries if id in self.batch.entries), None)
        key = next((key for key in other.keys if key in self.keys), None)
        if self.taken is None and id is not None:
            self.taken = self._id_taken(id)
        elif self.taken is None and key is not None:
            self.taken = self._key_taken(key, other.keys[key])

    def _id_taken(self, id: str) -> QueueError:
        return _come_again(id) if id in self.skippable else DuplicateJob(id=id)

    def _key_taken(self, key: object, id: str) -> QueueError:
        return _come_again(id) if key in self.skippable else KeyTaken(key=key, id=id, runs=False)


def _come_again(id: str) -> QueueError:
    """Return the error of a load whose encoded jobs cannot be skipped any more; the next try skips them."""
    return Busy(what=f"another request added job {id} meanwhile; nothing was enqueued")
