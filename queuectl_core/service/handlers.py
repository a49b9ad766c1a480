"""Handlers: the fixed table of requests to a queue, and the function that answers each.

The supervisor uses the table for requests from its socket.
A command line uses it while no supervisor runs, so both give the same answers.
A request is a dictionary from outside, so this module checks every field.
Knows the engine's commands and the table. Does not know sockets or files.

Invariant: a reply fits into one message and into one turn of the supervisor.
Anything that can be long comes in pages: lists, loads of many jobs, changes to the whole dead letter queue.
"""

from __future__ import annotations

from collections.abc import Callable
from signal import SIGTERM
from typing import TYPE_CHECKING

from ..engine.admission import admit
from ..errors import InvalidInput, InvalidJob, NothingToDo, UnknownJob
from ..model import commands, job_text
from ..model.job import DEAD, Job
from ..model.job_spec import check_cwd, check_id
from ..table.memtable import FreshJob, NumberBlock
from ..wire.protocol import MAX_JOBS, jobs_at_once
from . import queries, queue_pages
from .queries import Page

if TYPE_CHECKING:
    from ..engine.bulk import Load
    from .ledger import Ledger

Fields = dict[str, object]

PREVIEW_JOBS = 500
"""The most jobs in one reply to a preview."""

MAX_LOAD_JOBS = 5_000_000
MAX_LOAD_BYTES = 1_000_000_000
DEAD_JOBS = 500
"""The most dead jobs that one request with `all` retries or purges."""


