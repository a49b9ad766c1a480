"""Home reads: the requests of the page about a whole home that change nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..exposition import metrics_text
from ..model.reasons import FAILURES
from ..model.settings import SETTINGS, Settings
from ..system.time_zones import zone_of
from ..view import overview as view
from ..view.failure_groups import groups_of, key_of
from ..view.metrics_text import CONTENT_TYPE
from ..view.schedule_times import in_words, next_times
from .connection.incoming import Request
from .connection.replies import TEXT, Reply, json_reply
from .context import Context
from .selection import OPTIONS

if TYPE_CHECKING:
    from ..model.records import JobRecord

GROUPING_S = 0.12
"""How long dead jobs may be read for their groups, in seconds; the newest come first."""


def session(context: Context, request: Request) -> Reply:
    """Return what this server is, and what its visitor may do."""
    return json_reply(
        {
            "version": __version__,
            "python": sys.version.split()[0],
            "home": context.queue.home.path,
            "command": context.command(()),
            "read_only": context.is_read_only,
            "filters": OPTIONS,
        }
    )


def overview(context: Context, request: Request) -> Reply:
    """Return what happens in the home now: the view, and the pause of all queues."""
    record = context.queue.overview()
    pause = {
        name: record.get(name)
        for name in ("paused_since", "paused_until", "pause_reason", "short_of")
    }
    return json_reply({**view.of(record, context.queue.home.path), **pause})


def failures(context: Context, request: Request) -> Reply:
    """Return the groups of the jobs that failed for good, apart from canceled ones."""
    newest: dict[str, JobRecord] = {}
    search = _Search(context, newest)
    groups = groups_of(search.jobs())
    found = [{**group, **_sample(newest[group["key"]])} for group in groups]
    return json_reply(
        {
            "groups": found,
            "is_complete": search.is_complete,
            "command": context.command(["dlq", "list"]),
        }
    )


class _Search:
    """The jobs that failed for good, newest first, as many as can be read in time."""

    def __init__(self, context: Context, newest: dict[str, JobRecord]) -> None:
        self._context = context
        self._newest = newest
        self.is_complete = False

    def jobs(self) -> Iterator[JobRecord]:
        """Yield the jobs, and note the first of each group in `newest`."""
        end_s, cursor = time.monotonic() + GROUPING_S, None
        while time.monotonic() < end_s:
            page = self._context.queue.page(cursor, state="dead", where={"cause": list(FAILURES)})
            for job in page["jobs"]:
                self._newest.setdefault(key_of(job), job)
                yield job
            cursor = page["next"]
            if cursor is None:
                self.is_complete = True
                return


def _sample(job: JobRecord) -> dict[str, Any]:
    """Return the command of the newest job of a group, its exit code, and its output size."""
    last: Any = job["history"][-1] if job["history"] else {}
    return {
        "command": job["command"],
        "exit_code": last.get("exit_code"),
        "output_bytes": last.get("output_bytes") or 0,
    }


def queues(context: Context, request: Request) -> Reply:
    """Return the queues with their rules and counts."""
    return json_reply(context.queue.queues())


def schedules(context: Context, request: Request) -> Reply:
    """Return the schedules, with their times in words, the next ones, and the last job."""
    found = context.queue.schedules()
    last = context.states_of([schedule["last_job"] for schedule in found if schedule["last_job"]])
    shown = [
        {
            **schedule,
            "words": in_words(schedule),
            "next": next_times(schedule, zone_of),
            "last": [last[id] for id in (schedule["last_job"],) if id in last],
        }
        for schedule in found
    ]
    return json_reply(shown)


def config(context: Context, request: Request) -> Reply:
    """Return the settings with their defaults."""
    settings = Settings(context.queue.settings())
    shown = [
        {
            "key": key,
            "value": _without_values(settings.values.get(key, setting.default)),
            "default": setting.default,
            "is_set": key in settings.values,
            "help": setting.help,
        }
        for key, setting in SETTINGS.items()
    ]
    return json_reply(shown)


def _without_values(value: object) -> object:
    """Return the value of a setting; of variables only the names."""
    return dict.fromkeys(value) if isinstance(value, dict) else value


def alive(context: Context, request: Request) -> Reply:
    """Say that this server answers."""
    return Reply(b"ok\n", TEXT)


def ready(context: Context, request: Request) -> Reply:
    """Say whether a supervisor runs that accepts work; status 503 if not.

    Why is for those with a token.
    """
    return Reply(b"ok\n", TEXT) if context.is_ready() else Reply(b"not ready\n", TEXT, 503)


def metrics(context: Context, request: Request) -> Reply:
    """Return the metrics in the text format of Prometheus."""
    return Reply(metrics_text(context.queue).encode(), CONTENT_TYPE)
