"""Backup image: a home at one instant, put together from what a backup holds.

A backup of a home at work is what a crash leaves behind: records, some of them ahead of a position,
and the facts from there on (see `job_table`). So recovery makes of it what the home was at the last
of these facts. Knows no file. The trap: there are neither indexes nor counts here; ask for jobs by
their ids alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from .. import fast_json
from ..engine.engine import Engine
from ..engine.job_import import blockers_first
from ..model import events
from ..storage.memory_store import MemoryStore
from ..table.job_table import JobTable

Fields = dict[str, object]

_AHEAD = 2**62
"""Any record may be ahead of any fact."""


class Image:
    def __init__(self, rest: Mapping[str, object]) -> None:
        """As `begin`."""
        self._store = MemoryStore()
        self._records = 0
        self._arrived: dict[str, None] = {}
        self.begin(rest)

    @property
    def table(self) -> JobTable:
        """Settings, rules of queues and schedules stand there as they were."""
        return self._engine.table

    def put(self, record: Mapping[str, object]) -> None:
        """Take the record of a job; it replaces an earlier one. Raises KeyError, TypeError."""
        self._records += 1
        fields = {"number": self._records, **record}
        self._store.write([(_key(str(record["id"])), fast_json.encode(fields).encode())], [])

    def drop(self, id: str) -> None:
        """Forget a job, which is gone."""
        self._store.write([], [_key(id)])

    def begin(self, rest: Mapping[str, object]) -> None:
        """Take what stands beside the jobs, and the position behind which the facts begin.

        Raises TypeError, NewerFormat.
        """
        meta = {**rest, "position": rest.get("sequence", 0), "ahead": _AHEAD}
        self._store.write([(b"meta", fast_json.encode(meta).encode())], [])
        self._engine = Engine(JobTable(self._store))

    def replay(self, sequence: int, facts: object) -> None:
        """Apply events, the first of which has this number.

        Raises Corrupt, ValueError, TypeError.
        """
        happened = events.decode(fast_json.encode(facts).encode())
        self._arrived.update((one.id, None) for one in happened if isinstance(one, _NEW))
        self._engine.replay(happened, sequence)

    def ids(self) -> list[str]:
        """Return the ids of all jobs in the order of their arrival, behind those they wait for.

        Raises Corrupt, NewerFormat, TypeError.
        """
        stored = [key[4:].decode() for key in self._store.pairs if key != b"meta"]
        new = [id for id in self._arrived if _key(id) not in self._store.pairs]
        numbers: list[tuple[int, str]] = []
        waiting: dict[str, list[str]] = {}
        for id in (*stored, *new):
            job = self.table.get(id)
            if job is not None:
                numbers.append((job.number, id))
                if job.blockers:
                    waiting[id] = job.blockers
        return list(blockers_first((id for _, id in sorted(numbers)), waiting.get))

    def exported(self, id: str) -> Fields:
        """Return a job of these as `import` takes it."""
        job = self.table.get(id)
        if job is None:
            raise AssertionError(f"there is no job {id}")
        return {**job.fields(), "due_ms": job.next_run_ms(self.table.clock_shift_ms)}


def _key(id: str) -> bytes:
    return f"job/{id}".encode()


_NEW = (events.Enqueued, events.Imported)
