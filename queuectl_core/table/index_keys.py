"""Index keys: the place of a job in the indexes of the store.

Keys in the store, all text:
    ready/RANK                ID of a pending job, in the order of dispatch: by priority, then by number
    due/MS/RANK               ID of a failed job, by the time of its next run; delayed/MS/RANK: of a pending one
    blocked/NUMBER            ID of a pending job that waits for others
    processing/NUMBER         ID; completed/MS/NUMBER and dead/MS/NUMBER: ID, by the end of the job
For a named queue, ready, due and delayed are ready@QUEUE and so on. There are five more kinds:
    ready@*/RANK              the entries of all ready@QUEUE together; due@* and delayed@* likewise
    needs/OTHER/NUMBER        ID of a job that waits for the job OTHER, or died with it
    key/KEY/NUMBER            ID of the unfinished job with this key
    wall/NUMBER               ID of a job that waits for a time of the wall clock
    member/BATCH/STATE/NUMBER ID of a job of this batch, by its state
Keys sort in the order in which users want to see jobs.

Pure. Knows Job, but no table.

Invariant: stores outlive versions. A job that uses only features of the first version has the entries of that version.
"""

from __future__ import annotations

from ..model.job import DEAD, FAILED, FINAL_STATES, PENDING, PROCESSING, Job
from ..model.job_spec import DEFAULT_QUEUE

Entry = tuple[str, str]
"""An index key, and the ID of its job. Entries are ordered by key."""

READY, DUE, DELAYED = "ready", "due", "delayed"

IndexKey = tuple[str, str]
"""The name of an index, and a key in it, which begins with that name."""

BLOCKED = "blocked"
WALL = "wall"
ALL_QUEUES = "*"
"""In an index key, all named queues; as the name of rules, all queues."""

INDEXED_OPTIONS = frozenset(("queue", "priority", "key"))
"""The options that the index entries of a job depend on."""


def index_of(kind: str, queue: str) -> str:
    """Return the name of the index of one kind for one queue."""
    return kind if queue == DEFAULT_QUEUE else f"{kind}@{queue}"


def state_key_of(job: Job) -> IndexKey:
    """Return the place of a job among those in its state."""
    if job.state == PROCESSING:
        return PROCESSING, f"{PROCESSING}/{job.number:012}"
    if job.state == PENDING:
        if job.blockers:
            return BLOCKED, f"{BLOCKED}/{job.number:012}"
        if not job.options and job.due_ms is None and job.place is None:
            return READY, f"{READY}/{job.number:012}"
        index = index_of(READY if job.due_ms is None else DELAYED, job.queue)
        return index, f"{index}/{job.rank}" if job.due_ms is None else f"{index}/{job.due_ms:015}/{job.rank}"
    if job.state == FAILED:
        index = index_of(DUE, job.queue)
        return index, f"{index}/{job.due_ms:015}/{job.rank}"
    return job.state, f"{job.state}/{job.updated_ms:015}/{job.number:012}"


def index_keys_of(job: Job) -> tuple[IndexKey, ...]:
    """Return all keys of a job, the place of its state first."""
    first = state_key_of(job)
    if not job.options and job.wall_ms is None:
        return (first,)
    keys = [first, among_all(*first)] if "@" in first[0] else [first]
    if job.wall_ms is not None:
        keys.append((WALL, f"{WALL}/{job.number:012}"))
    if job.blockers and job.state in (PENDING, DEAD):
        keys += [(f"needs/{other}", f"needs/{other}/{job.number:012}") for other in job.blockers]
    if "batch" in job.options:
        index = member_index(job.options["batch"], job.state)
        keys.append((index, f"{index}/{job.number:012}"))
    if "key" in job.options and job.state not in FINAL_STATES:
        index = f"key/{job.options['key']}"
        keys.append((index, f"{index}/{job.number:012}"))
    return tuple(keys)


def member_index(batch: str, state: str) -> str:
    """Return the name of the index of the jobs of a batch in a state."""
    return f"member/{batch}/{state}"


def number_in(key: str) -> int:
    """Return the number of the job in the key of a member."""
    return int(key[-12:])


def among_all(index: str, key: str) -> IndexKey:
    """Return the place of an entry of a named queue in the index over all named queues."""
    kind = index.partition("@")[0]
    return f"{kind}@{ALL_QUEUES}", f"{kind}@{ALL_QUEUES}{key[len(index) :]}"


_KINDS: dict[str, tuple[str, ...]] = {PENDING: (READY, DELAYED), FAILED: (DUE,)}


def indexes_of(state: str, queue: str | None = None) -> list[str]:
    """Return the names of the indexes of the jobs in a state.

    With `queue`, the indexes have all its jobs, and perhaps jobs of other queues. Without it, `JobTable.in_order`
    reads the indexes of all queues under these names.
    """
    kinds = _KINDS.get(state)
    if kinds is None:
        return [state]
    indexes = [kind if queue is None else index_of(kind, queue) for kind in kinds]
    return [*indexes, BLOCKED] if state == PENDING else indexes
