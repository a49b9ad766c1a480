"""Verbs: the fixed table of what may be asked of a queue, and how each request is answered.

The supervisor answers requests from its socket with it, a command line without a supervisor its own: same answers.
A request is a dict from outside, so every field is checked here. Knows the engine's commands and the table, no socket
and no file. The trap: a reply must fit a message, so listings come in pages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import commands
from .errors import InvalidInput, UnknownJob
from .job import COMPLETED, DEAD, STATES, check_cwd, check_id
from .jobtable import INDEX_OF_STATE, INDEXES
from .protocol import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from .ledger import Ledger

Fields = dict[str, object]

MAX_IDS = 1000
"""More ids than this do not stand in a reply. Those of a large enqueue follow from its time and first number
(`engine.new_id`).
"""

PAGE_JOBS = 500
_PAGE_BYTES = MAX_MESSAGE_BYTES // 16  # in characters, of which JSON may need six bytes for one


def answer(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """The reply to one request. Raises QueueError; nothing has changed then."""
    verb = str(request.get("verb"))
    if verb not in VERBS:
        raise InvalidInput(what=f"unknown verb {verb[:40]!r}; perhaps the supervisor is of another version")
    return VERBS[verb](ledger, request, now_ms)


def _enqueue(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    specs, cwd = request.get("jobs"), request.get("cwd")
    if not isinstance(specs, list):
        raise InvalidInput(what="enqueue needs jobs, a list")
    why = check_cwd(cwd)
    if why:
        raise InvalidInput(what=f"the folder to run in {why}")
    number = ledger.table.next_number
    ids = ledger.decide(commands.Enqueue(specs, cwd), now_ms)
    if len(ids) <= MAX_IDS:
        return {"count": len(ids), "ids": ids}
    return {"count": len(ids), "at_ms": now_ms, "number": number}


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
    ids = ledger.decide(commands.RetryDead(_wanted_ids(request)), now_ms)
    return {"count": len(ids), "ids": ids[:MAX_IDS]}


def _purge_dead(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    ids = ledger.decide(commands.PurgeDead(_wanted_ids(request)), now_ms)
    return {"count": len(ids), "ids": ids[:MAX_IDS]}


def _wanted_ids(request: Fields) -> list[str] | None:
    ids = request.get("ids")
    if ids is None and request.get("all") is True:
        return None
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
