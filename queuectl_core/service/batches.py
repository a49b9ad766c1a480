"""Batches: how far the jobs of a batch are, and how long the rest of them needs.

Knows the table. Does not know the jobs themselves: the cost does not depend on how many there are.

The pace follows from Little's law: as many jobs finish in a second as run now, divided by the seconds that one of the
latest jobs took. So neither a pause nor a restart distorts it.
"""

from __future__ import annotations

from ..errors import UnknownBatch
from ..model.job import FINAL_STATES, PROCESSING
from ..model.validators import is_id
from ..timestamps import utc_or_none
from . import prefetched
from .fields import Fields

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model.job import Job
    from ..model.records import State
    from ..table.batch_times import Times
    from .ledger import Ledger


def batch(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the counts and the pace of a batch.

    Raises: UnknownBatch.
    """
    name, table = request.get("name"), ledger.table
    counts: Mapping[State, int] = table.counts_of_batch(str(name)) if is_id(name) else {}
    if not any(counts.values()):
        raise UnknownBatch(batch=str(name)[:140])
    times = table.batch_times.of(str(name))
    unfinished = sum(number for state, number in counts.items() if state not in FINAL_STATES)
    jobs_per_s = _pace(counts, times) if unfinished else _whole_pace(counts, times)
    early = sum(job.options.get("batch") == name for job in prefetched.jobs_of(ledger))
    left_s = 0.0 if not unfinished else None
    if unfinished and jobs_per_s:
        left_s = round(unfinished / jobs_per_s, 3)
    record: Fields = {
        "batch": name,
        "counts": prefetched.shown_counts(dict(counts), early),
        "started_at": _shown(times.started_ms, table.clock_shift_ms),
        "ended_at": None if unfinished else _shown(times.ended_ms, table.clock_shift_ms),
        "jobs_per_s": jobs_per_s,
        "left_s": left_s,
    }
    return {"batch": record}


def of_blockers(ledger: Ledger, job: Job) -> dict[str, str | None]:
    """Return the batch of each blocker for which a job waits because of that batch."""
    others = [id for id in job.blockers if id not in job.options.get("after", ())]
    return {id: ledger.table.options_of(id).get("batch") for id in others}


def _shown(at_ms: int | None, clock_shift_ms: int) -> str | None:
    return utc_or_none(None if at_ms is None else at_ms + clock_shift_ms)


def _pace(counts: Mapping[State, int], times: Times) -> float | None:
    """Return how many jobs finish in a second now, or None if none runs or has finished."""
    if not (counts[PROCESSING] and times.jobs):
        return None
    return round(counts[PROCESSING] * times.jobs * 1000 / max(1, times.run_ms), 6)


def _whole_pace(counts: Mapping[State, int], times: Times) -> float | None:
    """Return how many jobs finished in a second on the whole, or None if no time passed."""
    if times.started_ms is None or times.ended_ms is None or times.ended_ms <= times.started_ms:
        return None
    return round(sum(counts.values()) * 1000 / (times.ended_ms - times.started_ms), 6)
