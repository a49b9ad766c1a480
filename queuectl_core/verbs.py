"""Verbs: the fixed table of what may be asked of a queue, and how each request is answered.

The supervisor answers requests from its socket with it, a command line without a supervisor its own: same answers.
A request is a dict from outside, so every field is checked here. Knows the engine's commands and the table, no socket
and no file. The trap: a reply must fit a message and a turn of the supervisor, so what may be long comes in pages: a
listing, a load of many jobs, all of the dead letter queue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import commands, jobtext
from .errors import InvalidInput, InvalidJob, NothingToDo, UnknownJob
from .job import COMPLETED, DEAD, STATES, check_cwd, check_id
from .jobtable import INDEX_OF_STATE, INDEXES
from .protocol import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from .ledger import Ledger
    from .load import Load

Fields = dict[str, object]

MAX_JOBS = 5000
"""So many jobs come in one request at the most: more of them are a load, in parts."""

MAX_LOAD_JOBS = 5_000_000
MAX_LOAD_BYTES = 1_000_000_000
DEAD_JOBS = 500
"""So many dead jobs are retried or purged at a time, when all are to be."""

PAGE_JOBS = 500
_PAGE_BYTES = MAX_MESSAGE_BYTES // 16  # in characters, of which JSON may need six bytes for one


def answer(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """The reply to one request. Raises QueueError; nothing has changed then."""
    verb = str(request.get("verb"))
    if verb not in VERBS:
        raise InvalidInput(what=f"unknown verb {verb[:40]!r}; perhaps the supervisor is of another version")
    return VERBS[verb](ledger, request, now_ms)


class Conversation:
    """With one client: its requests in their order. It remembers one thing from one to the next, the parts of a load.

    A load is requests to enqueue that count `part` from 0, all but the last marked `more`; it is one request, of
    which the last part is the commit.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._load: Load | None = None
        self._parts = 0

    def answer(self, request: Fields, now_ms: int) -> Fields:
        """As the function of this name."""
        if request.get("verb") != "enqueue" or request.get("part") is None:
            return answer(self._ledger, request, now_ms)
        try:
            return self._take_part(request, now_ms)
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """There comes no more; a load that is not committed comes to nothing."""
        if self._load is not None:
            self._ledger.engine.end_load(self._load)
            self._load = None

    def _take_part(self, request: Fields, now_ms: int) -> Fields:
        if request["part"] == 0:
            self.end()
            self._load, self._parts = self._ledger.engine.begin_load(), 0
        if self._load is None or request["part"] != self._parts:
            raise InvalidInput(what="this part of a load does not follow the one before")
        self._parts += 1
        ids = self._ledger.add_to_load(self._load, *_wanted_jobs(request, self._load.count), now_ms)
        if self._load.count > MAX_LOAD_JOBS or self._load.bytes > MAX_LOAD_BYTES:
            raise InvalidInput(what="too many jobs at once; enqueue them in several loads")
        if request.get("more") is not True:
            self._ledger.commit_load(self._load)
            self._load = None
        return {"ids": ids}


