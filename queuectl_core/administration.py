"""Administration: what a program can do with a home beside its jobs: queues, schedules, settings, the supervisor.

Does not know how a request gets its answer (`transport`).
"""

from __future__ import annotations

import os

from .errors import InvalidInput
from .home import Home, default_path
from .system.forks import no_fork
from .transport import Transport

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from typing_extensions import Unpack  # type checkers bring it; nothing imports it at run time

    from .model import records
    from .model.overview_records import MetricsRecord, OverviewRecord
    from .model.queue_records import QueueLimits, QueueRecord, ScheduleRecord, ScheduleTimes
    from .model.records import JobSpec
    from .news import News
    from .supervisor.embedded import Running

ANSWER_WITHIN_S = 30.0


def _warn(text: str) -> None:
    import warnings

    warnings.warn(text, RuntimeWarning, stacklevel=2)


class Administration:
    """The connection to a home, and the part of `Queue` that is not about jobs."""

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        deadline_s: float = ANSWER_WITHIN_S,
        notice: Callable[[str], None] = _warn,
    ) -> None:
        self.home = Home(os.fspath(home) if home is not None else default_path(dict(os.environ)))
        self._transport = Transport(self.home, deadline_s, notice)

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def deadline_s(self) -> float:
        """Return how many seconds an answer may take, from the next call on."""
        return self._transport.deadline_s

    @deadline_s.setter
    def deadline_s(self, deadline_s: float) -> None:
        self._transport.deadline_s = deadline_s

    @property
    def is_alone(self) -> bool:
        """Return whether the latest answer is from this process, because no supervisor runs."""
        return self._transport.is_alone

    def say_if_slow(self, on_slow: Callable[[str], None]) -> None:
        """Call `on_slow` with a message, once, when an answer takes more than 2 seconds."""
        self._transport.on_slow = on_slow

    def close(self) -> None:
        """Close the connections of this object; a later call opens new ones."""
        self._transport.close()

    def status(self) -> records.StatusRecord:
        """Return `counts` by state, `supervisor` (None when none runs) and `workers`."""
        reply: Any = self._transport.ask("status")
        status: records.StatusRecord = reply
        return status

    def overview(self) -> OverviewRecord:
        """Return what the home does now, queue by queue. `view.overview` makes of it what a person sees.

        The cost does not depend on the number of jobs.
        """
        overview: OverviewRecord = self._transport.ask("overview")["overview"]
        return overview

    def news(self) -> News:
        """Return an object whose `wait` returns as soon as something has happened in the home.

        An idle wait costs nothing while a supervisor runs. Other programs can wait for the same news.
        """
        with no_fork:
            from .news import News

        return News(self._transport)

    def metrics(self) -> MetricsRecord:
        """Return counters and histograms by queue, and what the home does now. `view.metrics_text` makes a text of it.

        The counters never go back: they survive restarts and crashes.
        """
        metrics: MetricsRecord = self._transport.ask("metrics")["metrics"]
        return metrics

    def queues(self, queue: str | None = None) -> list[QueueRecord]:
        """Return the records of all queues with jobs or rules, or of one queue.

        A record has the counts by state, the limit, the rate, and the time since which the queue is paused.
        """
        return list(self._entries("queue-list", "queues", queue=queue))

    def set_queue(self, queue: str, **rules: Unpack[QueueLimits]) -> None:
        """Set rules of a queue; the value None removes a rule.

        `limit` is how many jobs run at once. `rate` is [jobs, seconds]: how many jobs start in that time.
        While `paused` is true, no job starts; `pause_for` is how long, and `pause_reason` is why.
        No job starts while the load is above `limit_load`, or less memory than `min_free_mem` is free.
        `defaults` are fields of the jobs that do not set them. A job takes them when it is added.
        The queue `*` stands for all queues, and supports only pauses.

        Raises: InvalidInput.
        """
        self._transport.ask("queue-set", queue=queue, fields=rules)

    def remove_queue(self, queue: str) -> None:
        """Remove all rules of a queue that has no unfinished jobs.

        Raises: NothingToDo, InvalidInput.
        """
        self._transport.ask("queue-remove", queue=queue)

    def schedules(self, name: str | None = None) -> list[ScheduleRecord]:
        """Return the records of all schedules, or of the schedule `name`: its times, next time, and job."""
        return list(self._entries("schedule-list", "schedules", name=name))

    def set_schedule(
        self, name: str, job: JobSpec, cwd: str | None = None, **when: Unpack[ScheduleTimes]
    ) -> None:
        """Add or replace a schedule.

        Give either `cron` (with `zone`, by default UTC) or `every`, a duration; `overlap` is optional.
        With `next_ms`, `last_id`, `paused_ms` and `problem`, the schedule continues as in another home.

        Raises: InvalidInput, InvalidJob.
        """
        schedule = {"spec": job, "cwd": cwd or working_folder(), **when}
        self._transport.ask("schedule-set", name=name, schedule=schedule)

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

    def snapshot(self) -> dict[str, Any]:
        """Return the sequence number of the last event, and the stored state that belongs to no job.

        The keys are `sequence`, `settings`, `queues`, `schedules` and `clock_shift_ms`.
        """
        state = self._transport.ask("sequence")
        state["queues"] = dict(self._entries("queue-list", "queues", form="raw"))
        state["schedules"] = dict(self._entries("schedule-list", "schedules", form="raw"))
        return state

    def scale(self, count: int, add: bool = False) -> dict[str, int]:
        """Set the number of workers of the running supervisor, or with `add`, change it by `count`.

        Raises: NoSupervisor.
        """
        return self._transport.ask("scale", count=count, add=add)

    def stop(self, now: bool = False) -> int:
        """Ask the running supervisor to stop, without waiting, and return its process ID.

        Running jobs finish first. With `now`, the supervisor ends them, and they become pending again.
        A job that stops its own supervisor with `now` ends too, and its attempt counts.

        Raises: NoSupervisor, Busy.
        """
        pid: int = self._transport.ask("stop", now=now, job=self.home.job_inside(os.environ))["pid"]
        return pid

    def leave(self) -> tuple[int, int]:
        """Stop the running supervisor at once, and return its process ID and its number of workers.

        The workers finish their jobs, and the next supervisor takes over the results.

        Raises: NoSupervisor.
        """
        reply = self._transport.ask("stop", leave=True)
        self.close()
        return reply["pid"], reply["workers"]

    def leave_to_next(self, workers: int | None = None) -> dict[str, Any]:
        """Do what `leave` does, and return its `pid`, its `workers`, and `in_place`.

        `in_place` tells that the process is a service, which starts again by itself, with this number of `workers`.

        Raises: NoSupervisor.
        """
        reply = self._transport.ask("stop", leave=True, restart=True, count=workers)
        self.close()
        return {"in_place": False, **reply}

    def supervisor(self, workers: int = 1, python: str | None = None) -> Running:
        """Return a context manager that runs a supervisor as a child process and gives its process ID.

        At the end of the `with` block, running jobs finish first. `python` is the interpreter to use; a frozen
        program must name one. The supervisor writes to `supervisor.log` in the home.

        Raises: InvalidInput.
        """
        with no_fork:
            from .supervisor.embedded import Running

        return Running(self.home, workers, python, self.close)

    def _entries(self, verb: str, field: str, **wanted: object) -> Iterator[Any]:
        """Yield the entries in `field` of each page of answers."""
        for page in self._transport.pages(verb, **wanted):
            yield from page[field]


def working_folder(jobs: Sequence[object] = ()) -> str:
    """Return the working folder, or "/" if it is gone and all these jobs name a folder of their own.

    Raises: InvalidInput.
    """
    try:
        return os.getcwd()
    except FileNotFoundError:
        if jobs and all(isinstance(job, dict) and "cwd" in job for job in jobs):
            return "/"
        raise InvalidInput(what="the current folder no longer exists; set the folder of the job (cwd)") from None
