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

from .administration import working_folder
from .changes import Changes
from .errors import EnvironmentNeeded, InvalidInput
from .system.forks import no_fork
from .transport import load_requests, parts_of

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    import builtins  # `Queue.list` hides `list` in the annotations behind it
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from typing_extensions import Unpack  # type checkers bring it; nothing imports it at run time

    from .model import records
    from .model.records import Ended, JobRecord, JobSpec
    from .waiting import Watch

PAGE_JOBS = 500
"""The number of jobs on a page, and of jobs to change at a time when a filter selects them."""

_TRACE = ("TRACEPARENT", "TRACESTATE", "BAGGAGE")
"""The variables of a trace, which few processes have."""


class Queue(Changes):
    """A job queue: the jobs of one home.

    `home` defaults to the home that the command line would use. `deadline_s` is how many seconds an answer may take.
    Without a supervisor, calls wait in line for the writer lock, and the time starts again whenever that line moves.

    `notice` receives messages about the home that are not part of an answer, such as a torn tail that recovery set
    aside. By default, each message is a RuntimeWarning.

    With `lenient`, a change skips unknown jobs and those in the wrong state. With `states`, it skips each job that is
    in none of them by now, so that it meets what you selected.

    Threads and signal handlers may share one object, also through `asyncio.to_thread`: each call uses a connection of
    its own. A forked child may use its copy, which opens new connections. An iterator (`list`, `select`, `export`)
    and the object that `supervisor` returns belong to one thread in one process.
    """

    def __enter__(self) -> Queue:
        return self

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

    def find(self, words: Sequence[str]) -> dict[str, builtins.list[str]]:
        """Return the IDs that each of up to 20 words can mean, at most 4.

        An existing ID means itself, `last` the newest job, and another word the IDs that begin with it.

        Raises: InvalidInput, NothingToDo.
        """
        found: dict[str, builtins.list[str]] = self._transport.ask("find", words=list(words))["found"]
        return found

    def preview(self, specs: Sequence[JobSpec], cwd: str | None = None) -> list[JobRecord]:
        """Return the records that `enqueue_many` would make, and add nothing.

        Each record has `retries_after_s`, the waits before its retries. The limits are 5000 jobs and 4 MiB in total.

        Raises: InvalidJob.
        """
        return list(self._entries("preview", "jobs", jobs=list(specs), cwd=cwd or working_folder()))

    def batch(self, name: str) -> records.BatchRecord:
        """Return how many jobs of a batch are in each state, when they ran, and how long the rest needs.

        The cost does not depend on the number of jobs.

        Raises: UnknownBatch.
        """
        batch: records.BatchRecord = self._transport.ask("batch", name=name)["batch"]
        return batch

    def why(self, id: str) -> dict[str, Any]:
        """Return why a job is in its state: `because`, a code, and the facts that belong to the code.

        Raises: UnknownJob.
        """
        why: dict[str, Any] = self._transport.ask("why", id=id)["why"]
        return why

    def list(
        self, state: str | Sequence[str] | None = None, limit: int = 0, **wanted: Unpack[records.Filter]
    ) -> Iterator[JobRecord]:
        """Yield records of the jobs in `state` (one, several, or all).

        Unfinished jobs come first, then finished ones, newest first. `limit` is the maximum number of records; 0 is
        no limit. `wanted` filters by batch, queue, name, key, tags, since_ms or until_ms (bounds of the creation time),
        and by the conditions in `where`. A filter other than the batch may read every job.

        Raises: InvalidInput.
        """
        left = limit
        for page in self._pages(state=state, limit=min(limit or PAGE_JOBS, PAGE_JOBS), **wanted):
            yield from page[:left] if limit else page
            left -= len(page)
            if limit and left <= 0:
                return

    def page(
        self,
        cursor: object = None,
        limit: int = PAGE_JOBS,
        explained: bool = False,
        **wanted: Unpack[records.Chosen],
    ) -> records.JobPage:
        """Return up to `limit` of the jobs that `list` would yield, and the cursor of the page that follows.

        A page can have fewer jobs, even none, because it looks at a bounded number. The cursor `next` is a JSON
        value, and None at the end. It stays valid while jobs change. `limit` is at most 500. With `explained`, the
        record of a waiting job has `why`, as `why` returns it.

        Raises: InvalidInput.
        """
        limit = min(limit, PAGE_JOBS)
        page = self._transport.page("list", next=cursor, limit=limit, explained=explained, **wanted)
        return {"jobs": page["jobs"], "next": page["next"]}

    def select(
        self, state: str | Sequence[str] | None = None, **wanted: Unpack[records.Filter]
    ) -> Iterator[builtins.list[str]]:
        """Yield the IDs of the jobs that `list` would yield, in lists of up to 500.

        Raises: InvalidInput.
        """
        yield from self._pages(state=state, limit=PAGE_JOBS, form="brief", **wanted)

    def wait(
        self, ids: Sequence[str], timeout_s: float | None = None, watch: Watch | None = None
    ) -> Ended | None:
        """Wait until all these jobs finish, and return how many are completed, dead or purged.

        Return None when `timeout_s` seconds pass first. A `waiting.Watch` reports progress, or ends the wait early.

        Raises: UnknownJob, NoSupervisor.
        """
        with no_fork:
            from .waiting import JobWait

        return JobWait(self._transport, timeout_s, watch).for_ids(list(dict.fromkeys(ids)))

    def wait_for(
        self,
        state: str | Sequence[str] | None = None,
        timeout_s: float | None = None,
        watch: Watch | None = None,
        **wanted: Unpack[records.Filter],
    ) -> Ended | None:
        """Wait until the jobs that `list` would yield now finish, and return how many ended in which way.

        Jobs that finished earlier count too. The result is empty when no job matches, and None when `timeout_s`
        seconds pass first. `watch` is as for `wait`.

        Raises: InvalidInput, NoSupervisor.
        """
        with no_fork:
            from .waiting import JobWait

        return JobWait(self._transport, timeout_s, watch).for_filter(state, wanted)

    def wait_idle(self, ids: Sequence[str], timeout_s: float | None = None, watch: Watch | None = None) -> bool:
        """Wait until none of these jobs runs, even if it will run again, and return whether the supervisor has said so.

        Otherwise the timeout has passed, or no supervisor of this version runs. `watch` is as for `wait`.
        """
        with no_fork:
            from .waiting import JobWait

        return JobWait(self._transport, timeout_s, watch).for_runs(list(ids))

    def export(
        self, state: str | Sequence[str] | None = None, **wanted: Unpack[records.Filter]
    ) -> Iterator[dict[str, Any]]:
        """Yield all stored fields of the jobs that `list` would yield, for `import_jobs` in another home.

        Raises: InvalidInput.
        """
        for job in self._entries("list", "jobs", state=state, form="raw", oldest_first=True, **wanted):
            for name in ("number", "revision", "suspended"):  # they have a meaning only in this home
                job.pop(name, None)
            yield job

    def kept(self, ids: Sequence[str] | None = None) -> Iterator[builtins.list[dict[str, Any]]]:
        """Yield pages of jobs in the form in which this home stores them, for `backup`.

        Without `ids`, yield all jobs. With `ids`, at most 5000, yield those that exist.
        """
        if ids is None:
            return self._pages(form="kept", oldest_first=True)
        return (page["jobs"] for page in self._transport.pages("kept", ids=list(ids)))

    def import_jobs(self, jobs: Sequence[object], skip: bool = False) -> builtins.list[str]:
        """Add jobs that another home exported, with state and history, and return their IDs.

        Add all jobs, or none if one is invalid. With `skip`, skip jobs whose IDs exist here.

        Raises: InvalidJob, DuplicateJob.
        """
        ids: builtins.list[str] = self._transport.ask("import", jobs=list(jobs), skip=skip)["ids"]
        return ids

    def _enqueue(
        self, field: str, jobs: Iterable[object], cwd: str | None, progress: Callable[[int], None]
    ) -> builtins.list[str]:
        parts = parts_of(jobs)
        first, second = next(parts, None), next(parts, None)
        if first is None:
            raise InvalidInput(what="no jobs to enqueue")
        fields: dict[str, object] = {"cwd": cwd or working_folder(first if second is None else ())}
        if any(name in os.environ for name in _TRACE):
            fields["trace"] = _trace()
        if second is None:
            return self._add({field: first, **fields})
        fields["environ"] = _environ()
        return self._transport.load(load_requests(field, chain((first, second), parts), fields), progress)

    def _add(self, fields: dict[str, object]) -> builtins.list[str]:
        """Add jobs, and send the environment of this process only if the home asks for it."""
        try:
            ids: builtins.list[str] = self._transport.ask("enqueue", **fields)["ids"]
        except EnvironmentNeeded:
            if "environ" in fields:
                raise
            return self._add({**fields, "environ": _environ()})
        return ids

    def _pages(self, **wanted: object) -> Iterator[builtins.list[Any]]:
        """Yield the pages of `list` that are not empty."""
        return (page["jobs"] for page in self._transport.pages("list", **wanted) if page["jobs"])


def _trace() -> dict[str, str]:
    """Return the valid variables of the trace that this process belongs to."""
    with no_fork:
        from .model import trace_context

    return trace_context.checked(trace_context.of_environment(os.environ))


def _environ() -> dict[str, str]:
    """Return the environment of this process, as a job may get it."""
    with no_fork:
        from .model.job_environment import submitted

    return submitted(os.environ)
