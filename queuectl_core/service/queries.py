"""Queries: requests that change nothing: a job, pages of jobs, counts, and why a job is in its state.

Knows the table. Does not know sockets or files.

Invariant: each page bounds the jobs it looks at, not only those it finds, because a filter can skip millions.
"""

from __future__ import annotations

from itertools import islice

from ..engine.dependencies import dead_with, dying_with
from ..engine.run_outcome import backoff_ms
from ..errors import InvalidInput, UnknownJob
from ..model.job import COMPLETED, DEAD, FAILED, FINAL_STATES, PENDING, PROCESSING, STATES, Job
from ..model.validators import is_id
from ..table.index_keys import ALL_QUEUES, indexes_of, member_index
from ..wire.protocol import MAX_DEPENDANTS, MAX_JOBS, MAX_MESSAGE_BYTES
from . import explanations, fields, prefetched, queue_pages
from .fields import Fields
from .job_filter import Filter

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    Shape = Callable[[Job, int], object]

    from ..model.records import StoredJob
    from .ledger import Ledger

PAGE_JOBS = 500
_PAGE_CHARACTERS = MAX_MESSAGE_BYTES // 16
"""The most characters on a page, unless it has only one job. JSON needs up to 12 bytes for a character."""

BRIEF_JOBS = 5000
"""The most IDs on a page."""

LOOKED_AT = 1000
"""The most jobs that one page looks at. This takes a few milliseconds."""

_CHARACTERS_LOOKED_AT = 16 * _PAGE_CHARACTERS
"""The most characters of jobs that one page looks at."""

MAX_HOLDS = 20
"""The most reasons that a status names why jobs wait."""

STATES_SHOWN = (PROCESSING, PENDING, FAILED, DEAD, COMPLETED)
_NEWEST_FIRST = (COMPLETED, DEAD)
"""States whose jobs are listed newest first. Other jobs are listed in the order they run in."""


