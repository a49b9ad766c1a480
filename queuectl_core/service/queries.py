"""Queries: requests that change nothing: a job, pages of jobs, counts, and why a job is in its state.

Fields of requests come from outside, so this module checks each one.
Knows the table and the scheduler. Does not know sockets or files.

Invariant: each page bounds the jobs it looks at, not only those it finds, because a filter can skip millions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..engine.run_outcome import backoff_ms
from ..errors import InvalidInput, UnknownJob
from ..model.job import COMPLETED, DEAD, FAILED, PENDING, PROCESSING, STATES, Job
from ..model.job_spec import check_id
from ..table.index_keys import ALL_QUEUES, READY, indexes_of
from ..timestamps import utc, utc_or_none
from ..wire.protocol import MAX_JOBS, MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from ..model.records import StoredJob
    from .ledger import Ledger

Fields = dict[str, object]

PAGE_JOBS = 500
_PAGE_CHARACTERS = MAX_MESSAGE_BYTES // 16
"""The most characters on a page, unless it has only one job. JSON needs up to 12 bytes for a character."""

LOOKED_AT = 1000
"""The most jobs that one page looks at. This takes a few milliseconds."""

_CHARACTERS_LOOKED_AT = 16 * _PAGE_CHARACTERS
"""The most characters of jobs that one page looks at."""

AHEAD_LIMIT = 1000
"""The most jobs ahead of another that are counted."""

STATES_SHOWN = (PROCESSING, PENDING, FAILED, DEAD, COMPLETED)
_NEWEST_FIRST = (COMPLETED, DEAD)
"""States whose jobs are listed newest first. Other jobs are listed in the order they run in."""


def job_of(ledger: Ledger, id: object) -> Job:
    """Return the job with this ID.

    Raises: UnknownJob.
    """
    job = ledger.table.get(str(id)) if check_id(id) is None else None
    if job is None:
        raise UnknownJob(id=str(id)[:140])
    return job


def snapshot(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the last event's sequence, the settings, and the sum of the wall clock's jumps."""
    table = ledger.table
    return {
        "sequence": ledger.engine.sequence,
        "settings": table.settings,
        "clock_shift_ms": table.clock_shift_ms,
    }


