"""Index keys: where a job stands in the indexes of the store, and among which counts, as it is now.

Keys in the store, all text:
    ready/RANK                id of a pending job, in the order of dispatch: by priority, then by number
    due/MS/RANK               id of a failed job, by the time of its next run; delayed/MS/RANK: of a pending one
    blocked/NUMBER            id of a pending job that waits for others
    processing/NUMBER         id; completed/MS/NUMBER and dead/MS/NUMBER: id, by the time it ended
Ready, due and delayed are ready@QUEUE and so on for a queue with a name. Beside these:
    ready@*/RANK              every job in a ready@QUEUE, in one order; due@* and delayed@*: the same of those
    needs/OTHER/NUMBER        id of a job that waits for the job OTHER, or died with it
    key/KEY/NUMBER            id of the live job with this key
    wall/NUMBER               id of a job that waits for a time of the wall clock
Keys sort in the order in which users want to see jobs. Pure. Knows Job, no table. The trap: stores outlive versions; a
job that says no more than it could in the first version stands where it stood there.
"""

from __future__ import annotations

from ..model.job import DEAD, FAILED, FINAL_STATES, PENDING, PROCESSING, STATES, Job
from ..model.job_spec import DEFAULT_QUEUE

Entry = tuple[str, str]
"""An index key, and the id of the job it stands for. Entries are ordered by key."""

READY, DUE, DELAYED = "ready", "due", "delayed"

Place = tuple[str, str]
"""The name of an index, and a key in it, which begins with that name."""

BLOCKED = "blocked"
WALL = "wall"
ALL_QUEUES = "*"
"""In the place of a queue's name."""

PLACING_OPTIONS = frozenset(("queue", "priority", "key"))
"""Those that a job's index entries depend on."""


def index_of(kind: str, queue: str) -> str:
    """The name of the index of one kind for one queue."""
    return kind if queue == DEFAULT_QUEUE else f"{kind}@{queue}"


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
    if not job.options and job.wall_ms is None:
        return (first,)
    found = [first, among_all(*first)] if "@" in first[0] else [first]
    if job.wall_ms is not None:
        found.append((WALL, f"{WALL}/{job.number:012}"))
    if job.blockers and job.state in (PENDING, DEAD):
        found += [(f"needs/{other}", f"needs/{other}/{job.number:012}") for other in job.blockers]
    if "key" in job.options and job.state not in FINAL_STATES:
        index = f"key/{job.options['key']}"
        found.append((index, f"{index}/{job.number:012}"))
    return tuple(found)


def among_all(index: str, key: str) -> Place:
    """Where an entry of a queue with a name stands among those of all such queues."""
    kind = index.partition("@")[0]
    return f"{kind}@{ALL_QUEUES}", f"{kind}@{ALL_QUEUES}{key[len(index) :]}"


def counted_as(job: Job) -> tuple[str, ...]:
    """The counts that it is in: of its state; where its queue has a name, of its state in all such queues and in this
    one; of those with blockers.
    """
    if not job.options:
        return (job.state,)
    state, queue = job.state, job.queue
    names = (state,) if queue == DEFAULT_QUEUE else (state, f"{state}@{ALL_QUEUES}", f"{state}@{queue}")
    return (*names, BLOCKED) if job.blockers and state in (PENDING, DEAD) else names


FIXED_COUNTS = frozenset((*STATES, *(f"{state}@{ALL_QUEUES}" for state in STATES), BLOCKED))
"""Those of the whole home; the others are of one queue each (see `queue_counts`)."""


_KINDS: dict[str, tuple[str, ...]] = {PENDING: (READY, DELAYED), FAILED: (DUE,)}


def indexes_of(state: str, queue: str | None = None) -> list[str]:
    """The names of the indexes in which the jobs in a state stand: of all queues, or of one and perhaps some more."""
    kinds = _KINDS.get(state)
    if kinds is None:
        return [state]
    found = [kind if queue is None else index_of(kind, queue) for kind in kinds]
    return [*found, BLOCKED] if state == PENDING else found
