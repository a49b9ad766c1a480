"""Waiters: clients that wait for the end of jobs, and which of them to answer when jobs end.

Pure: the caller reports events and disconnected clients. Does not know what a client is.

Invariant: all waits together are bounded. `is_full` says that there is no room for more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import InvalidInput, UnknownJob
from ..model.events import Canceled, DeadLettered, Event, Purged, Succeeded
from ..model.job import COMPLETED, DEAD, FINAL_STATES
from ..model.validators import is_id
from ..table.job_table import JobTable
from ..wire.protocol import WAIT_JOBS, number_of

Client = Any
"""Whatever the caller uses for a client; it must be hashable."""

MAX_ENTRIES = 200_000
"""The most jobs that clients wait for, counted once for each client. They need about 60 MB."""

ENDS: dict[type, str] = {Succeeded: COMPLETED, DeadLettered: DEAD, Canceled: DEAD, Purged: "purged"}
"""How a job has ended, by the type of its last event."""


class Wait:
    """The wait of one client for some jobs, which it can name in several requests.

    It is over when the client has named all of them and none is open.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.request_number: int | None = None
        """The number of the request that gets the reply."""
        self.open_ids: set[str] = set()
        self.ended: dict[str, int] = {}
        self.is_complete = False

    @property
    def is_over(self) -> bool:
        """Return whether the client has named all of its jobs and none of them is open."""
        return self.is_complete and not self.open_ids

    def note_end(self, how: str) -> None:
        """Count a job that has ended, by how it ended."""
        self.ended[how] = self.ended.get(how, 0) + 1


class Waits:
    """The waits of all clients."""

    def __init__(self) -> None:
        self._by_id: dict[str, list[Wait]] = {}
        self._entries = 0
        self._current: dict[Client, Wait] = {}
        """By client: a wait that is not over, or whose client will name more jobs."""

    def __len__(self) -> int:
        return len(self._current)

    def latest(self) -> Wait | None:
        """Return the most recent wait whose client has named all its jobs, or None."""
        return next((wait for wait in reversed(self._current.values()) if wait.is_complete), None)

    @property
    def is_full(self) -> bool:
        """Return whether there is no room to wait for more jobs."""
        return self._entries > MAX_ENTRIES

    def ask(self, client: Client, request: dict[str, object], table: JobTable) -> dict[str, object] | None:
        """Return the reply to a request to wait for jobs, or None if `finish` will give it later.

        If the client will name `more` jobs, the reply is empty and comes at once.
        With `lenient`, a job that does not exist counts as purged.

        Raises: InvalidInput, UnknownJob.
        """
        ids = request.get("ids")
        if not isinstance(ids, list) or not ids or len(ids) > WAIT_JOBS:
            raise InvalidInput(what=f"name 1 to {WAIT_JOBS} jobs at a time")
        wait = self._current.pop(client, None) or Wait(client)
        self._current[client] = wait
        for id in ids:
            state = table.state_of(str(id)) if is_id(id) else None
            if state is None and request.get("lenient") is not True:
                self.forget(client)
                raise UnknownJob(id=str(id)[:140])
            if state is None or state in FINAL_STATES:
                wait.note_end(state or "purged")
            else:
                self._add(wait, id)
        if request.get("more") is True:
            return {}
        wait.is_complete, wait.request_number = True, number_of(request)
        if not wait.is_over:
            return None
        self.forget(client)
        return {"ended": wait.ended}

    def _add(self, wait: Wait, id: str) -> None:
        if id not in wait.open_ids:
            wait.open_ids.add(id)
            self._entries += 1
            self._by_id.setdefault(id, []).append(wait)

    def forget(self, client: Client) -> None:
        """End the wait of a client without a reply."""
        wait = self._current.pop(client, None)
        if wait is None:
            return
        self._entries -= len(wait.open_ids)
        for id in wait.open_ids:
            self._by_id[id].remove(wait)
            if not self._by_id[id]:
                del self._by_id[id]

    def finish(self, happened: Iterable[Event]) -> list[Wait]:
        """Return the waits that are over with these events."""
        finished: list[Wait] = []
        if not self._by_id:
            return finished
        for event in happened:
            if not isinstance(event, (Succeeded, DeadLettered, Canceled, Purged)):
                continue
            waits = self._by_id.pop(event.id, ())
            self._entries -= len(waits)
            for wait in waits:
                wait.open_ids.discard(event.id)
                wait.note_end(ENDS[type(event)])
                if wait.is_over:
                    del self._current[wait.client]
                    finished.append(wait)
        return finished
