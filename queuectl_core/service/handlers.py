"""Handlers: the fixed table of requests to a home, and the function that answers each.

The supervisor uses the table for requests from its socket.
A command line uses it while no supervisor runs, so both give the same answers.
A request is a dictionary from outside, so this module checks every field.
Knows the engine's commands and the table. Does not know sockets or files.

Invariant: a reply fits into one message and into one turn of the supervisor.
Anything that can be long comes in pages: lists, loads of many jobs, changes to the whole dead letter queue.
"""

from __future__ import annotations

from ..engine.admission import Admission
from ..engine.job_operations import DECISIONS
from ..engine.transitions import after
from ..errors import EnvironmentNeeded, InvalidInput, InvalidJob, NotDead, NothingToDo, WrongState
from ..model import commands, events, job_text, validators
from ..model.job import DEAD, Job
from ..model.job_spec import check_env
from ..model.reasons import is_cancellation
from ..table.memtable import FreshJob, NumberBlock
from ..wire.protocol import MAX_JOBS, check_load, jobs_at_once
from . import fields
from .fields import Fields

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from ..engine.bulk import Load
    from ..model.records import State
    from .ledger import Ledger

    Asked = TypeVar("Asked")
    CommandOf = Callable[[Asked], commands.Command]
    Handler = Callable[[Ledger, Fields, int], Fields]

PREVIEW_JOBS = 500
"""The most jobs in one reply to a preview."""

HANDED = "already handed to a worker"
"""The state of a prefetched job in a refusal: answers show it as pending, but the engine can no longer change it."""

DEAD_JOBS = 500
"""The most dead jobs that one request with `all` retries or purges."""


