"""Bulk: a request for many jobs that comes in parts and counts as a whole, or not at all.

Each part is checked as it comes, between the other work of the queue; what is left for the end is a commit that costs
little, however many there are. Pure. Knows neither who sends the parts nor where they are written. The trap: between
a part and the commit somebody else may take an id; `note_taken` must hear of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import Busy, DuplicateJob, KeyTaken, QueueError
from ..model.events import Enqueued, encode
from ..model.job import Job
from ..table.memtable import Batch


class Load:
    """`batch` has its jobs; `parts`: how many came together each time, and what the journal is to say.

    `keys` are theirs, with their ids, `replaced` the jobs that give way to them; `waiting` has, by each job that some
    it wait for, those that do. `taken` is why it cannot be committed any more.
    """

    def __init__(self) -> None:
        self.batch = Batch()
        self.parts: list[tuple[int, bytes]] = []
        self.bytes = 0
        self.asked = 0
        """So many jobs were asked for; some may have been skipped."""
        self.keys: dict[str, str] = {}
        self.replaced: list[str] = []
        self.waiting: dict[str, list[tuple[str, bool]]] = {}
        self.skippable: set[object] = set()
        """Ids and keys that another job may have just as well."""
        self.taken: QueueError | None = None

    @property
    def count(self) -> int:
        return len(self.batch.entries)

    def add(self, part: list[Enqueued]) -> None:
        payload = encode(part)
        self.batch.add(part)
        self.parts.append((len(part), payload))
        self.bytes += len(payload)
        for event in part:
            for other in event.blockers:
                self.waiting.setdefault(other, []).append((event.id, bool(event.options.get("after_any"))))

    def note_policies(self, specs: Iterable[Any]) -> None:
        for spec in specs:
            if spec.get("on_conflict") == "skip":
                self.skippable.update((spec.get("id"), spec.get("key")))

    def dependants_of(self, id: str) -> list[tuple[str, bool]]:
        """Those of it that wait for this job, and whether they are content with any end of it."""
        return self.waiting.get(id, [])

    def note_taken(self, added: Iterable[Job]) -> None:
        """Somebody else has added these, or brought them back."""
        for job in added if self.taken is None else ():
            if job.id in self.batch.entries:
                self.taken = self._id_taken(job.id)
            elif self.keys and job.options.get("key") in self.keys:
                self.taken = self._key_taken(job.options["key"], job.id)

    def note_load(self, other: Load) -> None:
        """Another load has been committed."""
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
    """Its jobs are encoded already, so it cannot skip one now; the next try does."""
    return Busy(what=f"another request added job {id} meanwhile; nothing was enqueued")
