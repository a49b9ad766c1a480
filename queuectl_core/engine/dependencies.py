"""Dependencies: what the end of a job means for the jobs that wait for it, or for its batch.

A job that waits for a batch waits for one of its jobs at a time, at first for the newest unfinished one. When that
ends, it waits for the next one, until none is left that is older than itself. So it waits for the jobs that the batch
had when it came. Its cost does not grow with the batch, and no jobs can wait for each other.

Pure. Changes nothing itself.

Warning: if a job ends without `with_dependants`, its dependants wait forever.
"""

from __future__ import annotations

from bisect import bisect_left

from ..light_types import NamedTuple
from ..model import events, reasons
from ..model.events import JobEvent
from ..model.job import DEAD, FAILED, PENDING, PROCESSING
from ..table.index_keys import BLOCKED, Entry, member_index, number_in
from ..table.job_table import JobTable

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..model.job import Job
    from ..model.records import Options

_DEATHS = (events.DeadLettered, events.Canceled, events.Purged)
_ENDS = (*_DEATHS, events.Succeeded)
_AFTER_ALL = 10**12 - 1
"""A number above those of all jobs."""


class Dependant(NamedTuple):
    """A job that waits for others, its `blockers`. The table may not have it yet."""

    id: str
    number: int
    options: Options
    blockers: Sequence[str]


class NewJobs(NamedTuple):
    """The jobs of a request that the table does not have yet.

    `waiting` has the dependants of each job among them. `all` returns all of them by number; it is seldom called.
    """

    waiting: Mapping[str, Sequence[Dependant]] = {}
    all: Callable[[], Iterable[events.Enqueued | Job]] = tuple


_NO_JOBS = NewJobs()


def with_dependants(
    table: JobTable, ended: Sequence[JobEvent], now_ms: int, new: NewJobs = _NO_JOBS
) -> list[JobEvent]:
    """Return these events, and those that follow from them for the dependants of jobs that ended."""
    has_blocked = bool(table.counts.get(BLOCKED))
    if not new.waiting and not has_blocked:
        return list(ended)
    ends = _Ends(table, ended, now_ms, new)
    for event in ends.happened:  # the loop appends to the list
        if isinstance(event, _ENDS):
            known = _dependants_of(table, event.id) if has_blocked else ()
            for dependant in (*known, *new.waiting.get(event.id, ()), *ends.moved.get(event.id, ())):
                ends.tell(dependant, event)
    return ends.happened


def note_dependants(waiting: dict[str, list[Dependant]], new: Iterable[events.Enqueued]) -> None:
    """Add to `waiting` the new jobs that wait for each job."""
    for event in new:
        for other in event.blockers:
            waiting.setdefault(other, []).append(Dependant(event.id, event.number, event.options, event.blockers))


def newest_open(table: JobTable, batch: str, number: int = _AFTER_ALL, ended: Mapping[str, object] = {}) -> str | None:
    """Return the ID of the newest unfinished job of a batch that is older than the job of this number, or None.

    Jobs in `ended` count as finished.
    """
    entries: list[Entry] = []
    for state in (PENDING, PROCESSING, FAILED):
        index = member_index(batch, state)
        newest = table.scan(index, 1 + len(ended), f"{index}/{number:012}", reverse=True)
        entries += [entry for entry in newest if entry[1] not in ended][:1]
    return max((number_in(key), id) for key, id in entries)[1] if entries else None


def oldest_dead(table: JobTable, batch: str, number: int = _AFTER_ALL, ended: Mapping[str, object] = {}) -> str | None:
    """Return the ID of the oldest dead job of a batch that is older than the job of this number, or None.

    Jobs in `ended` do not count.
    """
    entries = table.scan(member_index(batch, DEAD), 1 + len(ended))
    return next((id for key, id in entries if number_in(key) < number and id not in ended), None)