def _enqueue(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    return {"ids": ledger.decide(commands.Enqueue(*_wanted_jobs(request, 0)), now_ms)}


def _wanted_jobs(request: Fields, index: int) -> tuple[list[object], str]:
    """The jobs of a request, the first of which is number `index`, and the folder for those that name none. They come
    as `jobs`, or as `lines` of JSON text.
    """
    cwd, lines = request.get("cwd"), request.get("lines")
    jobs = request.get("jobs") if lines is None else lines
    if not isinstance(jobs, list) or not 0 < len(jobs) <= MAX_JOBS:
        raise InvalidInput(what=f"enqueue needs jobs, a list of 1 to {MAX_JOBS}")
    why = check_cwd(cwd)
    if why:
        raise InvalidInput(what=f"the folder to run in {why}")
    return (jobs if lines is None else [_parse_line(line, n) for n, line in enumerate(lines, index)]), cwd


def _parse_line(line: object, index: int) -> object:
    try:
        return jobtext.parse(line if isinstance(line, str) else "")
    except ValueError as fault:
        raise InvalidJob(index=index, why=f"not a job in JSON ({fault})") from None


def _show(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    id = request.get("id")
    job = ledger.table.get(id) if check_id(id) is None else None
    if job is None:
        raise UnknownJob(id=str(id)[:140])
    return {"job": job.record(ledger.table.clock_shift_ms)}


def _list(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """One page: `next`, as the page before has given it, says where to go on; None at the end."""
    indexes = _wanted_indexes(request.get("state"))
    limit, cursor = request.get("limit", PAGE_JOBS), request.get("next") or [indexes[0], ""]
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise InvalidInput(what="limit must be a whole number from 1 on")
    if not (isinstance(cursor, list) and len(cursor) == 2 and cursor[0] in indexes and _is_key(cursor[1], cursor[0])):
        raise InvalidInput(what="next is not what an earlier page gave")
    return _page(ledger, indexes[indexes.index(cursor[0]) :], cursor[1], min(limit, PAGE_JOBS))


def _is_key(text: object, index: str) -> bool:
    return isinstance(text, str) and (text == "" or (text.isascii() and text.startswith(f"{index}/")))


def _page(ledger: Ledger, indexes: list[str], after: str, limit: int) -> Fields:
    jobs: list[Fields] = []
    size = 0
    for index in indexes:
        for key, id in ledger.table.scan(index, limit - len(jobs), after, reverse=index in _NEWEST_FIRST):
            job = ledger.table.get(id)
            jobs.append(job.record(ledger.table.clock_shift_ms))
            reasons = sum(len(str(attempt.get("reason"))) for attempt in job.history)
            size += len(job.command) + len(job.cwd) + reasons + 400 * (len(job.history) + 1)
            if len(jobs) == limit or size >= _PAGE_BYTES:
                return {"jobs": jobs, "next": [index, key]}
        after = ""
    return {"jobs": jobs, "next": None}


def _wanted_indexes(state: object) -> list[str]:
    if state is None:
        return list(INDEXES)
    if state not in STATES:
        raise InvalidInput(what=f"there is no state {str(state)[:40]!r}; the states are {', '.join(STATES)}")
    return [INDEX_OF_STATE[state]]


def _status(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    return {"counts": dict(ledger.table.counts), "supervisor": None, "workers": []}


def _retry_dead(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    return _change_dead(ledger, request, now_ms, commands.RetryDead)


def _purge_dead(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    return _change_dead(ledger, request, now_ms, commands.PurgeDead)


def _change_dead(ledger: Ledger, request: Fields, now_ms: int, kind: type) -> Fields:
    """`ids`; or with `all` those of the next page that were dead at the first one, which `next` remembers."""
    if request.get("all") is not True:
        return {"count": len(ledger.decide(kind(_wanted_ids(request)), now_ms)), "next": None}
    first = [f"{DEAD}/", ledger.engine.sequence]
    cursor = request.get("next") or first
    if not (isinstance(cursor, list) and len(cursor) == 2 and _is_key(cursor[0], DEAD) and type(cursor[1]) is int):
        raise InvalidInput(what="next is not what an earlier reply gave")
    after, last = cursor
    page = ledger.table.scan(DEAD, DEAD_JOBS, after)
    if not page and cursor is first:
        raise NothingToDo(what="the dead letter queue is empty")
    ids = [id for _, id in page if ledger.table.get(id).revision <= last]
    ledger.decide(kind(ids), now_ms)
    return {"count": len(ids), "next": [page[-1][0], last] if len(page) == DEAD_JOBS else None}


def _wanted_ids(request: Fields) -> list[str]:
    ids = request.get("ids")
    if not isinstance(ids, list) or not ids:
        raise InvalidInput(what="name at least one job")
    for id in ids:
        if check_id(id):
            raise UnknownJob(id=str(id)[:140])
    return ids


def _config_set(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    ledger.decide(commands.ChangeSetting(str(request.get("key")), request.get("value")), now_ms)
    return {}


def _config_list(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    return {"values": ledger.table.settings}


VERBS: dict[str, Callable[[Ledger, Fields, int], Fields]] = {
    "enqueue": _enqueue,
    "show": _show,
    "list": _list,
    "status": _status,
    "dlq-retry": _retry_dead,
    "dlq-purge": _purge_dead,
    "config-set": _config_set,
    "config-list": _config_list,
}

_NEWEST_FIRST = (COMPLETED, DEAD)
"""What is over is shown newest first; what is still to come in the order in which it will."""
