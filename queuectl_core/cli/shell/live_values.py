"""Live values: the IDs, queues, schedules, and tags of a home, for the completion of a shell.

It reads only. It starts no supervisor, creates no home, and takes no lock.
A home that does not answer in time has no values.
"""

from __future__ import annotations

import os
import time

from ...errors import QueueError
from ...home import Home
from ...wire.client import connect

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

WITHIN_S = 0.2
"""The longest time in seconds that the shell waits for the values of a home."""

NEWEST = 200
"""The most jobs that a completion looks at."""


class LiveValues:
    """The values of one home, within `WITHIN_S` from now on."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._end_s = time.monotonic() + WITHIN_S

    def jobs(self, states: Sequence[str] | None, text: str) -> dict[str, str]:
        """Return the IDs that begin with a text, each with the state and command of its job."""
        jobs = self._list(states)
        found = {job["id"]: f"{job['state']}: {job['command']}"[:80] for job in jobs if job["id"].startswith(text)}
        if found or not text:
            return found
        reply = self._ask("find", words=[text])  # the job is older than those in the list
        return dict.fromkeys(reply.get("found", {}).get(text, ()), "")

    def queues(self) -> dict[str, str]:
        """Return the queues, each with the number of its waiting jobs."""
        queues: list[Any] = self._ask("queue-list").get("queues", [])
        return {queue["queue"]: f"{queue['counts']['pending']} pending" for queue in queues}

    def schedules(self) -> dict[str, str]:
        """Return the schedules, each with its next time."""
        schedules: list[Any] = self._ask("schedule-list").get("schedules", [])
        return {one["schedule"]: f"next run {one['next_run_at'] or 'unknown'}" for one in schedules}

    def seen(self, field: str) -> dict[str, str]:
        """Return the values that a field has in the listed jobs."""
        return _distinct(job.get(field) for job in self._list(None))

    def tags(self) -> dict[str, str]:
        """Return the tags of the listed jobs, as NAME=VALUE."""
        tags = (job.get("tags") or {} for job in self._list(None))
        return _distinct(f"{name}={value}" for pairs in tags for name, value in pairs.items())

    def _list(self, states: Sequence[str] | None) -> list[Any]:
        state = {} if states is None else {"state": list(states)}
        jobs: list[Any] = self._ask("list", limit=NEWEST, **state).get("jobs", [])
        return jobs

    def _ask(self, verb: str, **fields: object) -> dict[str, Any]:
        """Return the reply to a request that only reads, or an empty one."""
        try:
            if not self._home.exists():
                return {}
            left_s = self._end_s - time.monotonic()
            client = connect(self._home.socket, left_s) if left_s > 0 else None
            if client is None:
                return self._read({"verb": verb, **fields}) if left_s > 0 else {}
            try:
                return client.ask(verb, deadline_ms=client.deadline_ms(), **fields)
            finally:
                client.close()
        except (QueueError, OSError):
            return {}

    def _read(self, request: dict[str, object]) -> dict[str, Any]:
        """Return what the files of the home say, unless somebody writes to them or has left them unfinished.

        Raises: QueueError, OSError.
        """
        if not self._home.has_begun() or os.path.exists(os.path.join(self._home.store, "jobs.db-wal")):
            return {}
        from ...service import handlers
        from ...service.ledger import Ledger
        from ...system.clock import now_ms

        ledger = Ledger(self._home, read_only=True)
        try:
            return handlers.answer(ledger, request, now_ms())
        finally:
            ledger.close()


def _distinct(values: Iterable[object]) -> dict[str, str]:
    return {str(value): "" for value in values if value}
