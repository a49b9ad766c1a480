"""Waits: clients that want to hear when jobs have ended, and which of them to answer when some have.

Pure: it is told of events and of who has gone; what a client is, it does not know. The trap: a client that has gone
takes no answer, and its waits would stay for ever; so they are looked through when they have doubled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from .events import Died, Event, Purged, Succeeded

Client = TypeVar("Client")

FIRST_LIMIT = 1000


class Wait(Generic[Client]):
    """`client` hears when `open_ids` is empty."""

    def __init__(self, client: Client, open_ids: set[str]) -> None:
        self.client = client
        self.open_ids = open_ids


class Waits(Generic[Client]):
    def __init__(self, is_there: Callable[[Client], bool]) -> None:
        self._is_there = is_there
        self._by_id: dict[str, list[Wait[Client]]] = {}
        self._limit = FIRST_LIMIT

    def add(self, client: Client, open_ids: set[str]) -> None:
        """`open_ids` are jobs that have not ended; at least one."""
        if len(self._by_id) > self._limit:
            self._forget_gone()
            self._limit = 2 * len(self._by_id) + FIRST_LIMIT
        wait = Wait(client, open_ids)
        for id in open_ids:
            self._by_id.setdefault(id, []).append(wait)

    def over(self, happened: Iterable[Event]) -> list[Client]:
        """The clients all of whose jobs have ended with these events."""
        found: list[Client] = []
        if not self._by_id:
            return found
        for event in happened:
            if type(event) in (Succeeded, Died, Purged):
                for wait in self._by_id.pop(event.id, ()):
                    wait.open_ids.discard(event.id)
                    if not wait.open_ids:
                        found.append(wait.client)
        return found

    def _forget_gone(self) -> None:
        for id, waits in list(self._by_id.items()):
            self._by_id[id] = [wait for wait in waits if self._is_there(wait.client)]
            if not self._by_id[id]:
                del self._by_id[id]
