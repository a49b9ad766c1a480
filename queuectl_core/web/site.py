"""Site: what the web server serves: one home, and the fixed table of requests to it.

It does not know connections or HTTP headers beyond those that a request needs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from ..api import Queue
from . import changes, home_reads, job_reads, page_files
from .act import act
from .connection.gate import METRICS, OPEN, READ, WRITE, Gate
from .connection.incoming import Request
from .connection.refusal import Refusal
from .connection.replies import TEXT, Reply
from .context import Context
from .output import output

Handler = Callable[[Context, Request], Reply]

ANY = "*"
"""A part of a path that names a job or a file."""


class Route(NamedTuple):
    """One kind of request: what it needs, and the function that answers it."""

    access: str
    handler: Handler


def _index(context: Context, request: Request) -> Reply:
    return page_files.page_file(page_files.INDEX)


def _file(context: Context, request: Request) -> Reply:
    return page_files.page_file(request.path[-1])


def _events(context: Context, request: Request) -> Reply:
    return context.events.reply(request)


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", ""): Route(OPEN, _index),
    ("GET", "page/*"): Route(OPEN, _file),
    ("GET", "livez"): Route(OPEN, home_reads.alive),
    ("GET", "readyz"): Route(OPEN, home_reads.ready),
    ("GET", "metrics"): Route(METRICS, home_reads.metrics),
    ("GET", "api/session"): Route(READ, home_reads.session),
    ("GET", "api/overview"): Route(READ, home_reads.overview),
    ("GET", "api/failures"): Route(READ, home_reads.failures),
    ("GET", "api/jobs"): Route(READ, job_reads.jobs),
    ("GET", "api/jobs/*"): Route(READ, job_reads.job),
    ("GET", "api/jobs/*/history"): Route(READ, job_reads.history),
    ("GET", "api/jobs/*/output"): Route(READ, output),
    ("GET", "api/queues"): Route(READ, home_reads.queues),
    ("GET", "api/schedules"): Route(READ, home_reads.schedules),
    ("GET", "api/config"): Route(READ, home_reads.config),
    ("GET", "api/events"): Route(READ, _events),
    ("POST", "api/act"): Route(WRITE, act),
    ("POST", "api/edit"): Route(WRITE, changes.edit),
    ("POST", "api/enqueue"): Route(WRITE, changes.enqueue),
    ("POST", "api/queue"): Route(WRITE, changes.queue),
    ("POST", "api/schedule"): Route(WRITE, changes.schedule),
    ("POST", "api/config"): Route(WRITE, changes.config),
    ("POST", "api/pause"): Route(WRITE, changes.pause),
}
"""Every request that there is. No other path or method does anything."""


class Site:
    """The answers for one home at one base path."""

    def __init__(self, queue: Queue, gate: Gate, base_path: str) -> None:
        self.context = Context(queue, gate.is_read_only)
        self._gate = gate
        self._base = tuple(part for part in base_path.split("/") if part)
        self._home = _identity(queue.home.path)

    def answer(self, request: Request, body: Callable[[], object]) -> Reply:
        """Return the reply to a request, whose host is already checked.

        Raises: Refusal, QueueError.
        """
        parts = request.path[1:]
        if self._base and parts == self._base:
            # Without the last slash, relative addresses would lead elsewhere.
            return Reply(b"", TEXT, 308, (("Location", f"{self._base[-1]}/"),))
        if parts[: len(self._base)] != self._base:
            raise Refusal(404, "unknown_path", "there is nothing at this address")
        parts = parts[len(self._base) :]
        route = _route_of(request.method, parts)
        self._gate.check(route.access, request.headers)
        if route.access != OPEN and _identity(self.context.queue.home.path) != self._home:
            what = f"home {self.context.queue.home.path} was removed or moved while this server ran"
            raise Refusal(503, "home_gone", what)
        body_value = body() if request.method == "POST" else None
        return route.handler(self.context, request._replace(path=parts, body=body_value))


def _route_of(method: str, parts: tuple[str, ...]) -> Route:
    """Return the route of a path.

    Raises: Refusal.
    """
    found = {key[0]: route for key, route in ROUTES.items() if _fits(key[1].split("/"), parts)}
    if not found:
        raise Refusal(404, "unknown_path", "there is nothing at this address")
    if method not in found:
        raise Refusal(405, "method", f"this address takes {' and '.join(found)}")
    return found[method]


def _fits(pattern: list[str], parts: tuple[str, ...]) -> bool:
    return len(pattern) == len(parts) and all(
        part == wanted or (wanted == ANY and part != "") for wanted, part in zip(pattern, parts)
    )


def _identity(path: str) -> tuple[int, int] | None:
    """Return what tells a folder from another in its place, or None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
