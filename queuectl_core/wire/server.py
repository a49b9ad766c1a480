"""Server: the control socket, as the supervisor sees it: connections in, whole requests out, replies back.

Nothing here ever blocks: a silent client costs a descriptor, a babbling one is cut off at the size limit, one that
does not read its replies is dropped. Those that wait for jobs cost nothing but their descriptor.
Only processes of our own uid (or root's) are heard. Knows no verbs.
The trap: a reply is owed for every request, in order, but not at once; a client that has gone meanwhile is no error.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable

from .. import errors
from ..errors import QueueError
from . import protocol
from .socket_path import peer_uid, reachable

MAX_CONNECTIONS = 256
"""So many stay open that do not wait for jobs, and are owed nothing: clients that may ask again."""
BACKLOG = 4096
_MAX_UNREAD_BYTES = 32 * 1024 * 1024
_READ_BYTES = 256 * 1024

Request = dict[str, object]


class Connection:
    """One client."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self._server = server
        self.sock = sock
        self.decoder = protocol.Decoder()
        self.outgoing = bytearray()
        self.is_open = True
        self.owed = 0
        self.requests: deque[Request] = deque()
        self.interest = selectors.EVENT_READ
        self._is_waiting = False

    @property
    def is_waiting(self) -> bool:
        """Whether it is owed a reply that may be long in coming."""
        return self._is_waiting

    @is_waiting.setter
    def is_waiting(self, is_waiting: bool) -> None:
        if is_waiting != self._is_waiting:
            self._is_waiting = is_waiting
            self._server.note_waiting(self)

    def send(self, reply: bytes) -> None:
        """One of the replies that are owed, as `answer` or `refusal` has made it."""
        self.owed -= 1
        if self.is_open:
            self.outgoing += reply
            self._server.flush(self)


def answer(fields: dict[str, object], number: int | None = None) -> bytes:
    """To the request of this number, if it had one. Raises ProtocolError when it is larger than the client takes."""
    return protocol.encode({"ok": True, **_numbered(number), **fields})


def refusal(error: QueueError, number: int | None = None) -> bytes:
    return protocol.encode({"ok": False, **_numbered(number), "error": errors.to_wire(error)})


def _numbered(number: int | None) -> dict[str, object]:
    return {} if number is None else {"number": number}


class Server:
    def __init__(
        self,
        path: str,
        selector: selectors.BaseSelector,
        handle: Callable[[Connection, Request], None],
        dropped: Callable[[Connection], None] = lambda connection: None,
        crowded: Callable[[], None] = lambda: None,
    ) -> None:
        """Takes over `path`, stale socket or not: the caller holds the writer lock. Raises OSError.

        `handle` is given each request, `dropped` each connection that has ended; `crowded` is called when there are
        descriptors only for those that wait.
        """
        self._path = path
        self._selector = selector
        self._handle = handle
        self._dropped = dropped
        self._crowded = crowded
        self._connections: dict[Connection, None] = {}
        """Those that do not wait, the one that was silent for longest first."""
        self._waiting: dict[Connection, None] = {}
        self._unheard: dict[Connection, None] = {}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        if os.path.lexists(path):
            os.unlink(path)
        before = os.umask(0o177)
        try:
            with reachable(path) as name:
                self._listener.bind(name)
        finally:
            os.umask(before)
        self._listener.listen(BACKLOG)
        self.paused_at_s: float | None = None
        self._listen()

    def close(self) -> None:
        for connection in [*self._connections, *self._waiting]:
            self._drop(connection)
        self._pause()
        self._listener.close()
        if os.path.lexists(self._path):
            os.unlink(self._path)

    def flush(self, connection: Connection) -> None:
        """Sends what the client takes now; the rest when it takes more."""
        try:
            sent = connection.sock.send(connection.outgoing)
            del connection.outgoing[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)
            return
        if len(connection.outgoing) > _MAX_UNREAD_BYTES:
            self._drop(connection)
            return
        self._heed(connection)

    def handle_next(self) -> None:
        """Hands on one request of each connection that is owed nothing: who asks ahead waits for his own answers."""
        for connection in list(self._unheard):
            if _is_next(connection):
                connection.owed += 1
                request = connection.requests.popleft()
                self._handle(connection, request)
            self._heed(connection)

    def has_next(self) -> bool:
        """Whether there is something for `handle_next` to do."""
        return any(map(_is_next, self._unheard))

    def _heed(self, connection: Connection) -> None:
        """Reads on when everything read was handed on and what was answered has been taken; and hears of the end of one
        that waits. Writes while there is something to write.
        """
        if not connection.is_open:
            return
        if connection.requests:
            self._unheard[connection] = None
        else:
            self._unheard.pop(connection, None)
        wanted = 0 if connection.requests or connection.outgoing else selectors.EVENT_READ
        wanted |= selectors.EVENT_WRITE if connection.outgoing else 0
        if wanted == connection.interest:
            return
        if connection.interest:
            self._selector.unregister(connection.sock)
        if wanted:
            self._selector.register(connection.sock, wanted, lambda mask: self._serve(connection, mask))
        connection.interest = wanted

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as fault:
            if fault.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM) and not self._make_place():
                self._crowded()
                self._pause()
            return  # else it has gone again
        if peer_uid(sock) not in (os.geteuid(), 0):
            sock.close()
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            self._make_place()
        sock.setblocking(False)
        connection = Connection(self, sock)
        self._connections[connection] = None
        self._selector.register(sock, selectors.EVENT_READ, lambda mask: self._serve(connection, mask))

    def _make_place(self) -> bool:
        """Drops the one that has been silent for longest; its client connects again. Nobody is dropped who is owed an
        answer.
        """
        silent = next((connection for connection in self._connections if not connection.owed), None)
        if silent is not None:
            self._drop(silent)
        return silent is not None

    def note_waiting(self, connection: Connection) -> None:
        """It has begun or ceased to wait."""
        if connection.is_open:
            before, after = self._connections, self._waiting
            if not connection.is_waiting:
                before, after = after, before
            after[connection] = before.pop(connection)

    def _pause(self) -> None:
        """No descriptor is left for a client: it waits in the queue of the kernel, and we must not spin meanwhile."""
        if self.paused_at_s is None:
            self.paused_at_s = time.monotonic()
            self._selector.unregister(self._listener)

    def resume(self) -> None:
        """Listens again; to be called a little after `paused_at_s` was set."""
        self.paused_at_s = None
        self._listen()

    def _listen(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ, lambda mask: self._accept())

    def _serve(self, connection: Connection, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self.flush(connection)
        if mask & selectors.EVENT_READ and connection.is_open:
            if not connection.is_waiting:
                self._connections[connection] = self._connections.pop(connection)  # the last to have been silent
            self._read(connection)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        try:
            requests = connection.decoder.feed(data)
        except QueueError as fault:
            connection.send(refusal(fault))
            self._drop(connection)
            return
        connection.requests.extend(requests)
        if requests:
            self._unheard[connection] = None  # `handle_next`, later in this turn, sees to what is heard next

    def _drop(self, connection: Connection) -> None:
        if connection.is_open:
            connection.is_open = False
            del (self._waiting if connection.is_waiting else self._connections)[connection]
            self._unheard.pop(connection, None)
            if connection.interest:
                self._selector.unregister(connection.sock)
            connection.sock.close()
            self._dropped(connection)


def _is_next(connection: Connection) -> bool:
    return not connection.owed and not connection.outgoing
