"""Backup image: a home at one instant, rebuilt from a backup.

A backup of a running home is like the state after a crash (see `job_table`).
It has records, some of them ahead of a position, and the events from that position on.
Recovery turns this into the home at the last of these events.
Does not know files.

Warning: an image has no indexes and no counts, so look up jobs by their IDs only.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from .. import fast_json
from ..engine.engine import Engine
from ..engine.job_import import blockers_first
from ..model import events
from ..model.job import Job
from ..storage.memory_store import MemoryStore
from ..table.job_table import JobTable

Fields = dict[str, object]

_AHEAD = 2**62
"""A sequence above that of any event, because any record may be ahead of any event."""


class Image:
    """The home that a backup describes, in memory."""

    def __init__(self, rest: Mapping[str, object]) -> None:
        """Take what a backup holds besides the jobs, as `begin` does."""
        self._store = MemoryStore()
        self._records = 0
        self._arrived: dict[str, None] = {}
        self.begin(rest)

    @property
    def table(self) -> JobTable:
        """Return the table. Its settings, queue rules, and schedules are those of the backup."""
        return self._engine.table

    def put(self, record: Mapping[str, object]) -> None:
        """Take the record of a job. It replaces an earlier one.

        Raises: KeyError, TypeError.
        """
        self._records += 1
        fields = {"number": self._records, **record}
        self._store.write([(_key(str(record["id"])), fast_json.encode(fields).encode())], [])

    def drop(self, id: str) -> None:
        """Forget a job that the home no longer has."""
        self._store.write([], [_key(id)])

    def begin(self, rest: Mapping[str, object]) -> None:
        """Take what a backup holds besides the jobs, and the position after which the events begin.

        Raises: TypeError, NewerFormat.
        """
        meta = {**rest, "position": rest.get("sequence", 0), "ahead": _AHEAD}
        self._store.write([(b"meta", fast_json.encode(meta).encode())], [])
        self._engine = Engine(JobTable(self._store))

    def replay(self, sequence: int, facts: object) -> None:
        """Apply events. `sequence` is the number of the first one.

        Raises: Corrupt, ValueError, TypeError.
        """
        happened = events.decode(fast_json.encode(facts).encode())
        self._arrived.update((event.id, None) for event in happened if isinstance(event, _NEW))
        self._engine.replay(happened, sequence)

    def ids(self) -> list[str]:
        """Return the IDs of all jobs in the order of their places, each after the jobs that it depends on.

        Jobs that depend on others come last, by number. But one that waits for a batch must follow those jobs of the
        batch that are older, and come before all others. So they keep the order of their numbers.

        Raises: Corrupt, NewerFormat, TypeError.
        """
        stored = (key[4:].decode() for key in self._store.pairs if key != b"meta")
        known = (self.table.get(id) for id in dict.fromkeys((*stored, *self._arrived)))
        jobs = [job for job in known if job is not None]
        awaited = {batch for job in jobs if job.blockers for batch in job.options.get("after_batch", ())}
        places = sorted((*_place_of(job, awaited), job.id) for job in jobs)
        waiting = {job.id: job.blockers for job in jobs if job.blockers}
        return list(blockers_first((id for *_, id in places), waiting.get))

    def exported(self, id: str) -> Fields:
        """Return a job in the form that `import` takes."""
        job = self.table.existing(id)
        return {**job.fields(), "due_ms": job.next_run_ms(self.table.clock_shift_ms)}


def _place_of(job: Job, awaited: Container[object]) -> tuple[bool, str]:
    """Return whether a job comes after most others, and its place. `awaited` are the batches that jobs wait for."""
    own = f"{job.number:012}"
    if "after_batch" in job.options or job.options.get("batch") in awaited:
        return False, own
    return (True, own) if job.blockers else (False, job.place or own)


def _key(id: str) -> bytes:
    return f"job/{id}".encode()


_NEW = (events.Enqueued, events.Imported)
