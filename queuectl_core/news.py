"""News: tells a program when something has happened in a home, without polling while a supervisor runs.

    news = queue.news()
    while news.wait():
        print(queue.overview()["counts"])

A supervisor answers a `watch` when something happens, so an idle watch costs nothing. Without a supervisor, or with an
older one, this looks at the end of the journal and for a supervisor once in `LOOK_EVERY_S`.

It does not know what has happened: ask for what you show.

Warning: an object belongs to one thread in one process.
"""

from __future__ import annotations

import os
import select
import time

from .errors import Busy, InvalidInput, QueueError
from .storage.journal_scanner import segment_paths
from .transport import Transport

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from .wire.client import Client

LOOK_EVERY_S = 1.0
"""The seconds between two looks while no supervisor says that something has happened."""


class News:
    """What has happened since the last look."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._home = transport.home
        self._client: Client | None = None
        self._is_asked = False
        self._is_old = False
        """Whether the supervisor does not know `watch`, or has no place for one more."""
        self._seen: int | None = None
        self._mark: tuple[object, object] | None = None

    def fileno(self) -> int | None:
        """Return the descriptor that becomes readable with the next news, or None if nobody will say it."""
        return self._client.fileno() if self._client is not None and self._is_asked else None

    def look_within_s(self) -> float | None:
        """Return in how many seconds to look again, or None to wait for the descriptor alone."""
        if self.fileno() is not None:
            return None
        return 0.0 if self._mark is None else LOOK_EVERY_S

    def ask(self) -> None:
        """Ask the supervisor for the next news, unless it is asked already. Call it before you wait."""
        if self._is_asked or self._is_old:
            return
        try:
            self._client = self._client or self._transport.connect()
            if self._client is not None:
                self._client.send("watch", seen=self._seen)
                self._is_asked = True
        except (QueueError, ConnectionError):
            self._forget()

    def has_come(self) -> bool:
        """Return whether something has happened. Call it when the descriptor is readable or it is time to look."""
        if not self._is_asked:
            return self._has_moved()
        self._is_asked = False
        try:
            if self._client is not None:
                self._seen = self._client.receive(self._transport.deadline_s)["seen"]
        except ConnectionError:
            self._forget()
        except (Busy, InvalidInput):
            self._forget()
            self._is_old = True
        except QueueError:
            self._forget()
        return True

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for news, and return whether there is some. The first call returns at once."""
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self.ask()
            descriptor = self.fileno()
            ends = [self.look_within_s(), None if end_s is None else max(0.0, end_s - time.monotonic())]
            within_s = min((end for end in ends if end is not None), default=None)
            readable = select.select([] if descriptor is None else [descriptor], [], [], within_s)[0]
            if (readable or descriptor is None) and self.has_come():
                return True
            if end_s is not None and time.monotonic() >= end_s:
                return False

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
        self._client, self._is_asked = None, False

    def _forget(self) -> None:
        self.close()
        self._seen = None

    def _has_moved(self) -> bool:
        """Return whether the end of the journal, or the supervisor, is another one than at the last look."""
        before, self._mark = self._mark, (_end_of(self._home.journal), _identity_of(self._home.socket))
        self._is_old = self._is_old and before is not None and before[1] == self._mark[1]
        return self._mark != before


def _end_of(journal: str) -> object:
    """Return something that differs after each event."""
    paths = segment_paths(journal)
    try:
        return (paths[-1], os.path.getsize(paths[-1])) if paths else None
    except FileNotFoundError:  # the writer has removed it meanwhile
        return time.monotonic()


def _identity_of(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None
