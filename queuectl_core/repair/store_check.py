"""Store check: the check of every pair in a store.

Each value has a checksum. Indexes and counts must match the records exactly.
The backend may also find damage in its own file.
Changes nothing. Does not know the journal.

Invariant: memory does not grow with the indexes, which can have millions of entries.
So the check compares sums of their checksums, not single entries.
"""

from __future__ import annotations

import json
import zlib
from typing import NamedTuple

from ..model.job import STATES, Job
from ..storage.checksum_store import ChecksumStore
from ..storage.store_upgrade import upgraded
from ..table.counts import AFTER, count_names, counts_in
from ..table.index_keys import DELAYED, index_keys_of
from ..table.job_table import FORMAT, JobTable
from ..table.store import Store

NAMED = 5
"""The most damaged values or wrong counts that a report names."""

_NEW = (AFTER, DELAYED)
"""The counts that a store of an older format lacks."""


class Report(NamedTuple):
    """The result of a check: the number of jobs, the position of the store, and its faults."""

    jobs: int
    position: int
    faults: list[str]


def check(checksum_store: ChecksumStore) -> Report:
    """Check the whole store, then close it. The errors mean that the check could not begin.

    Raises: Corrupt, NewerFormat, StorageFailed.
    """
    store: Store = checksum_store
    try:
        problems = checksum_store.problems()
        store = upgraded(checksum_store, read_only=True)
        table, tally = JobTable(store), _Tally()
        for key, value in checksum_store.checked() if store is checksum_store else store.readable():
            tally.take(key, value)
        jobs = sum(tally.counts.get(state, 0) for state in STATES)
        return Report(jobs, table.position, [*problems, *tally.faults(table)])
    finally:
        store.close()


class _Tally:
    """The sums and counts of the pairs read so far."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._recorded: dict[str, int] = {}
        self._damaged: list[str] = []
        self._wanted_entries = 0
        self._found_entries = 0

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take in one pair. `value` is None if its checksum is wrong."""
        if value is None:
            self._damaged.append(key.decode("utf-8", "replace") if isinstance(key, bytes) else repr(key))
        elif key.startswith(b"job/"):
            self._take_job(key.decode("utf-8", "replace"), value)
        elif key.startswith((b"queue/", b"batch/")):
            self._recorded.update(counts_in(key, value))
        elif key != b"meta" and not key.startswith((b"times/", b"metrics/")):
            self._found_entries += _sum_of(key, value)

    def faults(self, table: JobTable) -> list[str]:
        """Return a sentence for each fault. `table` is that of the same store."""
        faults = []
        if self._damaged:
            named = ", ".join(self._damaged[:NAMED])
            faults.append(f"{len(self._damaged)} values are damaged: {named}")
        if table.format < FORMAT:
            self.counts = {name: n for name, n in self.counts.items() if name.partition("@")[0] not in _NEW}
        recorded = {name: number for name, number in {**table.counts, **self._recorded}.items() if number}
        names = {*recorded, *self.counts}
        wrong = sorted(name for name in names if recorded.get(name) != self.counts.get(name))[:NAMED]
        if wrong:
            claimed, real = ({name: all.get(name, 0) for name in wrong} for all in (recorded, self.counts))
            faults.append(f"it counts {claimed}, but contains {real}")
        if self._wanted_entries != self._found_entries:
            faults.append("its indexes do not match its jobs")
        return faults

    def _take_job(self, key: str, value: bytes) -> None:
        """Count a job, and the index entries that it must have."""
        try:
            job = Job(**json.loads(value))
            places = index_keys_of(job)
        except (ValueError, TypeError, KeyError, AttributeError):
            self._damaged.append(key)
            return
        for name in count_names(job):
            self.counts[name] = self.counts.get(name, 0) + 1
        self._wanted_entries += sum(_sum_of(place.encode(), job.id.encode()) for _, place in places)


def _sum_of(key: bytes, value: bytes) -> int:
    """Return a checksum of an index entry with a bit above it.

    With that bit, the sum of many checksums also shows their number.
    """
    return zlib.crc32(key + b"\0" + value) + (1 << 32)
