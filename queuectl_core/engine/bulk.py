"""Bulk: a request for many jobs that comes in parts, and counts as a whole or not at all.

The engine checks each part when it arrives, between other work. The commit at the end costs little, however many jobs
there are. Pure. Knows neither who sends the parts nor where they are written.

Warning: between a part and the commit, another request may take an ID. `note_taken` must hear of it.
"""

from __future__ import annotations

from ..errors import BadDependency, Busy, DuplicateJob, KeyTaken, QueueError
from ..model import events, reasons
from ..model.attempt import AttemptResult
from ..model.events import Event, JobEvent, encode
from ..model.job import FAILED, FINAL_STATES, PENDING, PROCESSING, Job
from ..table.counts import count_in_batch
from ..table.job_table import JobTable
from ..table.memtable import InsertBatch
from .admission import Admission
from .dependencies import Dependant, NewJobs, note_dependants, with_dependants
from .job_defaults import DefaultsByQueue

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


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
        self.requested = 0
        """The number of jobs requested so far; some may have been skipped."""
        self.keys: dict[str, str] = {}
        self.newest: dict[str, str] = {}
        """The newest job of each batch."""
        self.replaced: list[str] = []
        self.waiting: dict[str, list[Dependant]] = {}
        self.completed: set[str] = set()
        self.skippable: set[object] = set()
        """The IDs and keys that another job may take: the request then skips its job."""
        self.taken: QueueError | None = None
        self.environ: Mapping[str, str] | None = None
        """The environment that the jobs get instead of that of their worker."""
        self.trace: Mapping[str, str] = {}
        """The trace that the jobs belong to, as variables."""

    @property
    def count(self) -> int:
        """Return the number of jobs so far."""
        return len(self.batch.entries)

    def next_part(self, table: JobTable, defaults: DefaultsByQueue, cwd: str, now_ms: int) -> Admission:
        """Return an admission for the next part."""
        part = Admission(table, defaults, cwd, now_ms)
        part.use_environ(self.environ, self.trace)
        part.earlier, part.keys, part.newest = self.batch.entries, self.keys, self.newest
        part.first_index = self.requested
        return part

    def add(self, part: Admission) -> None:
        """Add the jobs of one part."""
        self.requested += len(part.ids)
        self.replaced += part.replaced
        self.skippable |= part.skippable
        new = list(part.events.values())
        if not new:
            return
        payload = encode(new)
        self.batch.add(new)
        self.parts.append((len(new), payload))
        self.bytes += len(payload)
        note_dependants(self.waiting, new)

    def note_completed(self, ids: Iterable[str]) -> None:
        """Note that these jobs completed, because the queue may forget them before the commit."""
        self.completed.update(id for id in ids if id in self.waiting)

    def job_of(self, table: JobTable, id: str) -> Job | None:
        """Return a job of the load or of the table, or None if neither has it."""
        return self.batch.entries[id].job if id in self.batch.entries else table.get(id)

    def count_in(self, batch: str) -> int:
        """Return how many jobs of the load belong to a batch."""
        return self.batch.counts.get(count_in_batch(batch, PENDING), 0)

    def following(self, table: JobTable, now_ms: int) -> list[Event]:
        """Return the events that follow from the commit.

        They cancel the jobs that the load replaces, and tell its jobs which blockers ended while it came.

        Raises: DuplicateJob, KeyTaken, BadDependency, Busy.
        """
        replaced = [job for job in map(table.get, self.replaced) if job is not None]
        self._check(table, replaced)
        ended = [self._end_of(id, table.get(id), now_ms) for id in self.waiting if id not in self.batch.entries]
        past = [event for event in ended if event is not None]
        gone = [events.Canceled(job.id, now_ms, reasons.REPLACED) for job in replaced if job.state in (PENDING, FAILED)]
        new = NewJobs(self.waiting, lambda: filter(None, (entry.job for entry in self.batch.entries.values())))
        return [*with_dependants(table, [*past, *gone], now_ms, new)[len(past) :]]

    def _check(self, table: JobTable, replaced: Sequence[Job]) -> None:
        """Check that the load can still be committed. `replaced` are the jobs that it replaces.

        Raises: DuplicateJob, KeyTaken, BadDependency, Busy.
        """
        if self.taken is not None:
            raise self.taken
        if self.clock_shift_ms != table.clock_shift_ms and self._has_times():
            raise Busy(what="the clock was set meanwhile; nothing was enqueued")
        self._check_blockers(table)
        for job in replaced:
            if job.state == PROCESSING:
                raise KeyTaken(key=job.options["key"], id=job.id, runs=True)
            if job.state in (PENDING, FAILED) and job.id in self.waiting:
                raise BadDependency(why=f"after: job {job.id} is replaced by a job of this request")

    def _check_blockers(self, table: JobTable) -> None:
        """Check that the IDs that jobs of the load wait for still name the same jobs.

        Raises: Busy.
        """
        for id in self.waiting.keys() - self.batch.entries.keys():
            other = table.get(id)
            if other is not None and other.number > self.waiting[id][0].number:
                raise Busy(what=f"job {id} was removed and added again meanwhile; nothing was enqueued")

    def _has_times(self) -> bool:
        """Return whether a job of the load waits for a time of the wall clock."""
        jobs = (entry.job for entry in self.batch.entries.values())
        return any(job is not None and job.wall_ms is not None for job in jobs)

    def _end_of(self, id: str, job: Job | None, now_ms: int) -> JobEvent | None:
        """Return an event that describes the past end of a job, or None if it has not ended."""
        if job is not None and job.state not in FINAL_STATES:
            return None
        result = AttemptResult("exit", 0, None, now_ms, 0)
        if id in self.completed:
            return events.Succeeded(id, now_ms, result)
        return events.Purged(id, now_ms) if job is None else events.DeadLettered(id, now_ms, result, job.reason or "")

    def note_taken(self, ids: Iterable[str], keys: Mapping[str, str]) -> None:
        """Note that another request took these IDs and keys. `keys` has the ID of the job with each key."""
        id = next((id for id in ids if id in self.batch.entries), None)
        key = next((key for key in keys if key in self.keys), None)
        if self.taken is None and id is not None:
            self.taken = self._error(id, id, DuplicateJob(id=id))
        elif self.taken is None and key is not None:
            self.taken = self._error(key, keys[key], KeyTaken(key=key, id=keys[key], runs=False))

    def _error(self, taken: str, id: str, error: QueueError) -> QueueError:
        """Return the error for a taken ID or key. If the request skips such a job, its next try succeeds."""
        if taken in self.skippable:
            return Busy(what=f"another request added job {id} meanwhile; nothing was enqueued")
        return error
