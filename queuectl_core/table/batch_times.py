"""Batch times: when the jobs of each batch started and ended, as far as the rate of the batch needs it.

The store has one record for each batch of which a job has started, `times/NAME`. Every flush writes all records that
changed. So the store has exactly the events up to the last flush, and a replay adds each later event once.

Pure: the caller passes the store. Times are in milliseconds, without the clock shift.

Invariant: a job that belongs to no batch never gets here.
"""

from __future__ import annotations

from ..fast_json import decode, encode
from ..light_types import NamedTuple

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from .store import Store

SAMPLE = 100
"""The most ended jobs of which the run time is kept. Beyond it, the older ones lose half of their weight."""

READ_LIMIT = 1000
"""The maximum number of records of the store in memory."""


class Times(NamedTuple):
    """The first start and the last end in a batch; and the run time of the latest jobs, with how many of them ended."""

    started_ms: int | None = None
    ended_ms: int | None = None
    run_ms: int = 0
    jobs: int = 0


class BatchTimes:
    """The times of all batches of one table."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[str, Times] = {}
        self._changed: dict[str, Times | None] = {}
        """The records that the store lacks; None for a batch that is gone."""

    def of(self, batch: str) -> Times:
        """Return the times of a batch."""
        if batch in self._changed:
            return self._changed[batch] or Times()
        times = self._read.get(batch)
        if times is None:
            if len(self._read) >= READ_LIMIT:
                self._read.clear()
            times = self._read[batch] = Times(*decode((self._store.get(_key_of(batch)) or b"[]").decode()))
        return times

    def note_start(self, batch: str, at_ms: int) -> None:
        """Note that a job of a batch starts, or started before it was imported."""
        times = self.of(batch)
        if times.started_ms is None or at_ms < times.started_ms:
            self._changed[batch] = times._replace(started_ms=at_ms)

    def note_run(self, batch: str, run_ms: int, is_last: bool) -> None:
        """Note that a run took this time with its worker, and whether it was the last one of its job."""
        times = self.of(batch)
        run_ms, jobs = times.run_ms + max(0, run_ms), times.jobs + is_last
        if jobs > SAMPLE:
            run_ms, jobs = run_ms // 2, jobs // 2
        self._changed[batch] = times._replace(run_ms=run_ms, jobs=jobs)

    def note_end(self, batch: str, at_ms: int) -> None:
        """Note that a job ended for good."""
        times = self.of(batch)
        self._changed[batch] = times._replace(ended_ms=max(at_ms, times.ended_ms or at_ms))

    def take(self, batch: str, record: bytes) -> None:
        """Take the record of a batch from another store.

        Raises: ValueError, TypeError.
        """
        self._changed[batch] = Times(*decode(record.decode()))

    def forget(self, batch: str) -> None:
        """Forget a batch that has no jobs any more."""
        self._changed[batch] = None

    def write(self, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None:
        """Add the writes for the records that changed."""
        for batch, times in self._changed.items():
            if times is None:
                deletes.append(_key_of(batch))
            else:
                puts.append((_key_of(batch), encode(times).encode()))

    def note_stored(self) -> None:
        """Note that the store now has all of them."""
        for batch in self._changed:
            self._read.pop(batch, None)
        self._changed.clear()


def _key_of(batch: str) -> bytes:
    return f"times/{batch}".encode()