def answer(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the reply to one request. If it raises, nothing has changed.

    Raises: QueueError.
    """
    verb = str(request.get("verb"))
    if verb not in HANDLERS:
        advice = "the supervisor may be another version, so run `queuectl worker restart`"
        raise InvalidInput(what=f"unknown request {verb[:40]!r}; {advice}")
    try:
        return HANDLERS[verb](ledger, request, now_ms)
    except (WrongState, NotDead) as refusal:
        if refusal.fields["id"] in ledger.prefetched():
            refusal.fields["state"] = HANDED
        raise


class Session:
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
        """End the session, and discard a load that is not committed."""
        if self._load is not None:
            self._ledger.engine.end_load(self._load)
            self._load = None

    def _take_part(self, request: Fields, now_ms: int) -> Fields:
        if request["part"] == 0:
            self.end()
            self._load, self._parts = self._ledger.engine.begin_load(), 0
            self._load.environ, self._load.trace = _environ(self._ledger, request), _trace(request)
        if self._load is None or request["part"] != self._parts:
            raise InvalidInput(what="this part does not follow the previous part of the load")
        self._parts += 1
        ids = self._ledger.add_to_load(self._load, *_new_jobs(request, self._load.count), now_ms)
        check_load(self._load.count, self._load.bytes)
        if not fields.is_set(request, "more"):
            self._ledger.commit_load(self._load, now_ms)
            self._load = None
        return {"ids": ids}


def _new_jobs(request: Fields, index: int = 0) -> tuple[list[object], str]:
    """Return the jobs of a request, and the working folder of those that name none.

    The jobs come as `jobs`, or as `lines` of JSON text. `index` is the number of the first one, for
    error messages.
    """
    is_text = request.get("lines") is not None
    jobs = fields.jobs(request, "lines" if is_text else "jobs")
    why = validators.fault_in(request.get("cwd"), validators.path)
    if why:
        raise InvalidInput(what=f"the folder to run in {why}")
    if is_text:
        jobs = [_parse_line(line, n) for n, line in enumerate(jobs, index)]
    return jobs, str(request["cwd"])


def _environ(ledger: Ledger, request: Fields) -> Mapping[str, str] | None:
    """Return the environment of the sender if the jobs get it, or None if they get that of their worker.

    Raises: EnvironmentNeeded, InvalidInput.
    """
    settings = ledger.engine.settings
    if not settings.values or settings.usable("environment") != "submit":
        return None
    environ = request.get("environ")
    if environ is None:
        raise EnvironmentNeeded()
    try:
        return check_env(environ)
    except ValueError as fault:
        raise InvalidInput(what=f"the environment of this call, which its jobs get, {fault}") from None


def _trace(request: Fields) -> Mapping[str, str]:
    """Return the variables of the trace that the sender belongs to."""
    if "trace" not in request:
        return {}
    from ..model import trace_context  # few requests have a trace

    return trace_context.checked(request["trace"])


def _enqueue(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    command = commands.Enqueue(*_new_jobs(request), _environ(ledger, request), _trace(request))
    return {"ids": ledger.decide(command, now_ms)}


def _parse_line(line: object, index: int) -> object:
    try:
        return job_text.parse(line if isinstance(line, str) else "")
    except ValueError as fault:
        raise InvalidJob(index=index, why=f"invalid JSON ({fault})") from None


def _preview(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the jobs that `enqueue` would add, and the waits before their retries. Change nothing.

    The reply is one page. Its `next` is the number of the first job on the next page, or None at the end.
    """
    from .queries import Page

    specs, cwd = _new_jobs(request)
    first = fields.index(request)
    admission = Admission(ledger.table, ledger.engine.defaults, cwd, now_ms)
    admission.add_all(specs)
    new = list(admission.events.values())
    dead = {id: events.Canceled(id, now_ms, reason) for id, reason in admission.doomed.items()}
    fresh = (FreshJob((event, NumberBlock(event.number))).job for event in new[first:])
    jobs = (after(job, dead[job.id]) if job.id in dead else job for job in fresh)
    page = Page(PREVIEW_JOBS, _previewed, ledger.table.clock_shift_ms)
    return page.filled(enumerate(jobs, first))


def _previewed(job: Job, clock_shift_ms: int) -> Fields:
    from .queries import retry_waits_s

    return {**job.record(clock_shift_ms), "retries_after_s": retry_waits_s(job)}


def _retry_dead(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    changes = fields.mapping(request) if request.get("fields") else {}
    how = fields.is_set(request, "dependants"), fields.is_set(request, "all")
    return _change_dead(ledger, request, now_ms, lambda ids: commands.RetryDead(ids, changes, *how))


def _preview_retry(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the jobs that a retry with dependants would retry. Change nothing.

    The request has a name of its own, because an older supervisor would ignore a condition, and retry the jobs.
    The reply is one page. Its `next` is the number of the first job on the next page, or None at the end.
    """
    first = fields.index(request)
    command = commands.RetryDead(fields.ids(request), {}, True, fields.is_set(request, "all"))
    ids: Any = DECISIONS[commands.RetryDead](ledger.table, command, now_ms)[1]
    end = first + MAX_JOBS
    return {"ids": ids[first:end], "next": end if len(ids) > end else None}


def _purge_dead(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    return _change_dead(ledger, request, now_ms, commands.PurgeDead)


def _retry_failed(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Retry one page of the dead jobs that nobody canceled.

    The request has a name of its own, because an older supervisor would ignore a condition, and retry all dead jobs.
    """
    return _retry_dead(ledger, {**request, "all": True, "failed": True}, now_ms)


def _change_dead(ledger: Ledger, request: Fields, now_ms: int, command_of: CommandOf[list[str]]) -> Fields:
    """Apply a command to the dead jobs in `ids`, or with `all` to one page of all dead jobs.

    With `lenient`, skip the jobs in `ids` that are not dead any more, or do not exist.
    With `all`, the reply's `next` asks for the page that follows.
    It also holds the sequence at the first request, so that jobs that change later are left alone.
    """
    if not fields.is_set(request, "all"):
        ids = fields.ids(request)
        if fields.is_set(request, "lenient"):
            ids = [id for id in ids if ledger.table.state_of(id) == DEAD]
        return {"count": len(ledger.decide(command_of(ids), now_ms)) if ids else 0, "next": None}
    cursor = fields.cursor(request)
    after, last = cursor or (f"{DEAD}/", ledger.engine.sequence)
    if not fields.is_key(after, DEAD) or type(last) is not int:
        raise fields.bad_cursor()
    limit = min(DEAD_JOBS, jobs_at_once(request.get("fields")))
    page = ledger.table.scan(DEAD, limit, after)
    if not page and cursor is None:
        raise NothingToDo(what="the dead letter queue is empty")
    jobs = [job for _, id in page if (job := ledger.table.existing(id)).revision <= last]
    ids = [job.id for job in jobs if not (fields.is_set(request, "failed") and is_cancellation(job.reason))]
    ledger.decide(command_of(ids), now_ms)
    return {"count": len(ids), "next": [page[-1][0], last] if len(page) == limit else None}


def _reads(path: str) -> Handler:
    """Return the handler of a request that only reads: the function at `module.function` in this package.

    The first such request imports the module, because a call that adds jobs needs none of them.
    """
    module, _, function = path.partition(".")

    def handle(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
        # Importing importlib would take longer than what this saves.
        found: Handler = getattr(__import__(f"{__package__}.{module}", fromlist=[function]), function)
        return found(ledger, request, now_ms)

    return handle


def _decides(command_of: CommandOf[Fields], field: str | None = None) -> Handler:
    """Return the handler of a request that is one command. `field` of the reply has the engine's reply."""

    def handle(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
        reply = ledger.decide(command_of(request), now_ms)
        return {} if field is None else {field: reply}

    return handle


def _changes(command_of: CommandOf[Fields]) -> Handler:
    """Return the handler of a request that changes the jobs that it names.

    If the request names `states` too, it changes only the jobs that are still in one of them.
    """
    decide = _decides(command_of, "ids")

    def handle(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
        states = request.get("states")
        if not isinstance(states, list):
            return decide(ledger, request, now_ms)
        ids = [id for id in fields.ids(request) if _state_of(ledger, id) in states]
        return decide(ledger, {**request, "ids": ids}, now_ms) if ids else {"ids": []}

    return handle


def _state_of(ledger: Ledger, id: str) -> State | None:
    """Return the state of a job that users see, or None if there is no such job."""
    from .prefetched import state_of

    job = ledger.table.get(id)
    return None if job is None else state_of(job, ledger.prefetched())


def _targets(request: Fields) -> tuple[list[str], bool]:
    """Return the IDs that a request names, and whether to skip the jobs to which it does not apply."""
    return fields.ids(request), fields.is_set(request, "lenient")


def _cancel(request: Fields) -> commands.Command:
    from signal import SIGTERM  # imports enum, which few calls need

    ids, lenient = _targets(request)
    signal = request.get("signal", int(SIGTERM))
    if type(signal) is not int or not 1 <= signal <= 64:
        raise InvalidInput(what="signal must be the number of a signal")
    return commands.Cancel(ids, signal, lenient)


def _edit(request: Fields) -> commands.Command:
    ids, lenient = _targets(request)
    return commands.Edit(ids, fields.mapping(request), lenient)


def _name(request: Fields, field: str = "name") -> str:
    return str(request.get(field))


HANDLERS: dict[str, Handler] = {
    "enqueue": _enqueue,
    "preview": _preview,
    "show": _reads("queries.show"),
    "kept": _reads("queries.kept"),
    "find": _reads("id_words.find"),
    "sequence": _reads("queries.snapshot"),
    "list": _reads("queries.listing"),
    "status": _reads("queries.status"),
    "overview": _reads("overview.overview"),
    "metrics": _reads("metrics.metrics"),
    "batch": _reads("batches.batch"),
    "why": _reads("queries.why"),
    "queue-list": _reads("queue_pages.queues"),
    "queue-set": _decides(
        lambda request: commands.ChangeQueue(_name(request, "queue"), fields.mapping(request))
    ),
    "queue-remove": _decides(lambda request: commands.RemoveQueue(_name(request, "queue"))),
    "schedule-list": _reads("queue_pages.schedules"),
    "schedule-set": _decides(
        lambda request: commands.SetSchedule(_name(request), fields.mapping(request, "schedule"))
    ),
    "schedule-remove": _decides(lambda request: commands.RemoveSchedule(_name(request))),
    "schedule-pause": _decides(
        lambda request: commands.PauseSchedule(_name(request), fields.is_set(request, "paused"))
    ),
    "schedule-run": _decides(lambda request: commands.RunSchedule(_name(request)), "id"),
    "dependants": _reads("queries.dependants"),
    "dead-dependants": _reads("queries.dead_dependants"),
    "cancel": _changes(_cancel),
    "remove": _changes(lambda request: commands.Remove(*_targets(request))),
    "retry": _changes(lambda request: commands.RunNow(*_targets(request))),
    "edit": _changes(_edit),
    "move": _decides(lambda request: commands.Move(_name(request, "id"), request.get("to")), "id"),
    "switch": _decides(lambda request: commands.Switch(_name(request, "id"), _name(request, "other")), "ids"),
    "suspend": _changes(lambda request: commands.Suspend(*_targets(request))),
    "continue": _changes(lambda request: commands.Continue(*_targets(request))),
    "dlq-retry": _retry_dead,
    "dlq-retry-failed": _retry_failed,
    "dlq-retry-preview": _preview_retry,
    "dlq-purge": _purge_dead,
    "import": _decides(
        lambda request: commands.Import(fields.jobs(request), fields.is_set(request, "skip")), "ids"
    ),
    "config-set": _decides(
        lambda request: commands.ChangeSetting(_name(request, "key"), request.get("value"))
    ),
    "config-list": lambda ledger, request, now_ms: {"values": ledger.table.settings},
}
