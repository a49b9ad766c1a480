"""Queue: the embedding API, one object for one home; the command line uses it too.

    with Queue("/var/lib/me") as queue:
        id = queue.enqueue("make -C /src", max_retries=5)
        with queue.supervisor(workers=2):
            queue.wait([id])
        print(queue.get(id)["state"])

A call asks the supervisor when one runs. Otherwise it takes the writer lock for a moment and does the work in this
process. The answers are the same.

Does not know how a request gets its answer (`transport`).

Warning: the jobs may change between two pages of a listing.
"""

from __future__ import annotations

import os
from itertools import chain

from .errors import InvalidInput
from .home import Home, default_path
from .system.forks import no_fork
from .transport import Transport, load_requests, parts_of
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
"""The number of jobs to change at a time when a filter selects them."""


def _warn(text: str) -> None:
    import warnings

    warnings.warn(text, RuntimeWarning, stacklevel=2)


class Queue:
    """A job queue in one home folder.

    `home` defaults to the home that the command line would use. `deadline_s` is how many seconds an answer may take.
    Without a supervisor, calls wait in line for the writer lock, and the time starts again whenever that line moves.

    `notice` receives messages about the home that are not part of an answer, such as a torn tail that recovery set
    aside. By default, each message is a RuntimeWarning.

    Threads and signal handlers may share one object, also through `asyncio.to_thread`: each call uses a connection of
    its own. A forked child may use its copy, which opens new connections. An iterator (`list`, `select`, `export`)
    and the object that `supervisor` returns belong to one thread in one process.
    """

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        deadline_s: float = ANSWER_WITHIN_S,
        notice: Callable[[str], None] = _warn,
    ) -> None:
        self.home = Home(os.fspath(home) if home is not None else default_path(dict(os.environ)))
        self._transport = Transport(self.home, deadline_s, notice)

    def __enter__(self) -> Queue:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def deadline_s(self) -> float:
        """Return how many seconds an answer may take, from the next call on."""
        return self._transport.deadline_s

    @deadline_s.setter
    def deadline_s(self, deadline_s: float) -> None:
        self._transport.deadline_s = deadline_s

    def close(self) -> None:
        """Close the connections of this object; a later call opens new ones."""
        self._transport.close()

    def enqueue(self, command: str, **fields: Unpack[records.JobFields]) -> str:
        """Add one job, and return its ID once it is durable.

        `fields` are the fields of a job, such as max_retries or queue.

        Raises: InvalidJob, DuplicateJob, KeyTaken, BadDependency, DiskFull, Busy.
        """
        return self.enqueue_many([{"command": command, **fields}])[0]

    def enqueue_many(self, specs: Iterable[JobSpec], cwd: str | None = None) -> list[str]:
        """Add all of these jobs, or none if one is invalid, and return their IDs.

        `cwd` is the folder of jobs that name none. By default, it is the working folder of this process.
        The field `index` of an error says which job was refused, counted from 0.

        Raises: InvalidJob, DuplicateJob, KeyTaken, BadDependency, DiskFull, Busy.
        """
        return self._enqueue("jobs", specs, cwd, lambda count: None)

    def enqueue_lines(
        self, lines: Iterable[str], cwd: str | None = None, progress: Callable[[int], None] = lambda count: None
    ) -> list[str]:
        """Add jobs from lines of JSON, one job a line, and return their IDs.

        This costs less than `enqueue_many`. From time to time it calls `progress` with the number of jobs added so far.

        Raises: InvalidJob, DuplicateJob, KeyTaken, BadDependency, DiskFull, Busy.
        """
        return self._enqueue("lines", lines, cwd, progress)

    def get(self, id: str) -> JobRecord:
        """Return the record of a job.

        Raises: UnknownJob.
        """
        job: JobRecord = self._transport.ask("show", id=id)["job"]
        return job

    def preview(self, specs: Sequence[JobSpec], cwd: str | None = None) -> list[JobRecord]:
        """Return the records that `enqueue_many` would make, and add nothing.

        Each record has `retries_after_s`, the waits before its retries. The limits are 5000 jobs and 4 MiB in total.

        Raises: InvalidJob.
        """
        return list(self._paged("preview", "jobs", jobs=list(specs), cwd=cwd or _working_folder()))

    def why(self, id: str) -> dict[str, Any]:
        """Return why a job is in its state: `because`, a code, and the facts that belong to the code.

        Raises: UnknownJob.
        """
        found: dict[str, Any] = self._transport.ask("why", id=id)["why"]
        return found

    def list(
        self, state: str | Sequence[str] | None = None, limit: int = 0, **wanted: Unpack[records.Filter]
    ) -> Iterator[JobRecord]:
        """Yield records of the jobs in `state` (one, several, or all).

        Unfinished jobs come first, then finished ones, newest first. `limit` is the maximum number of records; 0 is
        no limit. `wanted` filters by queue, name, key, tags, since_ms or until_ms (bounds of the creation time). A
        filter may read every job.

        Raises: InvalidInput.
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
        """Yield the IDs of the jobs that `list` would yield, in lists of up to 500.

        Raises: InvalidInput.
        """
        yield from self._pages(state=state, limit=SELECT_JOBS, form="brief", **wanted)

    def status(self) -> records.StatusRecord:
        """Return `counts` by state, `supervisor` (None when none runs) and `workers`."""
        status: Any = self._transport.ask("status")
        found: records.StatusRecord = status
        return found

    def wait(self, ids: Sequence[str], timeout_s: float | None = None) -> Ended | None:
        """Wait until all these jobs finish, and return how many are completed, dead or purged.

        Return None when `timeout_s` seconds pass first.

        Raises: UnknownJob, NoSupervisor.
        """
        with no_fork:
            from .waiting import Awaiting

        return Awaiting(self._transport, timeout_s).these(list(dict.fromkeys(ids)))

    def wait_for(
        self,
        state: str | Sequence[str] | None = None,
        timeout_s: float | None = None,
        **wanted: Unpack[records.Filter],
    ) -> Ended | None:
        """Wait until the jobs that `list` would yield now finish, and return how many ended in which way.

        Jobs that finished earlier count too. The result is empty when no job matches, and None when `timeout_s`
        seconds pass first.

        Raises: InvalidInput, NoSupervisor.
        """
        with no_fork:
            from .model.states import STATES
            from .waiting import Awaiting

        wanted_states = STATES if state is None else state
        states = [wanted_states] if isinstance(wanted_states, str) else list(wanted_states)
        return Awaiting(self._transport, timeout_s).matching(states, wanted)

    def retry_dead(
        self,
        ids: Sequence[str] | None = None,
        progress: Callable[[int], None] = lambda count: None,
        fields: Mapping[str, object] | None = None,
        dependants: bool = False,
    ) -> int:
        """Take these jobs out of the dead letter queue, and return how many.

        Without `ids`, take out all dead jobs in batches, and call `progress` with the number so far.
        `fields` change the jobs. With `dependants`, the jobs that died because of them return too.

        Raises: UnknownJob, NotDead, NothingToDo.
        """
        return self._change_dead("dlq-retry", ids, progress, fields=fields, dependants=dependants)

    def purge_dead(self, ids: Sequence[str] | None = None, progress: Callable[[int], None] = lambda count: None) -> int:
        """Remove these dead jobs for good, and return how many.

        Without `ids`, remove all dead jobs in batches, and call `progress` with the number so far.

        Raises: UnknownJob, NotDead, NothingToDo.
        """
        return self._change_dead("dlq-purge", ids, progress)

    def cancel(self, ids: Sequence[str], signal: int = 15, lenient: bool = False) -> builtins.list[str]:
        """Cancel jobs, and return the IDs of the canceled ones.

        A waiting job becomes dead at once; a running job receives `signal`. With `lenient`, skip unknown jobs and
        those in the wrong state.

        Raises: UnknownJob, WrongState.
        """
        return self._change("cancel", ids, lenient, signal=signal)

    def remove(self, ids: Sequence[str], lenient: bool = False) -> builtins.list[str]:
        """Remove jobs for good, except running ones, and return the IDs of the removed ones.

        With `lenient`, skip unknown jobs and those in the wrong state.

        Raises: UnknownJob, WrongState.
        """
        return self._change("remove", ids, lenient)

    def retry(self, ids: Sequence[str], lenient: bool = False) -> builtins.list[str]:
        """Make jobs that wait for a time ready now, retry dead jobs, and return the IDs of these jobs.

        With `lenient`, skip unknown jobs and those in the wrong state.

        Raises: UnknownJob, WrongState.
        """
        return self._change("retry", ids, lenient)

    def edit(
        self, ids: Sequence[str], fields: Mapping[str, object], lenient: bool = False
    ) -> builtins.list[str]:
        """Change fields of waiting or dead jobs, and return the IDs of the changed ones.

        The value None restores a default. With `lenient`, skip unknown jobs and those in the wrong state.

        Raises: UnknownJob, WrongState.
        """
        if not lenient:
            return self._change("edit", ids, False, fields=fields)
        size, ids = jobs_at_once(fields), list(ids)
        parts = [ids[start : start + size] for start in range(0, len(ids), size)]
        return [id for part in parts for id in self._change("edit", part, True, fields=fields)]

    def suspend(self, ids: Sequence[str], lenient: bool = False) -> builtins.list[str]:
        """Stop running jobs with SIGSTOP until you continue them, and return the IDs of the stopped ones.

        With `lenient`, skip unknown jobs and those in the wrong state.

        Raises: UnknownJob, WrongState.
        """
        return self._change("suspend", ids, lenient)

    def continue_(self, ids: Sequence[str], lenient: bool = False) -> builtins.list[str]:
        """Continue suspended jobs, and return the IDs of the continued ones.

        With `lenient`, skip unknown jobs and those in the wrong state.

        Raises: UnknownJob, WrongState.
        """
        return self._change("continue", ids, lenient)

    def queues(self, queue: str | None = None) -> builtins.list[QueueRecord]:
        """Return the records of all queues with jobs or rules, or of one queue.

        A record has the counts by state, the limit, the rate, and the time since which the queue is paused.
        """
        return list(self._paged("queue-list", "queues", queue=queue))

    def set_queue(self, queue: str, **rules: Unpack[records.QueueLimits]) -> None:
        """Set rules of a queue; the value None removes a rule.

        `limit` is how many jobs run at once. `rate` is [jobs, seconds]: how many jobs start in that time.
        While `paused` is true, no job starts. The queue `*` stands for all queues, and supports only `paused`.

        Raises: InvalidInput.
        """
        self._transport.ask("queue-set", queue=queue, fields=rules)

    def export(
        self, state: str | Sequence[str] | None = None, **wanted: Unpack[records.Filter]
    ) -> Iterator[dict[str, Any]]:
        """Yield all stored fields of the jobs that `list` would yield, for `import_jobs` in another home.

        Raises: InvalidInput.
        """
        for page in self._pages(state=state, form="raw", oldest_first=True, **wanted):
            for job in page:
                yield _portable(job)

    def kept(self, ids: Sequence[str] | None = None) -> Iterator[builtins.list[dict[str, Any]]]:
        """Yield pages of jobs in the form in which this home stores them, for `backup`.

        Without `ids`, yield all jobs. With `ids`, at most 5000, yield those that exist.
        """
        if ids is None:
            return self._pages(form="kept", oldest_first=True)
        return self._pages_of("kept", "jobs", ids=list(ids))

    def import_jobs(self, jobs: Sequence[object], skip: bool = False) -> builtins.list[str]:
        """Add jobs that another home exported, with state and history, and return their IDs.

        Add all jobs, or none if one is invalid. With `skip`, skip jobs whose IDs exist here.

        Raises: InvalidJob, DuplicateJob.
        """
        ids: builtins.list[str] = self._transport.ask("import", jobs=list(jobs), skip=skip)["ids"]
        return ids

    def snapshot(self) -> dict[str, Any]:
        """Return the sequence number of the last event, and the stored state that belongs to no job.

        The keys are `sequence`, `settings`, `queues`, `schedules` and `clock_shift_ms`.
        """
        found = self._transport.ask("sequence")
        found["queues"] = dict(self._paged("queue-list", "queues", form="raw"))
        found["schedules"] = dict(self._paged("schedule-list", "schedules", form="raw"))
        return found

    def schedules(self, name: str | None = None) -> builtins.list[ScheduleRecord]:
        """Return the records of all schedules, or of the schedule `name`: its times, next time, and job."""
        return list(self._paged("schedule-list", "schedules", name=name))

    def set_schedule(
        self, name: str, job: JobSpec, cwd: str | None = None, **when: Unpack[records.ScheduleTimes]
    ) -> None:
        """Add or replace a schedule.

        Give either `cron` (with `zone`, by default UTC) or `every`, a duration; `overlap` is optional.
        With `next_ms`, `last_id`, `paused_ms` and `problem`, the schedule continues as in another home.

        Raises: InvalidInput, InvalidJob.
        """
        self._transport.ask("schedule-set", name=name, schedule={"spec": job, "cwd": cwd or _working_folder(), **when})

    def remove_schedule(self, name: str) -> None:
        """Remove a schedule.

        Raises: UnknownSchedule.
        """
        self._transport.ask("schedule-remove", name=name)

    def pause_schedule(self, name: str, paused: bool = True) -> None:
        """Pause or resume a schedule; it does not catch up on the times that it misses.

        Raises: UnknownSchedule.
        """
        self._transport.ask("schedule-pause", name=name, paused=paused)

    def run_schedule(self, name: str) -> str | None:
        """Add the job of a schedule now, in addition to its times, and return its ID.

        Return None and add nothing if an unfinished job already has its key.

        Raises: UnknownSchedule.
        """
        id: str | None = self._transport.ask("schedule-run", name=name)["id"]
        return id

    def settings(self) -> dict[str, Any]:
        """Return the settings that differ from their defaults."""
        values: dict[str, Any] = self._transport.ask("config-list")["values"]
        return values

    def configure(self, key: str, value: object) -> None:
        """Change a setting; the value None restores the default.

        Raises: InvalidSetting.
        """
        self._transport.ask("config-set", key=key, value=value)

    def scale(self, count: int, add: bool = False) -> dict[str, int]:
        """Set the number of workers of the running supervisor, or with `add`, change it by `count`.

        Raises: NoSupervisor.
        """
        return self._transport.ask("scale", count=count, add=add)

    def stop(self, now: bool = False) -> int:
        """Ask the running supervisor to stop, without waiting, and return its process ID.

        Running jobs finish first. With `now`, the supervisor ends them, and they become pending again.
        A job that stops its own queue with `now` ends too, and its attempt counts.

        Raises: NoSupervisor, Busy.
        """
        job = self.home.job_inside(os.environ)
        pid: int = self._transport.ask("stop", now=now, job=job)["pid"]
        return pid

    def leave(self) -> tuple[int, int]:
        """Stop the running supervisor at once, and return its process ID and its number of workers.

        The workers finish their jobs, and the next supervisor takes over the results.

        Raises: NoSupervisor.
        """
        reply = self._transport.ask("stop", leave=True)
        self.close()
        return reply["pid"], reply["workers"]

    def supervisor(self, workers: int = 1, python: str | None = None) -> Running:
        """Return a context manager that runs a supervisor as a child process and gives its process ID.

        At the end of the `with` block, running jobs finish first. `python` is the interpreter to use; a frozen
        program must name one. The supervisor writes to `supervisor.log` in the home.

        Raises: InvalidInput.
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
            ids: builtins.list[str] = self._transport.ask("enqueue", **{field: first}, **fields)["ids"]
            return ids
        return self._transport.load(load_requests(field, chain((first, second), parts), fields), progress)

    def _change(self, verb: str, ids: Sequence[str], lenient: bool, **more: object) -> builtins.list[str]:
        changed: builtins.list[str] = self._transport.ask(verb, ids=list(ids), lenient=lenient, **more)["ids"]
        return changed

    def _pages(self, **wanted: object) -> Iterator[builtins.list[Any]]:
        return self._pages_of("list", "jobs", **wanted)

    def _paged(self, verb: str, field: str, **wanted: object) -> Iterator[Any]:
        return chain.from_iterable(self._pages_of(verb, field, **wanted))

    def _pages_of(self, verb: str, field: str, **wanted: object) -> Iterator[builtins.list[Any]]:
        """Yield the value of `field` from each page of answers to the verb, without empty ones."""
        cursor = None
        while True:
            page = self._transport.ask(verb, next=cursor, **wanted)
            if page[field]:
                yield page[field]
            cursor = page["next"]
            if cursor is None:
                return

    def _change_dead(
        self, verb: str, ids: Sequence[str] | None, progress: Callable[[int], None], **fields: object
    ) -> int:
        if ids is not None:
            changed: int = self._transport.ask(verb, ids=list(ids), **fields)["count"]
            return changed
        count: int = 0
        cursor = None
        while True:
            reply = self._transport.ask(verb, all=True, next=cursor, **fields)
            count, cursor = count + reply["count"], reply["next"]
            if cursor is None:
                return count
            progress(count)


def _portable(job: dict[str, Any]) -> dict[str, Any]:
    """Return the stored fields of a job without those that have a meaning only in this home."""
    own = ("number", "revision", "suspended")
    return {name: value for name, value in job.items() if name not in own}


def _working_folder(jobs: Sequence[object] = ()) -> str:
    """Return the working folder, or "/" if it is gone and all these jobs name a folder of their own.

    Raises: InvalidInput.
    """
    try:
        return os.getcwd()
    except FileNotFoundError:
        if jobs and all(isinstance(job, dict) and "cwd" in job for job in jobs):
            return "/"
        raise InvalidInput(what="the current folder no longer exists; set the folder of the job (cwd)") from None
