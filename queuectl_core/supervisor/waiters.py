"""Waiters: clients that want to hear when jobs have ended, and which of them to answer when some have.

Pure: it is told of events and of who has gone; what a client is, it does not know. The trap: a client that has gone
takes no answer, and its waits would stay for ever; so they are looked through when they have doubled. All of them
together are bounded: `is_full` says that there is no place for more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from ..errors import InvalidInput, UnknownJob
from ..model.events import Canceled, Died, Event, Purged, Succeeded
from ..model.job import COMPLETED, DEAD, FINAL_STATES
from ..model.job_spec import check_id
from ..table.job_table import JobTable
from ..wire.protocol import WAIT_JOBS, number_of

Client = TypeVar("Client")

FIRST_LIMIT = 1000
MAX_ENTRIES = 200_000
"""So many jobs are waited for at the most, those counted twice that two clients wait for: some 60 MB."""

ENDS: dict[type, str] = {Succeeded: COMPLETED, Died: DEAD, Canceled: DEAD, Purged: "purged"}
"""How a job has ended, by the event that says so."""

_ENDING = (Succeeded, Died, Canceled, Purged)


class Wait(Generic[Client]):
    """Of one client, who asks for some jobs after others. It is over when all are named and none is open."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.number: int | None = None
        """That of the request which is answered when it is over."""
        self.is_given_up = False
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
        self._entries = 0
        self._current: dict[Client, Wait[Client]] = {}
        """By client: the one that is not over yet, or whose client is about to name more jobs."""
        self._limit = FIRST_LIMIT

    def __len__(self) -> int:
        return len(self._current)

    def latest(self) -> Wait[Client] | None:
        """The one that came last of those that are to be answered."""
        return next((wait for wait in reversed(self._current.values()) if wait.is_whole), None)

    @property
    def is_full(self) -> bool:
        """Whether no more jobs can be waited for."""
        if self._entries > MAX_ENTRIES:
            self._forget_gone()
        return self._entries > MAX_ENTRIES

    def ask(self, client: Client, request: dict[str, object], table: JobTable) -> dict[str, object] | None:
        """The reply to a request to wait for some jobs; None: `over` will tell. When `more` are to be named it comes at
        once, and says nothing. Raises InvalidInput, UnknownJob.
        """
        ids = request.get("ids")
        if not isinstance(ids, list) or not ids or len(ids) > WAIT_JOBS:
            raise InvalidInput(what=f"name 1 to {WAIT_JOBS} jobs at a time")
        wait = self._current.pop(client, None) or Wait(client)
        for id in ids:
            self._name(wait, id, table, request.get("lenient") is True)
        if request.get("more") is True:
            self._current[client] = wait
            return {}
        wait.is_whole, wait.number = True, number_of(request)
        if wait.is_over:
            return {"ended": wait.ended}
        self._current[client] = wait
        return None

    def _name(self, wait: Wait[Client], id: object, table: JobTable, lenient: bool) -> None:
        """`lenient`: a job that is not there any more has been purged. Raises UnknownJob."""
        state = table.state_of(str(id)) if check_id(id) is None else None
        if state is None and not lenient:
            wait.is_given_up = True
            raise UnknownJob(id=str(id)[:140])
        if state is None or state in FINAL_STATES:
            wait.note_end(state or "purged")
        else:
            self.add(wait, str(id))

    def forget(self, client: Client) -> None:
        """It waits no longer."""
        wait = self._current.pop(client, None)
        if wait is not None:
            wait.is_given_up = True

    def add(self, wait: Wait[Client], id: str) -> None:
        """Wait for this job too, which has not ended."""
        if self._entries > self._limit:
            self._forget_gone()
        if id not in wait.open_ids:
            wait.open_ids.add(id)
            self._entries += 1
            self._by_id.setdefault(id, []).append(wait)

    def over(self, happened: Iterable[Event]) -> list[Wait[Client]]:
        """Those that are over with these events."""
        found: list[Wait[Client]] = []
        if not self._by_id:
            return found
        for event in happened:
            if not isinstance(event, _ENDING):
                continue
            how = ENDS[type(event)]
            waits = self._by_id.pop(event.id, ())
            self._entries -= len(waits)
            for wait in waits:
                wait.open_ids.discard(event.id)
                wait.note_end(how)
                if wait.is_over and not wait.is_given_up:
                    self._current.pop(wait.client, None)
                    found.append(wait)
        return found

    def _forget_gone(self) -> None:
        self._entries = 0
        for id, waits in list(self._by_id.items()):
            left = [wait for wait in waits if not wait.is_given_up and self._is_there(wait.client)]
            self._entries += len(left)
            if left:
                self._by_id[id] = left
            else:
                del self._by_id[id]
        self._limit = 2 * self._entries + FIRST_LIMIT
