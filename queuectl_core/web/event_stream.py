"""Event stream: what happens in a home, line by line, for the pages that are open.

Invariant: nothing looks at the journal while no page listens. One thread looks for all that do.
Invariant: a page that reads too slowly loses lines, and is told how many, so no buffer grows.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator

from ..errors import EventsExpired, InvalidInput, QueueError
from ..storage import journal_reader
from ..storage.journal_scanner import segment_paths
from .incoming import Request
from .refusal import Refusal
from .replies import Reply, to_json

LOOK_EVERY_S = 0.25
HEARTBEAT_S = 20.0
MAX_LISTENERS = 24
MAX_EVENTS = 200
"""The most events that are told one by one. If more happen between two looks, a page reads everything again anyway."""

LINES = "application/x-ndjson"
_MAX_TEXT = 200
_FIELDS = ("seq", "event", "at", "id", "queue", "name", "reason", "worker")


class _Listener:
    """One open page, and the lines that it has not received yet."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)

    def put(self, lines: Iterable[bytes]) -> None:
        """Add lines, and wake the thread of the page."""
        self._lines.extend(lines)
        while len(self._lines) > 2 * MAX_EVENTS:
            self._lines.popleft()
        try:
            self._writer.send(b"!")
        except BlockingIOError:  # it has not noticed the last ones yet
            pass

    def wait(self, client: socket.socket, timeout_s: float) -> bytes | None:
        """Return new lines, an empty line after the timeout, or None when the client has gone."""
        readable = select.select([client, self._reader], [], [], timeout_s)[0]
        if client in readable:
            return None
        if not readable:
            return b"\n"
        self._reader.recv(4096)
        lines = []
        while self._lines:
            lines.append(self._lines.popleft())
        return b"".join(lines)

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


class EventStream:
    """The events of one home for all pages that listen."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._listeners: set[_Listener] = set()
        self._wake = threading.Event()
        self._is_watched = False
        self._last = 0

    def reply(self, request: Request) -> Reply:
        """Return the stream for one page, which begins with the events behind `after`, or with the latest number.

        Raises: Refusal, InvalidInput.
        """
        text = request.text("after")
        if text is not None and not (text.isascii() and text.isdigit() and len(text) < 19):
            raise InvalidInput(what="after must be the number of an event")
        with self._lock:
            if len(self._listeners) >= MAX_LISTENERS:
                raise Refusal(503, "crowded", "too many pages are open; close some")
        after = journal_reader.last_known(self._folder) if text is None else int(text)
        return Reply(self._lines(request.client, after, text is not None), LINES)

    def _lines(self, client: socket.socket, after: int, has_after: bool) -> Iterator[bytes]:
        listener = _Listener()
        try:
            yield to_json({"seq": after}) + b"\n"
            self._join(listener, after if has_after else None)
            while (lines := listener.wait(client, HEARTBEAT_S)) is not None:
                yield lines
        finally:
            with self._lock:
                self._listeners.discard(listener)
                if not self._listeners:
                    self._wake.set()
            listener.close()

    def _join(self, listener: _Listener, after: int | None) -> None:
        """Add a listener, from the event after `after` on, and begin to watch if it is the first."""
        with self._lock:
            if not self._is_watched:
                self._last = journal_reader.last_known(self._folder)
            if after is not None:
                listener.put(_lines_between(self._folder, after, self._last))
            self._listeners.add(listener)
            if not self._is_watched:
                self._is_watched = True
                threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """Look for new events until nobody listens."""
        seen: object = None
        while True:
            with self._lock:
                self._wake.clear()
                if not self._listeners:
                    self._is_watched = False
                    return
            now = _mark_of(self._folder)
            if now != seen:
                seen = now
                self._tell()
            self._wake.wait(LOOK_EVERY_S)

    def _tell(self) -> None:
        """Give the new events to all listeners."""
        try:
            last = journal_reader.last_known(self._folder)
            lines = _lines_between(self._folder, self._last, last)
        except (QueueError, OSError):  # the home is being removed or replaced, which the page learns elsewhere
            return
        with self._lock:
            self._last = max(self._last, last)
            for listener in self._listeners if lines else ():
                listener.put(lines)


def _lines_between(folder: str, after: int, last: int) -> list[bytes]:
    """Return the lines of the events behind `after` up to `last`, or one line if they are too many.

    Raises: QueueError.
    """
    if last - after > MAX_EVENTS:
        return [_skipped(after, last)]
    if last <= after:
        return []
    try:
        facts = list(journal_reader.read(folder, after, synced=False))
    except EventsExpired:
        return [_skipped(after, last)]
    return [to_json(_short(fact)) + b"\n" for fact in facts if fact["seq"] <= last]


def _skipped(after: int, last: int) -> bytes:
    return to_json({"seq": last, "skipped": last - after}) + b"\n"


def _short(fact: journal_reader.Fact) -> dict[str, object]:
    """Return what a page needs of an event; it asks for the rest."""
    values = {name: fact[name] for name in _FIELDS if fact.get(name) is not None}
    return {name: value[:_MAX_TEXT] if isinstance(value, str) else value for name, value in values.items()}


def _mark_of(folder: str) -> object:
    """Return something that differs after each new event."""
    paths = segment_paths(folder)
    try:
        return (paths[-1], os.path.getsize(paths[-1])) if paths else None
    except FileNotFoundError:
        return time.monotonic()
