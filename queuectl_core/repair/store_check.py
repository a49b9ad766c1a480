"""Store check: looks at every pair of a store and says what does not fit together.

Each value has its checksum. The indexes must be those of the records, neither more nor less; so must the counts. And
the backend may find its own file damaged. Changes nothing. The trap: an index may have millions of entries, so they
are compared by a sum of their checksums, not one by one.
"""

from __future__ import annotations

import json
import zlib
from typing import NamedTuple

from ..model.job import STATES, Job
from ..storage.checksum_store import SealedStore
from ..storage.store_upgrade import upgraded
from ..table import queue_counts
from ..table.index_keys import counted_as, places_of
from ..table.job_table import JobTable
from ..table.store import Store

NAMED = 5
"""So many damaged values are called by their names."""


class Report(NamedTuple):
    jobs: int
    position: int
    faults: list[str]


def look_into(sealed: SealedStore) -> Report:
    """Read everything, and close the store. Raises Corrupt, NewerFormat, StorageFailed when it cannot even be begun."""
    store: Store = sealed
    try:
        problems = sealed.problems()
        store = upgraded(sealed, read_only=True)
        table, tally = JobTable(store), _Tally()
        for key, value in sealed.checked() if store is sealed else store.readable():
            tally.take(key, value)
        jobs = sum(tally.counts.get(state, 0) for state in STATES)
        return Report(jobs, table.position, [*problems, *tally.faults(table)])
    finally:
        store.close()


class _Tally:
    """What has been read so far."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._said: dict[str, int] = {}
        self._damaged: list[str] = []
        self._wanted_entries = 0
        self._found_entries = 0

    def take(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._damaged.append(key.decode("utf-8", "replace") if isinstance(key, bytes) else repr(key))
        elif key.startswith(b"job/"):
            self._take_job(key.decode("utf-8", "replace"), value)
        elif key.startswith(b"queue/"):
            self._said.update(queue_counts.counts_in(key, value))
        elif key != b"meta":
            self._found_entries += _sum_of(key, value)

    def faults(self, table: JobTable) -> list[str]:
        found = []
        if self._damaged:
            named = ", ".join(self._damaged[:NAMED])
            found.append(f"{len(self._damaged)} values are damaged: {named}")
        said = {name: number for name, number in {**table.counts, **self._said}.items() if number}
        wrong = sorted(name for name in {*said, *self.counts} if said.get(name) != self.counts.get(name))[:NAMED]
        if wrong:
            told, held = ({name: all.get(name, 0) for name in wrong} for all in (said, self.counts))
            found.append(f"it counts {told}, but contains {held}")
        if self._wanted_entries != self._found_entries:
            found.append("its indexes do not match its jobs")
        return found

    def _take_job(self, key: str, value: bytes) -> None:
        try:
            job = Job(**json.loads(value))
            places = places_of(job)
        except (ValueError, TypeError, KeyError, AttributeError):
            self._damaged.append(key)
            return
        for name in counted_as(job):
            self.counts[name] = self.counts.get(name, 0) + 1
        self._wanted_entries += sum(_sum_of(place.encode(), job.id.encode()) for _, place in places)


def _sum_of(key: bytes, value: bytes) -> int:
    """A checksum of an index entry; with the bit above it, the sum of many tells how many they are too."""
    return zlib.crc32(key + b"\0" + value) + (1 << 32)