class _Ends:
    """The jobs that end with one decision, and in `happened` the events of the decision so far."""

    def __init__(self, table: JobTable, ended: Sequence[JobEvent], now_ms: int, new: NewJobs) -> None:
        self.happened = list(ended)
        self.moved: dict[str, list[Dependant]] = {}
        """By job: dependants of batches that wait for it since this decision, so that the table does not know it."""
        self._table = table
        self._now_ms = now_ms
        self._new = new
        self._new_members: dict[str, list[tuple[int, str]]] | None = None
        self._ended = {event.id: event for event in ended if isinstance(event, _ENDS)}
        self._blockers: dict[str, list[str]] = {}
        """The blockers that dependants of batches have by now."""

    def tell(self, dependant: Dependant, event: JobEvent) -> None:
        """Add what the end of a job means for one of its dependants."""
        if isinstance(self._ended.get(dependant.id), _DEATHS):
            return
        options = dependant.options
        then, dead = self._rest_of_batches(dependant, event.id) if "after_batch" in options else ([], None)
        if isinstance(event, _DEATHS) and ("after_batch" not in options or event.id in options.get("after", ())):
            dead = event.id
        if dead is None or options.get("after_any"):
            self.happened.append(events.Unblocked(dependant.id, self._now_ms, event.id, then))
            for id in then:
                self.moved.setdefault(id, []).append(dependant)
            return
        if dead != event.id:  # so that a retry of the dead job finds this one
            self.happened.append(events.Unblocked(dependant.id, self._now_ms, event.id, [dead]))
        canceled = events.Canceled(dependant.id, self._now_ms, self._reason_after(dead))
        self._ended[dependant.id] = canceled
        self.happened.append(canceled)

    def _rest_of_batches(self, dependant: Dependant, ended_id: str) -> tuple[list[str], str | None]:
        """Return the jobs of batches that a dependant waits for next, and a dead job of a batch that is over."""
        blockers = [id for id in self._blockers.get(dependant.id, dependant.blockers) if id != ended_id]
        then, dead = [], None
        for batch in dependant.options["after_batch"]:
            if any(self._is_in(id, batch) for id in blockers):
                continue
            newest = self._newest_in(batch, dependant.number)
            if newest is not None:
                then.append(newest)
            else:
                dead = dead or self._dead_of(batch, dependant.number)
        self._blockers[dependant.id] = [*blockers, *then]
        return then, dead

    def _dead_of(self, batch: str, number: int) -> str | None:
        """Return the ID of a dead job of a batch, which may have died with this decision, or None."""
        died = (id for id, event in self._ended.items() if isinstance(event, (events.DeadLettered, events.Canceled)))
        jobs = (job for job in map(self._table.get, died) if job is not None)
        known = (job.id for job in jobs if job.options.get("batch") == batch and job.number < number)
        new = (id for own, id in self._members(batch) if own < number and id in self._ended)
        return oldest_dead(self._table, batch, number, self._ended) or next(known, None) or next(new, None)

    def _newest_in(self, batch: str, number: int) -> str | None:
        """Return the newest unfinished job of a batch that is older than the job of this number, or None."""
        new = self._members(batch)  # they are newer than the jobs in the table
        n = bisect_left(new, (number, ""))
        while n and new[n - 1][1] in self._ended:
            n -= 1
        return new[n - 1][1] if n else newest_open(self._table, batch, number, self._ended)

    def _is_in(self, id: str, batch: str) -> bool:
        """Return whether a job belongs to a batch."""
        return self._table.options_of(id).get("batch") == batch or any(id == new for _, new in self._members(batch))

    def _members(self, batch: str) -> Sequence[tuple[int, str]]:
        """Return the numbers and IDs of the new jobs in a batch, oldest first."""
        if self._new_members is None:
            self._new_members = {}
            for job in self._new.all():
                if "batch" in job.options:
                    self._new_members.setdefault(job.options["batch"], []).append((job.number, job.id))
        return self._new_members.get(batch, ())

    def _reason_after(self, id: str) -> str:
        """Return the reason of a job that dies with this one."""
        event = self._ended.get(id)
        if event is not None:
            return reasons.dependency_ended(id, getattr(event, "reason", None))
        return reasons.dependency_ended(id, self._table.existing(id).reason or "")


def _dependants_of(table: JobTable, id: str) -> list[Dependant]:
    jobs = [table.existing(other) for _, other in table.scan(f"needs/{id}", table.counts[BLOCKED])]
    return [Dependant(job.id, job.number, job.options, job.blockers) for job in jobs if job.state == PENDING]


def dying_with(table: JobTable, ids: Sequence[str], limit: int) -> list[str]:
    """Return the waiting jobs that die if these jobs do, directly or not; at most `limit`, after as many looks."""
    return _linked(table, ids, limit, lambda job, id: job.state == PENDING and _needs(job.options, id))


def dead_with(table: JobTable, ids: Sequence[str], limit: int) -> list[str]:
    """Return the dead jobs that died because of these, directly or not; at most `limit`, after as many looks."""
    return _linked(table, ids, limit, lambda job, id: job.state == DEAD and reasons.names(job.reason, id))


def _linked(table: JobTable, ids: Sequence[str], limit: int, test: Callable[[Job, str], bool]) -> list[str]:
    if not table.counts.get(BLOCKED):
        return []
    found, looks = dict.fromkeys(ids), limit
    left = list(found)
    for id in left:  # the loop appends to the list
        entries = table.scan(f"needs/{id}", looks) if looks else []
        looks -= len(entries)
        jobs = (table.existing(other) for _, other in entries if other not in found)
        new = [job.id for job in jobs if test(job, id)]
        found.update(dict.fromkeys(new))
        left += new
    return list(found)[len(set(ids)) :]


def _needs(options: Options, id: str) -> bool:
    """Return whether a job that waits for this one dies with it, whatever else it waits for."""
    return not options.get("after_any") and ("after_batch" not in options or id in options.get("after", ()))