def answer(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the reply to one request. If it raises, nothing has changed.

    Raises: QueueError.
    """
    verb = str(request.get("verb"))
    if verb not in VERBS:
        advice = "the supervisor may be another version, so run `queuectl worker restart`"
        raise InvalidInput(what=f"unknown request {verb[:40]!r}; {advice}")
    return VERBS[verb](ledger, request, now_ms)


class Conversation:
    """The requests of one client, answered in order.

    It keeps one thing between requests: the load that is in progress.
    A load is one `enqueue` that arrives as several requests. They count `part` from 0, and all
    except the last have `more`.
    The last part commits the load.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._load: Load | None = None
        self._parts = 0

    def answer(self, request: Fields, now_ms: int) -> Fields:
        """Return the reply to the client's next request, which may be a part of a load.

        If a part of a load fails, the whole load is discarded.
        """
        if request.get("verb") != "enqueue" or request.get("part") is None:
            return answer(self._ledger, request, now_ms)
        try:
            return self._take_part(request, now_ms)
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """End the conversation, and discard a load that is not committed."""
        if self._load is not None:
            self._ledger.engine.end_load(self._load)
            self._load = None

    def _take_part(self, request: Fields, now_ms: int) -> Fields:
        if request["part"] == 0:
            self.end()
            self._load, self._parts = self._ledger.engine.begin_load(), 0
        if self._load is None or request["part"] != self._parts:
            raise InvalidInput(what="this part does not follow the previous part of the load")
        self._parts += 1
        ids = self._ledger.add_to_load(self._load, *_wanted_jobs(request, self._load.count), now_ms)
        if self._load.count > MAX_LOAD_JOBS or self._load.bytes > MAX_LOAD_BYTES:
            raise InvalidInput(what="too many jobs at once; split them into several calls")
        if request.get("more") is not True:
            self._ledger.commit_load(self._load, now_ms)
            self._load = None
        return {"ids": ids}


def _enqueue(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    return {"ids": ledger.decide(commands.Enqueue(*_wanted_jobs(request, 0)), now_ms)}


def _wanted_jobs(request: Fields, index: int) -> tuple[list[object], str]:
    """Return the jobs of a request, and the working folder of those that name none.

    The jobs come as `jobs`, or as `lines` of JSON text. `index` is the number of the first one, for
    error messages.
    """
    cwd, lines = request.get("cwd"), request.get("lines")
    given = request.get("jobs") if lines is None else lines
    if not isinstance(given, list) or not 0 < len(given) <= MAX_JOBS:
        raise InvalidInput(what=f"enqueue needs a list of 1 to {MAX_JOBS} jobs")
    why = check_cwd(cwd)
    if why:
        raise InvalidInput(what=f"the folder to run in {why}")
    jobs = given if lines is None else [_parse_line(line, n) for n, line in enumerate(given, index)]
    return jobs, str(cwd)


def _parse_line(line: object, index: int) -> object:
    try:
        return job_text.parse(line if isinstance(line, str) else "")
    except ValueError as fault:
        raise InvalidJob(index=index, why=f"invalid JSON ({fault})") from None


def _preview(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the jobs that `enqueue` would add, and the waits before their retries. Change nothing.

    The reply is one page. Its `next` is the number of the first job on the next page, or None at the end.
    """
    specs, cwd = _wanted_jobs(request, 0)
    first = request.get("next") or 0
    if type(first) is not int or first < 0:
        raise InvalidInput(what="next must be the value from an earlier page")
    events = admit(ledger.table, ledger.engine.settings, specs, cwd, now_ms).events
    page = Page(PREVIEW_JOBS)
    for n, event in enumerate(events[first:], first):
        job = FreshJob((event, NumberBlock(event.number))).job
        if not page.look_at(job, True, _previewed, ledger.table.clock_shift_ms):
            return {"jobs": page.jobs, "next": n}
    return {"jobs": page.jobs, "next": None}


def _previewed(job: Job, clock_shift_ms: int) -> Fields:
    return {**job.record(clock_shift_ms), "retries_after_s": queries.timetable(job)}


def _retry_dead(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    fields = request.get("fields") or {}
    if not isinstance(fields, dict):
        raise InvalidInput(what="fields must be an object")
    dependants, everything = request.get("dependants") is True, request.get("all") is True
    return _change_dead(ledger, request, now_ms, lambda ids: commands.RetryDead(ids, fields, dependants, everything))


def _purge_dead(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    return _change_dead(ledger, request, now_ms, commands.PurgeDead)


def _change_dead(ledger: Ledger, request: Fields, now_ms: int, kind: Callable[[list[str]], commands.Command]) -> Fields:
    """Apply a command to the dead jobs in `ids`, or with `all` to one page of all dead jobs.

    With `all`, the reply's `next` asks for the page that follows.
    It also holds the sequence at the first request, so that jobs that change later are left alone.
    """
    at_once = jobs_at_once(request.get("fields"))
    if request.get("all") is not True:
        return {"count": len(ledger.decide(kind(_wanted_ids(request, at_once)), now_ms)), "next": None}
    first = [f"{DEAD}/", ledger.engine.sequence]
    cursor = request.get("next") or first
    if not (
        isinstance(cursor, list) and len(cursor) == 2 and queries.is_key(cursor[0], DEAD) and type(cursor[1]) is int
    ):
        raise InvalidInput(what="next must be the value from an earlier reply")
    after, last = cursor
    limit = min(DEAD_JOBS, at_once)
    page = ledger.table.scan(DEAD, limit, after)
    if not page and cursor is first:
        raise NothingToDo(what="the dead letter queue is empty")
    ids = [id for _, id in page if ledger.table.existing(id).revision <= last]
    ledger.decide(kind(ids), now_ms)
    return {"count": len(ids), "next": [page[-1][0], last] if len(page) == limit else None}


def _wanted_ids(request: Fields, limit: int) -> list[str]:
    """Return the job IDs that a request names, 1 to `limit` of them.

    Raises: InvalidInput, UnknownJob.
    """
    ids = request.get("ids")
    if not isinstance(ids, list) or not ids:
        raise InvalidInput(what="name at least one job")
    if len(ids) > limit:
        such = "" if limit == MAX_JOBS else " for such a change"
        raise InvalidInput(what=f"name at most {limit} jobs at a time{such}")
    for id in ids:
        if check_id(id):
            raise UnknownJob(id=str(id)[:140])
    return ids


def _by_hand(kind: Callable[..., commands.Command]) -> Callable[[Ledger, Fields, int], Fields]:
    """Return the handler of a verb that changes named jobs. It replies with their IDs."""

    def change(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
        ids = _wanted_ids(request, jobs_at_once(request.get("fields")))
        lenient = request.get("lenient") is True
        return {"ids": ledger.decide(kind(ids, request, lenient), now_ms)}

    return change


def _cancel(ids: list[str], request: Fields, lenient: bool) -> commands.Command:
    number = request.get("signal", int(SIGTERM))
    if type(number) is not int or not 1 <= number <= 64:
        raise InvalidInput(what="signal must be the number of a signal")
    return commands.Cancel(ids, number, lenient)


def _edit(ids: list[str], request: Fields, lenient: bool) -> commands.Command:
    fields = request.get("fields")
    if not isinstance(fields, dict):
        raise InvalidInput(what="fields must be an object")
    return commands.Edit(ids, fields, lenient)


def _queue_set(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    fields = request.get("fields")
    if not isinstance(fields, dict):
        raise InvalidInput(what="fields must be an object")
    ledger.decide(commands.ChangeQueue(str(request.get("queue")), fields), now_ms)
    return {}


def _schedule_set(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    wanted = request.get("schedule")
    if not isinstance(wanted, dict):
        raise InvalidInput(what="schedule must be an object")
    ledger.decide(commands.SetSchedule(_name_of(request), wanted), now_ms)
    return {}


def _schedule_remove(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    ledger.decide(commands.RemoveSchedule(_name_of(request)), now_ms)
    return {}


def _schedule_pause(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    ledger.decide(commands.PauseSchedule(_name_of(request), request.get("paused") is True), now_ms)
    return {}


def _schedule_run(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    return {"id": ledger.decide(commands.RunSchedule(_name_of(request)), now_ms)}


def _name_of(request: Fields) -> str:
    return str(request.get("name"))


def _import(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    jobs = request.get("jobs")
    if not isinstance(jobs, list) or not 0 < len(jobs) <= MAX_JOBS:
        raise InvalidInput(what=f"import needs a list of 1 to {MAX_JOBS} jobs")
    return {"ids": ledger.decide(commands.Import(jobs, request.get("skip") is True), now_ms)}


def _config_set(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    ledger.decide(commands.ChangeSetting(str(request.get("key")), request.get("value")), now_ms)
    return {}


def _config_list(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    return {"values": ledger.table.settings}


VERBS: dict[str, Callable[[Ledger, Fields, int], Fields]] = {
    "enqueue": _enqueue,
    "preview": _preview,
    "show": queries.show,
    "kept": queries.kept,
    "sequence": queries.snapshot,
    "list": queries.listing,
    "status": queries.status,
    "why": queries.why,
    "queue-list": queue_pages.queues,
    "queue-set": _queue_set,
    "schedule-list": queue_pages.schedules,
    "schedule-set": _schedule_set,
    "schedule-remove": _schedule_remove,
    "schedule-pause": _schedule_pause,
    "schedule-run": _schedule_run,
    "cancel": _by_hand(_cancel),
    "remove": _by_hand(lambda ids, request, lenient: commands.Remove(ids, lenient)),
    "retry": _by_hand(lambda ids, request, lenient: commands.RunNow(ids, lenient)),
    "edit": _by_hand(_edit),
    "suspend": _by_hand(lambda ids, request, lenient: commands.Suspend(ids, lenient)),
    "continue": _by_hand(lambda ids, request, lenient: commands.Continue(ids, lenient)),
    "dlq-retry": _retry_dead,
    "dlq-purge": _purge_dead,
    "import": _import,
    "config-set": _config_set,
    "config-list": _config_list,
}
