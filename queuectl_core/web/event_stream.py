"""Event stream: what happens in a home, line by line, for the pages that are open.

Invariant: nothing waits for news while no page listens. One thread waits for all that do.
Invariant: a page that reads too slowly loses lines, and is told how many, so no buffer grows.
"""

from __future__ import annotations

import select
import socket
import threading
from collections import deque
from collections.abc import Iterable, Iterator

from ..api import Queue
from ..errors import EventsExpired, InvalidInput, QueueError
from ..storage import journal_reader
from .connection.incoming import Request
from .connection.refusal import Refusal
from .connection.replies import Reply, lines_reply, to_json

PAUSE_S = 0.25
"""The seconds from one look at the journal to the next while much happens."""

HEARTBEAT_S = 20.0
MAX_LISTENERS = 24
MAX_EVENTS = 200
"""The most events that are told one by one.

If more happen between two looks, a page reads everything again anyway.
"""

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

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._folder = queue.home.journal
        self._lock = threading.Lock()
        self._listeners: set[_Listener] = set()
        self._wake: socket.socket | None = None
        """The end of a socket pair that wakes the thread that watches, or None while none does."""
        self._last = 0

    def reply(self, request: Request) -> Reply:
        """Return the stream for one page, from the event behind `after` or from the latest one.

        Raises: Refusal, InvalidInput.
        """
        text = request.text("after")
        if text is not None and not (text.isascii() and text.isdigit() and len(text) < 19):
            raise InvalidInput(what="after must be the number of an event")
        with self._lock:
            if len(self._listeners) >= MAX_LISTENERS:
                raise Refusal(503, "crowded", "too many pages are open; close some")
        after = journal_reader.last_known(self._folder) if text is None else int(text)
        return lines_reply(self._lines(request.client, after, text is not None))

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
                if not self._listeners and self._wake is not None:
                    self._wake.send(b"!")
            listener.close()

    def _join(self, listener: _Listener, after: int | None) -> None:
        """Add a listener, from the event behind `after` on, and watch if it is the first."""
        with self._lock:
            if self._wake is None:
                self._last = journal_reader.last_known(self._folder)
            if after is not None:
                listener.put(_lines_between(self._folder, after, self._last))
            self._listeners.add(listener)
            if self._wake is None:
                woken, self._wake = socket.socketpair()
                threading.Thread(target=self._watch, args=(woken,), daemon=True).start()

    def _watch(self, woken: socket.socket) -> None:
        """Tell the listeners what happens, until nobody listens."""
        news, is_first = self._queue.news(), True
        while self._has_listeners(woken):
            news.ask()
            descriptor = news.fileno()
            sources = [woken, *([] if descriptor is None else [descriptor])]
            readable = select.select(sources, [], [], news.look_within_s())[0]
            if (descriptor is None or descriptor in readable) and news.has_come():
                self._tell(is_first)
                is_first = False
                select.select([woken], [], [], PAUSE_S)
        news.close()

    def _has_listeners(self, woken: socket.socket) -> bool:
        """Return whether somebody listens. If not, this thread must end."""
        with self._lock:
            if select.select([woken], [], [], 0)[0]:
                woken.recv(4096)
            if self._listeners or self._wake is None:
                return True
            self._wake.close()
            self._wake = None
        woken.close()
        return False

    def _tell(self, is_first: bool) -> None:
        """Give the new events to all listeners.

        Other news, like the start of a supervisor, has only the number.

        The first news come at once, and may be none.
        """
        try:
            last = journal_reader.last_known(self._folder)
            lines = _lines_between(self._folder, self._last, last)
        except (QueueError, OSError):
            return  # the home is being removed or replaced, which the page learns elsewhere
        with self._lock:
            self._last = max(self._last, last)
            for listener in () if is_first and not lines else self._listeners:
                listener.put(lines or [to_json({"seq": last}) + b"\n"])


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
    return {
        name: value[:_MAX_TEXT] if isinstance(value, str) else value
        for name, value in values.items()
    }
