"""Waiters: clients that wait for the end of jobs, and which of them to answer when jobs end.

Pure: the caller reports events and disconnected clients. Does not know what a client is.

Invariant: all waits together are bounded. `is_full` says that there is no room for more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import InvalidInput, UnknownJob
from ..model.events import Canceled, DeadLettered, Event, Failed, Purged, Released, Snoozed, Succeeded
from ..model.job import COMPLETED, DEAD, FINAL_STATES, PROCESSING
from ..model.validators import is_id
from ..table.job_table import JobTable
from ..wire.protocol import WAIT_JOBS, number_of

Client = Any
"""Whatever the caller uses for a client; it must be hashable."""

MAX_ENTRIES = 200_000
"""The most jobs that clients wait for, counted once for each client. They need about 60 MB."""

ENDS: dict[type, str] = {Succeeded: COMPLETED, DeadLettered: DEAD, Canceled: DEAD, Purged: "purged"}
"""How a job has ended, by the type of its last event."""

RUN_ENDS: dict[type, str] = {Failed: "failed", Snoozed: "pending", Released: "pending"}
"""The state of a job whose run has ended, but which can run again."""

_EITHER = {**ENDS, **RUN_ENDS}


class Wait:
    """The wait of one client for some jobs, which it can name in several requests.

    It is over when the client has named all of them and none is open.
    """

    def __init__(self, client: Client, of_runs: bool = False) -> None:
        """Begin with no jobs. A wait `of_runs` ends for a job when it does not run."""
        self.client = client
        self.of_runs = of_runs
        self.request_number: int | None = None
        """The number of the request that gets the reply."""
        self.open_ids: set[str] = set()
        self.ended: dict[str, int] = {}
        self.is_complete = False
        """Whether the client has named all of its jobs and is owed a reply."""
        self._first: list[str] | None = None
        self._first_failure: list[str] | None = None
        self._seen: int | None = None
        """How many ends the client knows, if it wants a reply at the next one."""

    @property
    def is_over(self) -> bool:
        """Return whether the client has named all of its jobs and none of them is open."""
        return self.is_complete and not self.open_ids

    @property
    def is_due(self) -> bool:
        """Return whether the client gets its reply now."""
        has_news = self._seen is not None and sum(self.ended.values()) > self._seen
        return self.is_complete and (has_news or not self.open_ids)

    def note_end(self, id: str, how: str) -> None:
        """Count a job that has ended, by how it ended."""
        self.ended[how] = self.ended.get(how, 0) + 1
        self._first = self._first or [id, how]
        if how != COMPLETED:
            self._first_failure = self._first_failure or [id, how]

    def owe(self, number: int | None, seen: int | None = None) -> None:
        """Owe the client a reply when the wait is over, or when more than `seen` jobs have ended."""
        self.is_complete, self.request_number, self._seen = True, number, seen

    def reply(self) -> dict[str, object]:
        """Return the reply that is due."""
        if self._seen is None:
            return {"ended": self.ended}
        first = {"first": self._first, "first_failure": self._first_failure}
        return {"ended": self.ended, "open": len(self.open_ids), **first}


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
        of_runs = request.get("runs") is True
        wait = self._current.pop(client, None) or Wait(client, of_runs)
        self._current[client] = wait
        for id in ids:
            state = table.state_of(str(id)) if is_id(id) else None
            if state is None and request.get("lenient") is not True:
                self.forget(client)
                raise UnknownJob(id=str(id)[:140])
            if state is None or state in FINAL_STATES or (of_runs and state != PROCESSING):
                wait.note_end(id, state or "purged")
            else:
                self._add(wait, id)
        if request.get("more") is True:
            return {}
        wait.owe(number_of(request))
        return self._reply_now(wait)

    def ask_next(self, client: Client, request: dict[str, object]) -> dict[str, object] | None:
        """Return how the jobs that the client has named ended, or None if `finish` will say it later.

        The reply is due when more than `seen` jobs have ended, or all. `open` says how many have not.

        Raises: InvalidInput.
        """
        wait, seen = self._current.get(client), request.get("seen")
        if wait is None or type(seen) is not int:
            raise InvalidInput(what="name the jobs to wait for first")
        wait.owe(number_of(request), seen)
        return self._reply_now(wait)

    def _reply_now(self, wait: Wait) -> dict[str, object] | None:
        if not wait.is_due:
            return None
        self._settle(wait)
        return wait.reply()

    def _settle(self, wait: Wait) -> None:
        """Note that the reply which is due is given: the wait is over, or its client asks again."""
        if wait.is_over:
            self.forget(wait.client)
        wait.is_complete = False

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
        """Return the waits whose reply is due with these events."""
        finished: list[Wait] = []
        if not self._by_id:
            return finished
        for event in happened:
            how = _EITHER.get(type(event))
            if how is not None:
                finished.extend(self._due_after(event, how))
        return finished

    def _due_after(self, event: Any, how: str) -> Iterator[Wait]:
        """Count the end of a job or of its run, and yield the waits whose reply is due."""
        for wait in self._taken(event.id, type(event) in RUN_ENDS):
            wait.open_ids.discard(event.id)
            wait.note_end(event.id, how)
            if wait.is_due:
                self._settle(wait)
                yield wait

    def _taken(self, id: str, of_runs: bool) -> list[Wait]:
        """Take the waits for a job out of the index: all of them, or only those of its run."""
        waits = self._by_id.pop(id, [])
        if of_runs:
            others = [wait for wait in waits if not wait.of_runs]
            waits = [wait for wait in waits if wait.of_runs]
            if others:
                self._by_id[id] = others
        self._entries -= len(waits)
        return waits
