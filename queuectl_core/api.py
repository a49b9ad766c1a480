"""Queue: what programs embed and the command line is made of: one object for one home.

    with Queue("/var/lib/me") as queue:
        id = queue.enqueue("make -C /src", max_retries=5)
        with queue.supervisor(workers=2):
            queue.wait([id])
        print(queue.get(id)["state"])

Every call goes to the supervisor if one runs, else it takes the writer lock for an instant and does the work itself;
the answers are the same. Knows what to ask, not how an answer is come by (`caller`). The trap: what
is given page by page
may have changed between two of them.
"""

from __future__ import annotations

import os
from itertools import chain

from .caller import Caller, load_requests, parts_of
from .errors import InvalidInput
from .forks import no_fork
from .home import Home, default_path
from .protocol import jobs_at_once

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    import builtins  # `Queue.list` hides `list` in the annotations behind it
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from typing_extensions import Unpack  # type checkers bring it; nothing imports it at run time

    from . import records
    from .child import Running
    from .records import Ended, JobRecord, JobSpec, QueueRecord, ScheduleRecord

ANSWER_WITHIN_S = 30.0
SELECT_JOBS = 500
"""So many jobs are changed at a time, where a filter chooses them."""


def _warn(text: str) -> None:
    import warnings

    warnings.warn(text, RuntimeWarning, stacklevel=2)


