"""Queue: what programs embed and the command line is made of: one object for one home.

    with Queue("/var/lib/me") as queue:
        id = queue.enqueue("make -C /src", max_retries=5)
        with queue.supervisor(workers=2):
            queue.wait([id])
        print(queue.get(id)["state"])

Every call goes to the supervisor if one runs, else it takes the writer lock for an instant and does the work itself;
the answers are the same. Knows what to ask, not how an answer is come by (`transport`). The trap: what
is given page by page
may have changed between two of them.
"""

from __future__ import annotations

import os
from itertools import chain

from .errors import InvalidInput
from .home import Home, default_path
from .system.forks import no_fork
from .transport import Caller, load_requests, parts_of
from .wire.protocol import jobs_at_once

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    import builtins  # `Queue.list` hides `list` in the annotations behind it
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from typing_extensions import Unpack  # type checkers bring it; nothing imports it at run time

    from .model import records
    from .model.records import Ended, JobRecord, JobSpec, QueueRecord, ScheduleRecord
    from .supervisor.embedded import Running

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
        """Close the connections of this object; a later call opens new ones."""
        self._caller.close()

    def enqueue(self, command: str, **fields: Unpack[records.JobFields]) -> str:
        """Add one job, and return its ID once it is durable.

        `fields` are the fields of a job, such as max_retries or queue. Raises InvalidJob,
        DuplicateJob, KeyTaken, BadDependency, DiskFull, Busy.
        """
        return self.enqueue_many([{"command": command, **fields}])[0]

    def enqueue_many(self, specs: Iterable[JobSpec], cwd: str | None = None) -> list[str]:
        """Add all of these jobs, or none when one is refused, and return their IDs.

        `cwd` is the folder of jobs that name none; by default, it is that of this process. The
        field `index` of an error says which job was refused, counted from 0. Raises what `enqueue`
        raises.
        """
        return self._enqueue("jobs", specs, cwd, lambda count: None)

    def enqueue_lines(
        self, lines: Iterable[str], cwd: str | None = None, progress: Callable[[int], None] = lambda count: None
    ) -> list[str]:
        """Add jobs from lines of JSON, one job each, and return their IDs.

        This costs less than `enqueue_many`. `progress` is called now and then with the number of
        jobs taken so far. Raises what `enqueue` raises.
        """
        return self._enqueue("lines", lines, cwd, progress)

    def get(self, id: str) -> JobRecord:
        """Return the record of a job. Raises UnknownJob."""
        job: JobRecord = self._caller.ask("show", id=id)["job"]
        return job

    def preview(self, specs: Sequence[JobSpec], cwd: str | None = None) -> list[JobRecord]:
        """Return the records that `enqueue_many` would make, with `retries_after_s`, and add
        nothing.

        At most 5000 jobs of 4 MiB. Raises InvalidJob.
        """
        return list(self._paged("preview", "jobs", jobs=list(specs), cwd=cwd or _working_folder()))

    def why(self, id: str) -> dict[str, Any]:
        """Return why a job is as it is: `because`, a code, and the facts that belong to it.

        Raises UnknownJob.
        """
        found: dict[str, Any] = self._caller.ask("why", id=id)["why"]
        return found

    def list(
        self, state: str | Sequence[str] | None = None, limit: int = 0, **wanted: Unpack[records.Filter]
    ) -> Iterator[JobRecord]:
        """Yield records of the jobs in `state` (one, several, or all), at most `limit` (0 is no
        limit).

        Unfinished jobs come first, then finished ones, newest first. `wanted` filters by queue,
        name, key, tags, since_ms or until_ms (of their creation), and looks at all jobs. Raises
        InvalidInput.
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
        """Yield the IDs of the jobs that `list` would give, some hundred at a time.

        Raises InvalidInput.
        """
        yield from self._pages(state=state, limit=SELECT_JOBS, form="brief", **wanted)

    def status(self) -> records.StatusRecord:
        """Return `counts` by state, `supervisor` (None when none runs) and `workers`."""
        status: Any = self._caller.ask("status")
        found: records.StatusRecord = status
        return found

    def wait(self, ids: Sequence[str], timeout_s: float | None = None) -> Ended | None:
        """Wait until all these jobs finish, and return how many are completed, dead or purged.

        Return None when `timeout_s` passes first. Raises UnknownJob, NoSupervisor.
        """
        with no_fork:
            from .waiting import Awaiting

        return Awaiting(self._caller, timeout_s).these(list(dict.fromkeys(ids)))

    def wait_for(
        self,
        state: str | Sequence[str] | None = None,
        timeout_s: float | None = None,
        **wanted: Unpack[records.Filter],
    ) -> Ended | None:
        """Wait for the jobs that `list` would give now, as `wait` does.

        Jobs that finished earlier count too; the result is empty when no job matches. Raises
        InvalidInput, NoSupervisor.
        """
        with no_fork:
            from .model.states import STATES
            from .waiting import Awaiting

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
        """Take these jobs out of the dead letter queue, and return how many.

        None takes all, some hundred at a time, and calls `progress` with the number so far.
        `fields` change the jobs; with `dependants`, the jobs that died with them return too. Raises
        UnknownJob, NotDead, NothingToDo.
        """
        return self._change_dead("dlq-retry", ids, progress, fields=fields, dependants=dependants)

    def purge_dead(self, ids: Sequence[str] | None = None, progress: Callable[[int], None] = lambda count: None) -> int:
        """Remove these dead jobs for good, and return how many.

        Parameters and errors are those of `retry_dead`.
        """
        return self._change_dead("dlq-purge", ids, progress)

    def cancel(self, ids: Sequence[str], signal: int = 15, lenient: bool = False) -> builtins.list[str]:
        """Cancel jobs, and return the IDs of those that were canceled.

        A waiting job is dead at once; `signal` ends a running one. With `lenient`, here and below,
        jobs that do not allow it are skipped. Raises UnknownJob, WrongState.
        """
        return self._change("cancel", ids, lenient, signal=signal)

    def remove(self, ids: Sequence[str], lenient: bool = False) -> builtins.list[str]:
        """Remove jobs for good, except running ones. Result and errors are those of `cancel`."""
        return self._change("remove", ids, lenient)

    def retry(self, ids: Sequence[str], lenient: bool = False) -> builtins.list[str]:
        """Run jobs now that wait for a time, and try dead ones again.

        Result and errors are those of `cancel`.
        """
        return self._change("retry", ids, lenient)

    def edit(
        self, ids: Sequence[str], fields: Mapping[str, object], lenient: bool = False
    ) -> builtins.list[str]:
        """Change fields of jobs that do not run; None restores a default.

        Result and errors are those of `cancel`.
        """
        if not lenient:
            return self._change("edit", ids, False, fields=fields)
        size, ids = jobs_at_once(fields), list(ids)
        parts = [ids[start : start + size] for start in range(0, len(ids), size)]
        return [id for part in parts for id in self._change("edit", part, True, fields=fields)]

    def suspend(self, ids: Sequence[str], lenient: bool = False) -> builtins.list[str]:
        """Stop running jobs (SIGSTOP) until you continue them.

        Result and errors are those of `cancel`.
        """
        return self._change("suspend", ids, lenient)

    def go_on(self, ids: Sequence[str], lenient: bool = False) -> builtins.list[str]:
        """Continue suspended jobs. Result and errors are those of `cancel`."""
        return self._change("continue", ids, lenient)

    def queues(self, queue: str | None = None) -> builtins.list[QueueRecord]:
        """Return every queue with jobs or rules, or one queue: counts, limit, rate, and since when
        it is paused.
        """
        return list(self._paged("queue-list", "queues", queue=queue))

    def set_queue(self, queue: str, **rules: Unpack[records.QueueLimits]) -> None:
        """Set rules of a queue; None unsets a rule.

        `limit` is how many jobs run at once, `rate` is [how many start, in how many seconds], and
        `paused` starts none. The queue `*` stands for all queues, and can only be paused. Raises
        InvalidInput.
        """
        self._caller.ask("queue-set", queue=queue, fields=rules)

    def export(
        self, state: str | Sequence[str] | None = None, **wanted: Unpack[records.Filter]
    ) -> Iterator[dict[str, Any]]:
        """Yield everything that is kept of the jobs that `list` would give, as `import_jobs` takes
        it in another home.

        Raises InvalidInput.
        """
        for page in self._pages(state=state, form="raw", oldest_first=True, **wanted):
            for job in page:
                yield _portable(job)

    def kept(self, ids: Sequence[str] | None = None) -> Iterator[builtins.list[dict[str, Any]]]:
        """Yield pages of all jobs as this home keeps them, or of the existing ones among at most
        5000 IDs.

        For `backup`.
        """
        if ids is None:
            return self._pages(form="kept", oldest_first=True)
        return self._pages_of("kept", "jobs", ids=list(ids))

    def import_jobs(self, jobs: Sequence[object], skip: bool = False) -> builtins.list[str]:
        """Add jobs that another home exported, with state and history, all or none, and return
        their IDs.

        With `skip`, existing IDs are skipped. Raises InvalidJob, DuplicateJob.
        """
        ids: builtins.list[str] = self._caller.ask("import", jobs=list(jobs), skip=skip)["ids"]
        return ids

    def sequence(self) -> dict[str, Any]:
        """Return `sequence`, that of the last event, and `settings`, `queues`, `schedules` and
        `clock_shift_ms` as they are kept.
        """
        found = self._caller.ask("sequence")
        found["queues"] = dict(self._paged("queue-list", "queues", form="raw"))
        found["schedules"] = dict(self._paged("schedule-list", "schedules", form="raw"))
        return found

    def schedules(self, name: str | None = None) -> builtins.list[ScheduleRecord]:
        """Return every schedule, or the one of this name: its times, its next time, and its job."""
        return list(self._paged("schedule-list", "schedules", name=name))

    def set_schedule(
        self, name: str, job: JobSpec, cwd: str | None = None, **when: Unpack[records.ScheduleTimes]
    ) -> None:
        """Add or replace a schedule: `cron` (with `zone`, by default UTC) or `every`, a time; and
        `overlap`.

        With `next_ms` it continues as in another home, with `last_id`, `paused_ms` and `problem`.
        Raises InvalidInput, InvalidJob.
        """
        self._caller.ask("schedule-set", name=name, schedule={"spec": job, "cwd": cwd or _working_folder(), **when})

    def remove_schedule(self, name: str) -> None:
        """Remove a schedule. Raises UnknownSchedule."""
        self._caller.ask("schedule-remove", name=name)

    def pause_schedule(self, name: str, paused: bool = True) -> None:
        """Pause or resume a schedule; times that a pause skips do not catch up.

        Raises UnknownSchedule.
        """
        self._caller.ask("schedule-pause", name=name, paused=paused)

    def run_schedule(self, name: str) -> str:
        """Add the job of a schedule now, in addition to its times, and return the ID.

        Raises UnknownSchedule.
        """
        id: str = self._caller.ask("schedule-run", name=name)["id"]
        return id

    def settings(self) -> dict[str, Any]:
        """Return the settings that differ from their defaults."""
        values: dict[str, Any] = self._caller.ask("config-list")["values"]
        return values

    def configure(self, key: str, value: object) -> None:
        """Set a setting; None unsets it. Raises InvalidSetting."""
        self._caller.ask("config-set", key=key, value=value)

    def scale(self, count: int, add: bool = False) -> dict[str, int]:
        """Set the number of workers of the running supervisor, or add to it.

        Raises NoSupervisor.
        """
        return self._caller.ask_supervisor("scale", count=count, add=add)

    def stop(self, now: bool = False) -> int:
        """Ask the running supervisor to stop, without waiting, and return its process ID.

        Running jobs finish first; with `now` they are ended and become pending again. A job that
        stops its own queue with `now` is ended too, and its attempt counts. Raises NoSupervisor,
        Busy.
        """
        job = self.home.job_inside(os.environ)
        pid: int = self._caller.ask_supervisor("stop", now=now, job=job)["pid"]
        return pid

    def leave(self) -> tuple[int, int]:
        """End the running supervisor at once, and return its process ID and number of workers.

        The workers finish their jobs for the next supervisor. Raises NoSupervisor.
        """
        reply = self._caller.ask_supervisor("stop", leave=True)
        self.close()
        return reply["pid"], reply["workers"]

    def supervisor(self, workers: int = 1, python: str | None = None) -> Running:
        """Run a supervisor as a child process within a `with` block, which gives its process ID.

        At the end of the block, running jobs finish first. `python` is the interpreter to use; a
        frozen program must name one. The supervisor writes to `supervisor.log` in the home. Raises
        InvalidInput.
        """
        with no_fork:
            from .supervisor.embedded import Running

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