def show(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the record of one job."""
    job, clock_shift_ms = _job(ledger, request), ledger.table.clock_shift_ms
    is_early = prefetched.state_of(job, ledger.prefetched()) != job.state
    return {"job": prefetched.record_of(job, clock_shift_ms) if is_early else job.record(clock_shift_ms)}


def _job(ledger: Ledger, request: Fields) -> Job:
    """Return the job that a request names.

    Raises: UnknownJob.
    """
    id = request.get("id")
    job = _find(ledger, id)
    if job is None:
        raise UnknownJob(id=str(id)[:140])
    return job


def _find(ledger: Ledger, id: object) -> Job | None:
    return ledger.table.get(str(id)) if is_id(id) else None


def dependants(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the waiting jobs that die if the named ones do.

    Raises: InvalidInput.
    """
    return {"ids": dying_with(ledger.table, _few_ids(request), MAX_DEPENDANTS)}


def dead_dependants(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the dead jobs that died because of the named ones.

    Raises: InvalidInput.
    """
    return {"ids": dead_with(ledger.table, _few_ids(request), MAX_DEPENDANTS)}


def _few_ids(request: Fields) -> list[str]:
    ids = fields.ids(request)
    if len(ids) > PAGE_JOBS:
        raise InvalidInput(what=f"name at most {PAGE_JOBS} jobs at a time")
    return ids


def snapshot(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the last event's sequence, the settings, and the sum of the wall clock's jumps."""
    table = ledger.table
    return {
        "sequence": ledger.engine.sequence,
        "settings": table.settings,
        "clock_shift_ms": table.clock_shift_ms,
    }


def kept(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return everything that is kept of the named jobs that exist, as many as fit on a page.

    The reply's `next` is the index of the first job on the next page, or None at the end.
    """
    ids, first = request.get("ids"), fields.index(request)
    if not isinstance(ids, list) or len(ids) > MAX_JOBS:
        raise InvalidInput(what=f"name at most {MAX_JOBS} jobs")
    jobs = (_find(ledger, id) for id in ids[first:])
    return Page(PAGE_JOBS, _FORMS["kept"], 0).filled(enumerate(jobs, first))


def status(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return counts, pause, disk state, and what holds jobs back. A supervisor adds itself and its workers."""
    counts = {state: ledger.table.counts[state] for state in STATES}
    return {
        "counts": prefetched.shown_counts(counts, len(ledger.prefetched())),
        **queue_pages.pause_of(ledger.table, ALL_QUEUES, now_ms),
        "short_of": ledger.shortage(),
        "holds": list(islice(explanations.holds(ledger, now_ms), MAX_HOLDS)),
        "supervisor": None,
        "workers": [],
    }


# Pages of jobs


class PageQuery:
    """A request for one page of the jobs that match a filter.

    `next` from the previous page says where to continue. It is None at the end.
    `form` is `record`, `brief` (IDs only), `kept` (everything that is kept), or `raw` (the same
    with times by the wall clock).
    `before` leaves out jobs from this number on. A `numbered` page gives a suitable number as `next_number`.
    The jobs in `early` are prefetched: they are pending, but the table has them among the processing ones.
    An `explained` page has `why` in the record of each waiting job, as in the reply to `why`.

    Raises: InvalidInput.
    """

    def __init__(self, request: Fields, early: Collection[str]) -> None:
        limit, form = fields.number(request, "limit"), str(request.get("form", "record"))
        if limit is not None and limit < 1:
            raise InvalidInput(what="limit must be a whole number, 1 or more")
        if form not in _FORMS:
            raise InvalidInput(what=f"form must be one of {', '.join(_FORMS)}")
        most = BRIEF_JOBS if form == "brief" else PAGE_JOBS
        self.limit = PAGE_JOBS if limit is None else min(limit, most)
        self.is_brief = form == "brief"
        self.early = early
        self.filter = Filter(request)
        self.states = _wanted_states(request, self.filter)
        self.indexes = _wanted_indexes(self.states, self.filter)
        self._shape = _FORMS[form]
        self.after: str
        index, self.after = fields.cursor(request) or (self.indexes[0], "")
        if index not in self.indexes or not fields.is_key(self.after, index):
            raise fields.bad_cursor()
        self.indexes = self.indexes[self.indexes.index(index) :]
        self.newest_first = () if fields.is_set(request, "oldest_first") else _NEWEST_FIRST
        self.is_numbered = fields.is_set(request, "numbered")
        self.is_explained = fields.is_set(request, "explained")

    def shape(self, job: Job, clock_shift_ms: int) -> object:
        """Return a job in the form that the request asks for."""
        if self._shape is _FORMS["record"] and prefetched.state_of(job, self.early) != job.state:
            return prefetched.record_of(job, clock_shift_ms)
        return self._shape(job, clock_shift_ms)

    def takes(self, job: Job) -> bool:
        """Return whether a job is in a state that the request asks for, and meets its conditions."""
        return prefetched.state_of(job, self.early) in self.states and self.filter.takes(job)

    def takes_all_in(self, index: str) -> bool:
        """Return whether all jobs of an index match, so that none has to be read."""
        return index.rpartition("/")[2] != PROCESSING and self.filter.takes_all_in(index)

    def oldest(self, index: str) -> str:
        """Return a key of an index before all jobs that can match, or an empty text."""
        since_ms = self.filter.ended_since_ms
        return "" if since_ms is None or index not in FINAL_STATES else f"{index}/{since_ms:015}"


def listing(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return one page of the jobs that match the request, which `PageQuery` describes."""
    query, table = PageQuery(request, ledger.prefetched()), ledger.table
    shape = _explained(ledger, query, now_ms) if query.is_explained else query.shape
    page = Page(query.limit, shape, table.clock_shift_ms)
    reply: Fields = {"jobs": page.jobs, "next": _fill(page, query, ledger)}
    if query.filter.where:
        reply["where"] = query.filter.where
    return {**reply, "next_number": table.next_number} if query.is_numbered else reply


def _fill(page: Page, query: PageQuery, ledger: Ledger) -> list[str] | None:
    """Add jobs to a page, and return where the next page continues, or None at the end."""
    for index in query.indexes:
        is_reverse, oldest = index.rpartition("/")[2] in query.newest_first, query.oldest(index)
        key: str | None = query.after if index == query.indexes[0] else ""
        key = key if is_reverse else max(str(key), oldest)
        is_all = query.is_brief and query.takes_all_in(index)
        while key is not None:
            size = query.limit - len(page.jobs) if is_all or not page.has_skipped else PAGE_JOBS
            entries = ledger.table.in_order(index, size, key, is_reverse)
            if oldest:
                entries = [entry for entry in entries if entry[0] >= oldest]
            if is_all and entries:
                page.jobs += [id for _, id in entries]
                key = entries[-1][0]
            for place, id in () if is_all else entries:
                job = ledger.table.get(id)
                if job is not None and not page.look_at(job, query.takes(job)):
                    return [index, key]
                key = place
            if page.is_full:
                return [index, key]
            key = key if len(entries) == size else None
    return None




def _explained(ledger: Ledger, query: PageQuery, now_ms: int) -> Shape:
    """Return the shape of a record that says why a waiting job waits. The jobs of a page share one look ahead."""
    line = explanations.Line(ledger, now_ms)

    def shape(job: Job, shift_ms: int) -> object:
        record, state = query.shape(job, shift_ms), prefetched.state_of(job, query.early)
        if state in (PENDING, FAILED) and isinstance(record, dict):
            record["why"] = explanations.why(ledger, job, state, now_ms, line)
        return record

    return shape


_FORMS: dict[str, Shape] = {
    "record": lambda job, shift_ms: job.record(shift_ms),
    "brief": lambda job, shift_ms: job.id,
    "raw": lambda job, shift_ms: _raw(job, shift_ms),
    "kept": lambda job, shift_ms: job.fields(),
}


def _raw(job: Job, shift_ms: int) -> StoredJob:
    """Return everything that is kept of a job, with times by the wall clock."""
    kept = job.fields()
    return kept if job.due_ms is None else {**kept, "due_ms": job.next_run_ms(shift_ms)}


class Page:
    """The jobs found so far for one page of a list, in the form that `shape` gives them."""

    def __init__(self, limit: int, shape: Shape, clock_shift_ms: int) -> None:
        self.jobs: list[object] = []
        self._limit = limit
        self._shape = shape
        self._clock_shift_ms = clock_shift_ms
        self._looked_at = self._characters = self._characters_looked_at = 0

    @property
    def is_full(self) -> bool:
        """Return whether the page has reached one of its limits."""
        return (
            len(self.jobs) == self._limit
            or self._looked_at >= LOOKED_AT
            or self._characters_looked_at >= _CHARACTERS_LOOKED_AT
        )

    @property
    def has_skipped(self) -> bool:
        """Return whether a job was not wanted: then a few more entries are likely to be too few."""
        return self._looked_at > len(self.jobs)

    def look_at(self, job: Job, is_wanted: bool = True) -> bool:
        """Count a job, and add it if it is wanted. Return False if the page has no room for it."""
        size = _size_of(job)
        if self.is_full or (is_wanted and self.jobs and self._characters + size > _PAGE_CHARACTERS):
            return False
        self._looked_at += 1
        self._characters_looked_at += size
        if is_wanted:
            self.jobs.append(self._shape(job, self._clock_shift_ms))
            self._characters += size
        return True

    def filled(self, jobs: Iterable[tuple[int, Job | None]]) -> Fields:
        """Return a reply with as many jobs as fit. `next` is the number of the first one left, or None."""
        rest = (n for n, job in jobs if job is not None and not self.look_at(job))
        next_number = next(rest, None)
        return {"jobs": self.jobs, "next": next_number}


def _size_of(job: Job) -> int:
    """Return about how many characters the record of a job has."""
    reasons = sum(len(str(attempt.get("reason"))) for attempt in job.history)
    options = len(str(job.options)) if job.options else 0
    return len(job.command) + len(job.cwd) + reasons + options + 400 * (len(job.history) + 1)


def _wanted_states(request: Fields, filter: Filter) -> list[str]:
    """Return the states that a request asks for, in the order of display."""
    states = request.get("state")
    if states is None:
        states = STATES_SHOWN
    elif not isinstance(states, list):
        states = [states]
    if not states:
        raise InvalidInput(what="name at least one state")
    for state in states:
        if state not in STATES:
            raise InvalidInput(what=f"unknown state {_with_guess(state)}; the states are {', '.join(STATES)}")
    shown: list[str] = [name for name in STATES_SHOWN if name in states]
    if filter.ended_since_ms is not None:
        shown = [name for name in shown if name in FINAL_STATES] or shown
    return shown


def _wanted_indexes(states: list[str], filter: Filter) -> list[str]:
    """Return the indexes that have the jobs in these states, in the order of display.

    Pending jobs can be prefetched, and have the index entries of processing ones.
    """
    read = [PROCESSING, *states] if PENDING in states and PROCESSING not in states else states
    if filter.batch is not None:
        return [member_index(str(filter.batch), name) for name in read]
    return [index for name in read for index in indexes_of(name, filter.queue)]


def _with_guess(state: object) -> str:
    """Return an unknown state, and the one that it may have meant."""
    from difflib import get_close_matches

    near = get_close_matches(str(state)[:40], STATES, n=1)
    return f"{str(state)[:40]!r}" + (f" (did you mean {near[0]}?)" if near else "")


def why(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return why a job is in its state.

    `because` is a code, and the fields beside it are the facts of that case. The caller makes the sentence.
    """
    job = _job(ledger, request)
    state = prefetched.state_of(job, ledger.prefetched())
    return {"why": {"id": job.id, "state": state, **explanations.why(ledger, job, state, now_ms)}}


def retry_waits_s(job: Job) -> list[float]:
    """Return the wait in seconds before each retry, for at most the first ten."""
    return [backoff_ms(job, attempts) / 1000 for attempts in range(1, min(job.max_retries, 10) + 1)]