class Queue:
    """`home` None: the one that the command line would use. `deadline_s`: how long an answer may take, in seconds;
    without a supervisor calls stand in line, and the time counts from when the line last moved.
    `notice` is told what a person should know of the home beside the answer, such as a torn tail that was set aside; by
    default it is a RuntimeWarning.

    Threads may share one, also through `asyncio.to_thread`, and so may a signal handler: each call has a connection to
    itself while it lasts. A forked child may go on using its copy, which connects anew. An iterator (`list`, `select`,
    `export`) and the object that `supervisor` returns belong to one thread in one process.
    """

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        deadline_s: float = ANSWER_WITHIN_S,
        notice: Callable[[str], None] = _warn,
    ) -> None:
        self.home = Home(os.fspath(home) if home is not None else default_path(dict(os.environ)))
        self._caller = Caller(self.home, deadline_s, notice)

    def __enter__(self) -> Queue:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def deadline_s(self) -> float:
        """How long an answer may take, from the next call on."""
        return self._caller.deadline_s

    @deadline_s.setter
    def deadline_s(self, deadline_s: float) -> None:
        self._caller.deadline_s = deadline_s

    def close(self) -> None:
        self._caller.close()

    def enqueue(self, command: str, **fields: Unpack[records.JobFields]) -> str:
        """Adds one job; returns its id once it is durable. Fields: those of `spec`, such as max_retries, queue, after.

        Raises InvalidJob, DuplicateJob, KeyTaken, BadDependency, DiskFull, Busy.
        """
        return self.enqueue_many([{"command": command, **fields}])[0]

    def enqueue_many(self, specs: Iterable[JobSpec], cwd: str | None = None) -> list[str]:
        """Adds all of these jobs or, when one is refused, none; returns their ids. `cwd` (default: this process's)
        is for those that name none.

        The error's field `index` says which one was refused, counted from 0.
        """
        return self._enqueue("jobs", specs, cwd, lambda count: None)

    def enqueue_lines(
        self, lines: Iterable[str], cwd: str | None = None, progress: Callable[[int], None] = lambda count: None
    ) -> list[str]:
        """The same from lines of JSON, one job each; they are parsed where they are checked, so this costs less.

        `progress` is told now and then how many have been taken so far.
        """
        return self._enqueue("lines", lines, cwd, progress)

    def get(self, id: str) -> JobRecord:
        """The job's record. Raises UnknownJob."""
        job: JobRecord = self._caller.ask("show", id=id)["job"]
        return job

    def preview(self, specs: Sequence[JobSpec], cwd: str | None = None) -> list[JobRecord]:
        """What `enqueue_many` would make of them, with `retries_after_s`; nothing is added. At most 5000, of 4 MiB."""
        return list(self._paged("preview", "jobs", jobs=list(specs), cwd=cwd or _working_folder()))

    def why(self, id: str) -> dict[str, Any]:
        """Why the job is as it is: `because`, a code, and the facts that belong to it. Raises UnknownJob."""
        found: dict[str, Any] = self._caller.ask("why", id=id)["why"]
        return found

    def list(
        self, state: str | Sequence[str] | None = None, limit: int = 0, **wanted: Unpack[records.Filter]
    ) -> Iterator[JobRecord]:
        """Records of the jobs in `state` (or several, or all), at most `limit` (0: no limit), page by page: alive
        first, then what is over, newest first. `wanted`: queue, name, key, tags, since_ms, until_ms (of their
        creation); to find those, all others are looked at. Raises InvalidInput.
        """
        left = limit
        for page in self._pages(state=state, limit=min(limit, 500) if limit else 500, **wanted):
            yield from page[:left] if limit else page
            left -= len(page)
            if limit and left <= 0:
                return

    def select(
        self, state: str | Sequence[str] | None = None, **wanted: Unpack[records.Filter]
    ) -> Iterator[builtins.list[str]]:
        """The ids of the jobs that `list` would give, some hundred at a time."""
        yield from self._pages(state=state, limit=SELECT_JOBS, form="brief", **wanted)

    def status(self) -> records.StatusRecord:
        """`counts` by state, `supervisor` (None when none runs) and `workers`."""
        status: Any = self._caller.ask("status")
        found: records.StatusRecord = status
        return found

    def wait(self, ids: Sequence[str], timeout_s: float | None = None) -> Ended | None:
        """Until all these jobs have ended; how many of them in which way: completed, dead, purged. None when
        `timeout_s` is over first. Raises UnknownJob, NoSupervisor.
        """
        with no_fork:
            from .awaiting import Awaiting

        return Awaiting(self._caller, timeout_s).these(list(dict.fromkeys(ids)))

    def wait_for(
        self,
        state: str | Sequence[str] | None = None,
        timeout_s: float | None = None,
        **wanted: Unpack[records.Filter],
    ) -> Ended | None:
        """The same for the jobs that `list` would give now. Those that were over before count too; empty when no job
        matches. Raises InvalidInput, NoSupervisor.
        """
        with no_fork:
            from .awaiting import Awaiting
            from .states import STATES

        wanted_states = STATES if state is None else state
        states = [wanted_states] if isinstance(wanted_states, str) else list(wanted_states)
        return Awaiting(self._caller, timeout_s).matching(states, wanted)

    def retry_dead(
        self,
        ids: Sequence[str] | None = None,
        progress: Callable[[int], None] = lambda count: None,
        fields: Mapping[str, object] | None = None,
        dependants: bool = False,
    ) -> int:
        """Takes these jobs out of the dead letter queue; how many. None: all, some hundred at a time, each of which
        `progress` is told. `fields` change on the way; with `dependants` those that died with them come along.
        Raises UnknownJob, NotDead, NothingToDo.
        """
        return self._change_dead("dlq-retry", ids, progress, fields=fields, dependants=dependants)

    def purge_dead(self, ids: Sequence[str] | None = None, progress: Callable[[int], None] = lambda count: None) -> int:
        """Removes these dead jobs for good; how many. As `retry_dead`."""
        return self._change_dead("dlq-purge", ids, progress)

    def cancel(self, ids: Sequence[str], signal: int = 15, lenient: bool = False) -> builtins.list[str]:
        """What waits is dead at once, what runs is ended with this signal. The ids of those to which it was done; with
        `lenient`, here and below, others are passed over. Raises UnknownJob, WrongState.
        """
        return self._change("cancel", ids, lenient, signal=signal)

    def remove(self, ids: Sequence[str], lenient: bool = False) -> builtins.list[str]:
        """For good; not those that run. As `cancel`."""
        return self._change("remove", ids, lenient)

    def retry(self, ids: Sequence[str], lenient: bool = False) -> builtins.list[str]:
        """What waits for a time runs now, what is dead is tried again. As `cancel`."""
        return self._change("retry", ids, lenient)

    def edit(
        self, ids: Sequence[str], fields: Mapping[str, object], lenient: bool = False
    ) -> builtins.list[str]:
        """Gives jobs that do not run other fields; None: as if it had not been given. As `cancel`."""
        if not lenient:
            return self._change("edit", ids, False, fields=fields)
        size, ids = jobs_at_once(fields), list(ids)
        parts = [ids[start : start + size] for start in range(0, len(ids), size)]
        return [id for part in parts for id in self._change("edit", part, True, fields=fields)]

    def suspend(self, ids: Sequence[str], lenient: bool = False) -> builtins.list[str]:
        """Stops running jobs (SIGSTOP) until they are continued. As `cancel`."""
        return self._change("suspend", ids, lenient)

    def go_on(self, ids: Sequence[str], lenient: bool = False) -> builtins.list[str]:
        """Continues suspended jobs. As `cancel`."""
        return self._change("continue", ids, lenient)

    def queues(self, queue: str | None = None) -> builtins.list[QueueRecord]:
        """Every queue with jobs or rules, or one: its counts, limit, rate, and since when it is paused."""
        return list(self._paged("queue-list", "queues", queue=queue))

    def set_queue(self, queue: str, **rules: Unpack[records.QueueLimits]) -> None:
        """`limit`: so many run at once; `rate`: [so many, in so many seconds] begin; `paused`: none begins. None
        unsets. `*` is all queues, which can only be paused. Raises InvalidInput.
        """
        self._caller.ask("queue-set", queue=queue, fields=rules)

    def export(
        self, state: str | Sequence[str] | None = None, **wanted: Unpack[records.Filter]
    ) -> Iterator[dict[str, Any]]:
        """All that is kept of the jobs that `list` would give: what `import_jobs` takes in another home."""
        for page in self._pages(state=state, form="raw", oldest_first=True, **wanted):
            for job in page:
                yield _portable(job)

    def kept(self, ids: Sequence[str] | None = None) -> Iterator[builtins.list[dict[str, Any]]]:
        """Pages of all jobs as this home keeps them; or of those of at most 5000 ids that are
        there. For `backup`.
        """
        if ids is None:
            return self._pages(form="kept", oldest_first=True)
        return self._pages_of("kept", "jobs", ids=list(ids))

    def import_jobs(self, jobs: Sequence[object], skip: bool = False) -> builtins.list[str]:
        """Adds jobs as another home has exported them, with their state and history; all or none. `skip`: but those
        whose ids are there already. The ids. Raises InvalidJob, DuplicateJob.
        """
        ids: builtins.list[str] = self._caller.ask("import", jobs=list(jobs), skip=skip)["ids"]
        return ids

    def sequence(self) -> dict[str, Any]:
        """`sequence`, that of the last event, and `settings`, `queues`, `schedules`,
        `clock_shift_ms` as they are kept.
        """
        found = self._caller.ask("sequence")
        found["queues"] = dict(self._paged("queue-list", "queues", form="raw"))
        found["schedules"] = dict(self._paged("schedule-list", "schedules", form="raw"))
        return found

    def schedules(self, name: str | None = None) -> builtins.list[ScheduleRecord]:
        """Every schedule, by name, or one: when it comes, when next, and its job."""
        return list(self._paged("schedule-list", "schedules", name=name))

    def set_schedule(
        self, name: str, job: JobSpec, cwd: str | None = None, **when: Unpack[records.ScheduleTimes]
    ) -> None:
        """New, or in the place of one: `cron` (and `zone`, else UTC) or `every`, a time; `overlap`.
        With `next_ms` it goes on as it was in another home: `last_id`, `paused_ms` and `problem`
        belong to it.

        Raises InvalidInput, InvalidJob.
        """
        self._caller.ask("schedule-set", name=name, schedule={"spec": job, "cwd": cwd or _working_folder(), **when})

    def remove_schedule(self, name: str) -> None:
        """Raises UnknownSchedule, here and below."""
        self._caller.ask("schedule-remove", name=name)

    def pause_schedule(self, name: str, paused: bool = True) -> None:
        """What a pause passes over is not made up for."""
        self._caller.ask("schedule-pause", name=name, paused=paused)

    def run_schedule(self, name: str) -> str:
        """Its job now, beside its times; the id."""
        id: str = self._caller.ask("schedule-run", name=name)["id"]
        return id

    def settings(self) -> dict[str, Any]:
        """The config values that are set."""
        values: dict[str, Any] = self._caller.ask("config-list")["values"]
        return values

    def configure(self, key: str, value: object) -> None:
        """Sets a config value; None unsets it. Raises InvalidSetting."""
        self._caller.ask("config-set", key=key, value=value)

    def scale(self, count: int, add: bool = False) -> dict[str, int]:
        """Sets (or adds to) the number of workers of the running supervisor. Raises NoSupervisor."""
        return self._caller.ask_supervisor("scale", count=count, add=add)

    def stop(self, now: bool = False) -> int:
        """Asks the running supervisor to stop, and does not wait for it: running jobs finish first or, with `now`,
        are ended and go back to pending. A job that stops its own queue so is ended too, and its attempt counts.
        The supervisor's pid. Raises NoSupervisor, Busy.
        """
        job = self.home.job_inside(os.environ)
        pid: int = self._caller.ask_supervisor("stop", now=now, job=job)["pid"]
        return pid

    def leave(self) -> tuple[int, int]:
        """Makes the running supervisor end at once; its workers finish what they run, and leave it to be harvested.

        The supervisor's pid, and how many workers it had. Raises NoSupervisor.
        """
        reply = self._caller.ask_supervisor("stop", leave=True)
        self.close()
        return reply["pid"], reply["workers"]

    def supervisor(self, workers: int = 1, python: str | None = None) -> Running:
        """Runs a supervisor as a child process within the block; its pid. At the end running jobs finish first.

        `python`: the interpreter to run it; a frozen program must name one. It writes to `supervisor.log` in the home.
        Raises InvalidInput.
        """
        with no_fork:
            from .child import Running

        return Running(self.home, workers, python, self.close)

    def _enqueue(
        self, field: str, jobs: Iterable[object], cwd: str | None, progress: Callable[[int], None]
    ) -> builtins.list[str]:
        parts = parts_of(jobs)
        first, second = next(parts, None), next(parts, None)
        if first is None:
            raise InvalidInput(what="no jobs to enqueue")
        fields: dict[str, object] = {"cwd": cwd or _working_folder(first if second is None else ())}
        if second is None:
            ids: builtins.list[str] = self._caller.ask("enqueue", **{field: first}, **fields)["ids"]
            return ids
        return self._caller.load(load_requests(field, chain((first, second), parts), fields), progress)

    def _change(self, verb: str, ids: Sequence[str], lenient: bool, **more: object) -> builtins.list[str]:
        changed: builtins.list[str] = self._caller.ask(verb, ids=list(ids), lenient=lenient, **more)["ids"]
        return changed

    def _pages(self, **wanted: object) -> Iterator[builtins.list[Any]]:
        return self._pages_of("list", "jobs", **wanted)

    def _paged(self, verb: str, field: str, **wanted: object) -> Iterator[Any]:
        return chain.from_iterable(self._pages_of(verb, field, **wanted))

    def _pages_of(self, verb: str, field: str, **wanted: object) -> Iterator[builtins.list[Any]]:
        """What stands in this field of each page that answers the verb."""
        cursor = None
        while True:
            page = self._caller.ask(verb, next=cursor, **wanted)
            if page[field]:
                yield page[field]
            cursor = page["next"]
            if cursor is None:
                return

    def _change_dead(
        self, verb: str, ids: Sequence[str] | None, progress: Callable[[int], None], **fields: object
    ) -> int:
        if ids is not None:
            changed: int = self._caller.ask(verb, ids=list(ids), **fields)["count"]
            return changed
        count: int = 0
        cursor = None
        while True:
            reply = self._caller.ask(verb, all=True, next=cursor, **fields)
            count, cursor = count + reply["count"], reply["next"]
            if cursor is None:
                return count
            progress(count)


def _portable(job: dict[str, Any]) -> dict[str, Any]:
    """Without what only this home gives a meaning."""
    own = ("number", "revision", "suspended")
    return {name: value for name, value in job.items() if name not in own}


def _working_folder(jobs: Sequence[object] = ()) -> str:
    """Raises InvalidInput where it is gone, unless all of these jobs name a folder of their own."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        if jobs and all(isinstance(job, dict) and "cwd" in job for job in jobs):
            return "/"
        raise InvalidInput(what="the current folder no longer exists; set the folder of the job (cwd)") from None
