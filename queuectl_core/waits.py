"""Waits: clients that want to hear when jobs have ended, and which of them to answer when some have.

Pure: it is told of events and of who has gone; what a client is, it does not know. The trap: a client that has gone
takes no answer, and its waits would stay for ever; so they are looked through when they have doubled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from .errors import InvalidInput, UnknownJob
from .events import Canceled, Died, Event, Purged, Succeeded
from .job import COMPLETED, DEAD, FINAL_STATES
from .jobtable import JobTable
from .protocol import WAIT_JOBS, number_of
from .spec import check_id

Client = TypeVar("Client")

FIRST_LIMIT = 1000

ENDS: dict[type, str] = {Succeeded: COMPLETED, Died: DEAD, Canceled: DEAD, Purged: "purged"}
"""How a job has ended, by the event that says so."""


class Wait(Generic[Client]):
    """Of one client, who asks for some jobs after others. It is over when all are named and none is open."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.number: int | None = None
        """That of the request which is answered when it is over."""
        self.open_ids: set[str] = set()
        self.ended: dict[str, int] = {}
        self.is_whole = False

    @property
    def is_over(self) -> bool:
        return self.is_whole and not self.open_ids

    def note_end(self, how: str) -> None:
        self.ended[how] = self.ended.get(how, 0) + 1


class Waits(Generic[Client]):
    def __init__(self, is_there: Callable[[Client], bool]) -> None:
        self._is_there = is_there
        self._by_id: dict[str, list[Wait[Client]]] = {}
        self._asked: dict[Client, Wait[Client]] = {}
        """Those of clients that are about to name more jobs."""
        self._limit = FIRST_LIMIT

    def ask(self, client: Client, request: dict[str, object], table: JobTable) -> dict[str, object] | None:
        """The reply to a request to wait for some jobs; None: `over` will tell. When `more` are to be named it comes at
        once, and says nothing. Raises InvalidInput, UnknownJob.
        """
        ids = request.get("ids")
        if not isinstance(ids, list) or not ids or len(ids) > WAIT_JOBS:
            raise InvalidInput(what=f"name from 1 to {WAIT_JOBS} jobs at a time")
        wait = self._asked.pop(client, None) or Wait(client)
        for id in ids:
            state = table.state_of(id) if check_id(id) is None else None
            if state is None:
                raise UnknownJob(id=str(id)[:140])
            if state in FINAL_STATES:
                wait.note_end(state)
            else:
                self.add(wait, id)
        if request.get("more") is True:
            self._asked[client] = wait
            return {}
        wait.is_whole, wait.number = True, number_of(request)
        return {"ended": wait.ended} if wait.is_over else None

    def forget(self, client: Client) -> None:
        """It names no more jobs."""
        self._asked.pop(client, None)

    def add(self, wait: Wait[Client], id: str) -> None:
        """This job too, which has not ended."""
        if len(self._by_id) > self._limit:
            self._forget_gone()
            self._limit = 2 * len(self._by_id) + FIRST_LIMIT
        if id not in wait.open_ids:
            wait.open_ids.add(id)
            self._by_id.setdefault(id, []).append(wait)

    def over(self, happened: Iterable[Event]) -> list[Wait[Client]]:
        """Those that are over with these events."""
        found: list[Wait[Client]] = []
        if not self._by_id:
            return found
        for event in happened:
            how = ENDS.get(type(event))
            for wait in self._by_id.pop(event.id, ()) if how is not None else ():
                wait.open_ids.discard(event.id)
                wait.note_end(how)
                if wait.is_over:
                    found.append(wait)
        return found

    def _forget_gone(self) -> None:
        for id, waits in list(self._by_id.items()):
            self._by_id[id] = [wait for wait in waits if self._is_there(wait.client)]
            if not self._by_id[id]:
                del self._by_id[id]