def show(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the record of one job."""
    job = job_of(ledger, request.get("id"))
    return {"job": job.record(ledger.table.clock_shift_ms)}


def kept(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return everything that is kept of the named jobs that exist, as many as fit on a page.

    The reply's `next` is the index of the first job on the next page, or None at the end.
    """
    ids, first = request.get("ids"), request.get("next") or 0
    if not isinstance(ids, list) or len(ids) > MAX_JOBS or type(first) is not int or first < 0:
        raise InvalidInput(what=f"name at most {MAX_JOBS} jobs; next must be the value from an earlier page")
    page = Page(PAGE_JOBS)
    for n, id in enumerate(ids[first:], first):
        job = ledger.table.get(id) if check_id(id) is None else None
        if job is not None and not page.look_at(job, True, _FORMS["kept"], 0):
            return {"jobs": page.jobs, "next": n}
    return {"jobs": page.jobs, "next": None}


def status(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return counts, pause, and disk state. A supervisor adds itself and its workers."""
    paused_ms = ledger.table.queues.get(ALL_QUEUES, {}).get("paused_ms")
    return {
        "counts": {state: ledger.table.counts[state] for state in STATES},
        "paused_since": utc_or_none(paused_ms),
        "short_of": ledger.shortage(),
        "supervisor": None,
        "workers": [],
    }


# Pages of jobs


class Filter:
    """The conditions of a request. A job must meet all of them.

    Raises: InvalidInput.
    """

    def __init__(self, request: Fields) -> None:
        self.queue = _text(request, "queue")
        self.name = _text(request, "name")
        self.key = _text(request, "key")
        self.since_ms = _number(request, "since_ms")
        self.until_ms = _number(request, "until_ms")
        self.ended_until_ms = _number(request, "ended_until_ms")
        self.before = _number(request, "before")
        tags = request.get("tags") or {}
        if not isinstance(tags, dict):
            raise InvalidInput(what="tags must be an object with text values")
        self.tags: dict[str, object] = tags

    def takes(self, job: Job) -> bool:
        """Return whether a job meets all conditions."""
        options = job.options
        return (
            (self.queue is None or job.queue == self.queue)
            and (self.name is None or options.get("name") == self.name)
            and (self.key is None or options.get("key") == self.key)
            and (self.since_ms is None or job.created_ms >= self.since_ms)
            and (self.until_ms is None or job.created_ms < self.until_ms)
            and (self.ended_until_ms is None or job.updated_ms < self.ended_until_ms)
            and (self.before is None or job.number < self.before)
            and (not self.tags or self.tags.items() <= options.get("tags", {}).items())
        )


def listing(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return one page of the jobs that match the request.

    `next` from the previous page says where to continue. It is None at the end.
    `form` is `record`, `brief` (IDs only), `kept` (everything that is kept), or `raw` (the same
    with times by the wall clock).
    `before` leaves out jobs from this number on. A `numbered` page gives a suitable number as `next_number`.
    """
    wanted = Filter(request)
    indexes = _wanted_indexes(request, wanted.queue)
    limit, cursor = request.get("limit", PAGE_JOBS), request.get("next") or [indexes[0], ""]
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise InvalidInput(what="limit must be a whole number, 1 or more")
    if not (isinstance(cursor, list) and len(cursor) == 2 and cursor[0] in indexes and is_key(cursor[1], cursor[0])):
        raise InvalidInput(what="next must be the value from an earlier page")
    rest = indexes[indexes.index(cursor[0]) :]
    shape = _FORMS.get(str(request.get("form", "record")))
    if shape is None:
        raise InvalidInput(what=f"form must be one of {', '.join(_FORMS)}")
    page = _page(ledger, rest, cursor[1], min(limit, PAGE_JOBS), wanted, shape, request.get("oldest_first") is True)
    return {**page, "next_number": ledger.table.next_number} if request.get("numbered") is True else page


Shape = Callable[[Job, int], object]

_FORMS: dict[str, Shape] = {
    "record": lambda job, shift_ms: job.record(shift_ms),
    "brief": lambda job, shift_ms: job.id,
    "raw": lambda job, shift_ms: _raw(job, shift_ms),
    "kept": lambda job, shift_ms: job.fields(),
}


def _raw(job: Job, shift_ms: int) -> StoredJob:
    """Return everything that is kept of a job, with times by the wall clock."""
    fields = job.fields()
    return fields if job.due_ms is None else {**fields, "due_ms": job.next_run_ms(shift_ms)}


def is_key(text: object, index: str) -> bool:
    """Return whether a text is a position in this index. An empty text is its beginning."""
    return isinstance(text, str) and (text == "" or (text.isascii() and text.startswith(f"{index}/")))


def _page(  # noqa: PLR0913  # each is a field of a request for a page
    ledger: Ledger, indexes: list[str], after: str, limit: int, wanted: Filter, shape: Shape, oldest_first: bool
) -> Fields:
    page = Page(limit)
    for index in indexes:
        key: str | None = after
        while key is not None:
            size = limit - len(page.jobs)
            entries = ledger.table.in_order(index, size, key, index in _NEWEST_FIRST and not oldest_first)
            for place, id in entries:
                job = ledger.table.get(id)
                if job is not None and not page.look_at(job, wanted.takes(job), shape, ledger.table.clock_shift_ms):
                    return {"jobs": page.jobs, "next": [index, key]}
                key = place
            if page.is_full:
                return {"jobs": page.jobs, "next": [index, key]}
            key = key if len(entries) == size else None
        after = ""
    return {"jobs": page.jobs, "next": None}


class Page:
    """The jobs found so far for one page of a list."""

    def __init__(self, limit: int) -> None:
        self.jobs: list[object] = []
        self._limit = limit
        self._looked_at = self._characters = self._characters_looked_at = 0

    @property
    def is_full(self) -> bool:
        """Return whether the page has reached one of its limits."""
        return (
            len(self.jobs) == self._limit
            or self._looked_at >= LOOKED_AT
            or self._characters_looked_at >= _CHARACTERS_LOOKED_AT
        )

    def look_at(self, job: Job, is_wanted: bool, shape: Shape, clock_shift_ms: int) -> bool:
        """Count a job, and add it if it is wanted. Return False if the page has no room for it."""
        size = _size_of(job)
        if self.is_full or (is_wanted and self.jobs and self._characters + size > _PAGE_CHARACTERS):
            return False
        self._looked_at += 1
        self._characters_looked_at += size
        if is_wanted:
            self.jobs.append(shape(job, clock_shift_ms))
            self._characters += size
        return True


def _size_of(job: Job) -> int:
    """Return about how many characters the record of a job has."""
    reasons = sum(len(str(attempt.get("reason"))) for attempt in job.history)
    options = len(str(job.options)) if job.options else 0
    return len(job.command) + len(job.cwd) + reasons + options + 400 * (len(job.history) + 1)


def _wanted_indexes(request: Fields, queue: str | None) -> list[str]:
    """Return the indexes of the states that a request asks for, in the order of display."""
    wanted = request.get("state")
    states = STATES_SHOWN if wanted is None else wanted if isinstance(wanted, list) else [wanted]
    if not states:
        raise InvalidInput(what="name at least one state")
    for state in states:
        if state not in STATES:
            raise InvalidInput(what=f"unknown state {str(state)[:40]!r}; the states are {', '.join(STATES)}")
    return [index for name in STATES_SHOWN if name in states for index in indexes_of(name, queue)]


def _text(request: Fields, field: str) -> str | None:
    value = request.get(field)
    if value is not None and not isinstance(value, str):
        raise InvalidInput(what=f"{field} must be text")
    return value


def _number(request: Fields, field: str) -> int | None:
    value = request.get(field)
    if value is not None and type(value) is not int:
        raise InvalidInput(what=f"{field} must be a whole number")
    return value


# Why a job is as it is


def why(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return why a job is in its state.

    `because` is a code, and the fields beside it are the facts of that case. The caller makes the sentence.
    """
    job = job_of(ledger, request.get("id"))
    found = {"id": job.id, "state": job.state, **_why(ledger, job, now_ms)}
    return {"why": found}


def _why(ledger: Ledger, job: Job, now_ms: int) -> Fields:
    table = ledger.table
    if job.state == PROCESSING:
        run = job.running()
        because = "canceled" if job.cancel else "suspended" if job.suspended else "runs"
        return {"because": because, "worker": run["worker"], "since": utc(run["started_ms"])}
    if job.state in (COMPLETED, DEAD):
        return {
            "because": job.state,
            "at": utc(job.updated_ms),
            "reason": job.reason,
            "attempts": job.attempts,
            "max_retries": job.max_retries,
        }
    if job.blockers:
        return {"because": "waits for jobs", "jobs": job.blockers}
    at_ms = job.next_run_ms(table.clock_shift_ms)
    if at_ms is not None and at_ms > now_ms:
        because = "waits for a retry" if job.state == FAILED else "waits for its time"
        retry = {"retry": job.attempts, "max_retries": job.max_retries, "reason": job.reason}
        return {"because": because, "at": utc(at_ms), "in_ms": at_ms - now_ms, **(retry if job.state == FAILED else {})}
    return _why_not_begun(ledger, job, now_ms)


def _why_not_begun(ledger: Ledger, job: Job, now_ms: int) -> Fields:
    table, scheduler = ledger.table, ledger.engine.scheduler
    lack = ledger.shortage()
    if lack is not None:
        return {"because": "the disk is full", "short_of": lack}
    queue = scheduler.queue(job.queue)
    paused_ms = table.queues.get(ALL_QUEUES, {}).get("paused_ms")
    if paused_ms is not None:
        return {"because": "everything is paused", "since": utc(paused_ms)}
    paused_ms = queue.rules.get("paused_ms")
    if paused_ms is not None:
        return {"because": "its queue is paused", "queue": job.queue, "since": utc(paused_ms)}
    if queue.is_full:
        return {"because": "its queue is full", "queue": job.queue, "limit": queue.rules["limit"]}
    ahead, is_more = _jobs_ahead(ledger, job)
    unshifted_ms = now_ms - table.clock_shift_ms
    if queue.open_at_ms > unshifted_ms:
        in_ms = round(queue.open_at_ms - unshifted_ms)
        return {"because": "its queue is ahead of its rate", "queue": job.queue, "in_ms": in_ms}
    return {"because": "waits for a worker", "ahead": ahead, "is_more": is_more}


def _jobs_ahead(ledger: Ledger, job: Job) -> tuple[int, bool]:
    """Return how many jobs run before this one, and whether there may be more.

    Only the first `AHEAD_LIMIT` jobs of all queues are looked at.
    """
    table = ledger.table
    before = [(key, id) for key, id in table.in_order(READY, AHEAD_LIMIT) if key < f"{READY}/{job.rank}"]
    if not table.queues:
        return len(before), len(before) == AHEAD_LIMIT
    table.read_ahead(before)
    held: dict[str, bool] = {}
    count = 0
    for _, id in before:
        other = table.get(id)
        if other is not None and other.queue not in held:
            queue = ledger.engine.scheduler.queue(other.queue)
            held[other.queue] = queue.is_paused or queue.is_full
        count += other is not None and not held[other.queue]
    return count, len(before) == AHEAD_LIMIT


def timetable(job: Job) -> list[float]:
    """Return the wait in seconds before each retry, for at most the first ten."""
    return [backoff_ms(job, attempts) / 1000 for attempts in range(1, min(job.max_retries, 10) + 1)]
