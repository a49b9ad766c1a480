"""Context: what the answers of the web server share: the home, and running changes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..api import Queue
from ..errors import in_words
from ..home import default_path
from ..supervisor.log import log
from ..timestamps import utc
from ..view import health
from .command_words import quoted
from .connection.refusal import Refusal
from .event_stream import EventStream

READY_S = 0.1
"""How long an answer of `is_ready` holds, in seconds, because everybody may ask."""

SHARED_S = 1.0
"""How long a request waits for the answer to another one, in seconds."""


def _changed_at(job: Mapping[str, Any]) -> str:
    return utc(job.get("updated_ms") or job["created_ms"])


class Context:
    """One home, as the web server sees it."""

    def __init__(self, queue: Queue, is_read_only: bool) -> None:
        self.queue = queue
        self.is_read_only = is_read_only
        self.events = EventStream(queue)
        self.is_closing = False
        """Whether the server ends, so that a long change stops between two parts."""
        path = queue.home.path
        is_default = os.path.abspath(default_path(dict(os.environ))) == path
        self._start = ["queuectl"] if is_default else ["queuectl", "--home", path]
        self._ready, self._ready_until_s = False, 0.0
        self._asked = threading.Lock()
        self._changes = 0
        self._changed = threading.Condition()

    def command(self, words: Sequence[str]) -> str:
        """Return the command line that does what a request does, quoted for a shell."""
        return quoted([*self._start, *words])

    def is_ready(self) -> bool:
        """Return whether a supervisor runs and accepts work.

        Requests that come close together share an answer. Only one at a time waits for a supervisor
        that hangs; the others say that it is not ready.

        Raises: QueueError.
        """
        if not self._asked.acquire(timeout=SHARED_S):
            return False
        try:
            if time.monotonic() >= self._ready_until_s:
                self._ready, _ = health.of(self.queue.status(), self.queue.home.path)
                self._ready_until_s = time.monotonic() + READY_S
            return self._ready
        finally:
            self._asked.release()

    def states_of(self, ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the state of each of these jobs that exists, and when it changed; at most 5000."""
        jobs = (job for page in self.queue.kept(ids) for job in page) if ids else ()
        return {
            job["id"]: {"id": job["id"], "state": job["state"], "at": _changed_at(job)}
            for job in jobs
        }

    @contextmanager
    def change(self, sender: str, what: str) -> Iterator[list[str]]:
        """Log who changes what, with the results of the block; the end of the server waits.

        Raises: Refusal.
        """
        with self._changed:
            if self.is_closing:
                raise Refusal(503, "busy", "this server ends")
            self._changes += 1
        results: list[str] = []
        try:
            yield results
            log(f"{sender}: {what}{''.join(map(': {}'.format, results))}")
        except BaseException as fault:
            why = in_words(fault) or "the page was closed"
            log(f"{sender}: {what}: {', '.join([*results, why])}")
            raise
        finally:
            with self._changed:
                self._changes -= 1
                self._changed.notify_all()

    def close(self, timeout_s: float) -> None:
        """Refuse further changes, and wait for those that run."""
        with self._changed:
            self.is_closing = True
            self._changed.wait_for(lambda: not self._changes, timeout_s)
