"""Places: where a job stands in the indexes of the store, and among which counts, as it is now.

Keys in the store, all text:
    ready/RANK                id of a pending job, in the order of dispatch: by priority, then by number
    due/MS/RANK               id of a failed job, by the time of its next run; delayed/MS/RANK: of a pending one
    blocked/NUMBER            id of a pending job that waits for others
    processing/NUMBER         id; completed/MS/NUMBER and dead/MS/NUMBER: id, by the time it ended
The first three are ready@QUEUE, due@QUEUE and delayed@QUEUE for a queue with a name. And beside these:
    needs/OTHER/NUMBER        id of a job that waits for the job OTHER, or died with it
    key/KEY/NUMBER            id of the live job with this key
Keys sort in the order in which users want to see jobs. Pure. Knows Job, no table. The trap: stores outlive versions; a
job that says no more than it could in the first version stands where it stood there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .job import DEAD, FAILED, FINAL_STATES, PENDING, PROCESSING, Job
from .lane import DELAYED, DUE, READY, index_of
from .spec import DEFAULT_QUEUE

Place = tuple[str, str]
"""The name of an index, and a key in it, which begins with that name."""

BLOCKED = "blocked"
ALL_QUEUES = "*"
"""In the place of a queue's name."""

PLACING_OPTIONS = frozenset(("queue", "priority", "key"))
"""Those that a job's index entries depend on."""


def place_in_state(job: Job) -> Place:
    """Where a job stands among those in its state."""
    if job.state == PROCESSING:
        return PROCESSING, f"{PROCESSING}/{job.number:012}"
    if job.state == PENDING:
        if job.blockers:
            return BLOCKED, f"{BLOCKED}/{job.number:012}"
        if not job.options and job.due_ms is None:
            return READY, f"{READY}/{job.number:012}"
        index = index_of(READY if job.due_ms is None else DELAYED, job.queue)
        return index, f"{index}/{job.rank}" if job.due_ms is None else f"{index}/{job.due_ms:015}/{job.rank}"
    if job.state == FAILED:
        index = index_of(DUE, job.queue)
        return index, f"{index}/{job.due_ms:015}/{job.rank}"
    return job.state, f"{job.state}/{job.updated_ms:015}/{job.number:012}"


def places_of(job: Job) -> tuple[Place, ...]:
    """All its entries; that of its state comes first."""
    first = place_in_state(job)
    if not job.options:
        return (first,)
    found = [first]
    if job.blockers and job.state in (PENDING, DEAD):
        found += [(f"needs/{other}", f"needs/{other}/{job.number:012}") for other in job.blockers]
    if "key" in job.options and job.state not in FINAL_STATES:
        index = f"key/{job.options['key']}"
        found.append((index, f"{index}/{job.number:012}"))
    return tuple(found)


def counted_as(job: Job) -> tuple[str, ...]:
    """The counts that it is in: of its state; of its state and queue, where that has a name; of those with blockers."""
    if not job.options:
        return (job.state,)
    names = (job.state,) if job.queue == DEFAULT_QUEUE else (job.state, f"{job.state}@{job.queue}")
    return (*names, BLOCKED) if job.blockers and job.state in (PENDING, DEAD) else names


def queue_names(counts: Mapping[str, int], queues: Iterable[str]) -> list[str]:
    """Every queue that has a job or a rule, the default one first."""
    names = {name.split("@", 1)[1] for name in counts if "@" in name}
    return [DEFAULT_QUEUE, *sorted((names | set(queues)) - {DEFAULT_QUEUE, ALL_QUEUES})]


def indexes_of(state: str, queues: list[str]) -> list[str]:
    """The names of the indexes in which the jobs in a state stand, of these queues."""
    if state == PENDING:
        return [index_of(kind, queue) for kind in (READY, DELAYED) for queue in queues] + [BLOCKED]
    return [index_of(DUE, queue) for queue in queues] if state == FAILED else [state]
