"""Server: the supervisor's side of the control socket: connections, requests, and replies.

It does not know the verbs.

Only processes of the same user or of root can connect.

Invariant: nothing here blocks. A silent client costs a descriptor. The server drops a client that exceeds the size
limit of a message, or does not read its replies. A client that waits for jobs costs only its descriptor.
Invariant: every request gets a reply, in order, but perhaps much later. A client that disconnects before its reply is
not an error.
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
from .socket_path import peer_uid, short_path

MAX_CONNECTIONS = 256
"""From this many connections on, a new client displaces an idle one. Those that wait for jobs do not count."""
BACKLOG = 4096
_MAX_UNREAD_BYTES = 32 * 1024 * 1024
_READ_BYTES = 256 * 1024

Request = dict[str, object]


class Connection:
    """The connection of one client."""

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
        """Whether the client waits for a reply that can take long."""
        return self._is_waiting

    @is_waiting.setter
    def is_waiting(self, is_waiting: bool) -> None:
        if is_waiting != self._is_waiting:
            self._is_waiting = is_waiting
            self._server.note_waiting(self)

    def send(self, reply: bytes) -> None:
        """Send a reply that is owed to the client, as bytes from `answer` or `refusal`."""
        self.owed -= 1
        if self.is_open:
            self.outgoing += reply
            self._server.flush(self)


def answer(fields: dict[str, object], number: int | None = None) -> bytes:
    """Return the bytes of a successful reply, to the request of this number if it had one.

    The error means that the reply exceeds the size limit.

    Raises: ProtocolError.
    """
    return protocol.encode({"ok": True, **_numbered(number), **fields})


def refusal(error: QueueError, number: int | None = None) -> bytes:
    """Encode the reply to a request that failed."""
    return protocol.encode({"ok": False, **_numbered(number), "error": errors.to_wire(error)})


def _numbered(number: int | None) -> dict[str, object]:
    return {} if number is None else {"number": number}


class Server:
    """The listening socket, with all its connections."""

    def __init__(
        self,
        path: str,
        selector: selectors.BaseSelector,
        handle: Callable[[Connection, Request], None],
        dropped: Callable[[Connection], None] = lambda connection: None,
        crowded: Callable[[], None] = lambda: None,
    ) -> None:
        """Listen at `path`, and replace a stale socket there: the caller holds the writer lock.

        The server calls `handle` with each request, and `dropped` with each connection that has ended. It calls
        `crowded` if no descriptor is left for a new client and no idle connection can be dropped.

        Raises: OSError.
        """
        self._path = path
        self._selector = selector
        self._handle = handle
        self._dropped = dropped
        self._crowded = crowded
        self._connections: dict[Connection, None] = {}
        """The connections that do not wait, longest silent first."""
        self._waiting: dict[Connection, None] = {}
        self._with_requests: dict[Connection, None] = {}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        if os.path.lexists(path):
            os.unlink(path)
        before = os.umask(0o177)
        try:
            with short_path(path) as name:
                self._listener.bind(name)
        finally:
            os.umask(before)
        self._listener.listen(BACKLOG)
        self.paused_at_s: float | None = None
        self._listen()

    def close(self) -> None:
        """Drop all connections, stop listening, and remove the socket."""
        for connection in [*self._connections, *self._waiting]:
            self._drop(connection)
        self._pause()
        self._listener.close()
        if os.path.lexists(self._path):
            os.unlink(self._path)

    def flush(self, connection: Connection) -> None:
        """Send as much as the client accepts now; the rest follows when it accepts more."""
        try:
            sent = connection.sock.send(connection.outgoing)
            del connection.outgoing[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)
        if len(connection.outgoing) > _MAX_UNREAD_BYTES:
            self._drop(connection)
        self._register(connection)

    def handle_next(self) -> None:
        """Handle one request of each connection that is owed no reply.

        A client that sends several requests at once gets them handled one after another.
        """
        for connection in list(self._with_requests):
            if _is_next(connection):
                connection.owed += 1
                request = connection.requests.popleft()
                self._handle(connection, request)
            self._register(connection)

    def has_next(self) -> bool:
        """Return whether `handle_next` has a request to handle."""
        return any(map(_is_next, self._with_requests))

    def _register(self, connection: Connection) -> None:
        """Register the events that an open connection needs now.

        It reads once all received requests are handled and all replies are sent. Reading also detects that a client
        that waits has disconnected. It writes while there is something to write.
        """
        if not connection.is_open:
            return
        if connection.requests:
            self._with_requests[connection] = None
        else:
            self._with_requests.pop(connection, None)
        wanted = selectors.EVENT_WRITE if connection.outgoing else 0
        if not connection.requests and not connection.outgoing:
            wanted = selectors.EVENT_READ
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
            return  # otherwise there is room for the next try now, or the client has gone
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
        """Drop the connection that has been silent longest; return False if there is none to drop.

        Its client connects again. The server never drops a client that is owed a reply.
        """
        silent = next((connection for connection in self._connections if not connection.owed), None)
        if silent is not None:
            self._drop(silent)
        return silent is not None

    def note_waiting(self, connection: Connection) -> None:
        """Record that the connection has begun or stopped to wait."""
        if connection.is_open:
            before, after = self._connections, self._waiting
            if not connection.is_waiting:
                before, after = after, before
            after[connection] = before.pop(connection)

    def _pause(self) -> None:
        """Stop accepting clients, because no descriptor is left. They stay in the kernel's backlog.

        Otherwise the loop would spin, because the listening socket stays ready.
        """
        if self.paused_at_s is None:
            self.paused_at_s = time.monotonic()
            self._selector.unregister(self._listener)

    def resume(self) -> None:
        """Accept clients again. Call this a little after `paused_at_s` was set."""
        self.paused_at_s = None
        self._listen()

    def _listen(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ, lambda mask: self._accept())

    def _serve(self, connection: Connection, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self.flush(connection)
        if mask & selectors.EVENT_READ and connection.is_open:
            if not connection.is_waiting:
                # Move it to the end of the order.
                self._connections[connection] = self._connections.pop(connection)
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
            # Later in this turn, `handle_next` updates the registration.
            self._with_requests[connection] = None

    def _drop(self, connection: Connection) -> None:
        if connection.is_open:
            connection.is_open = False
            del (self._waiting if connection.is_waiting else self._connections)[connection]
            self._with_requests.pop(connection, None)
            if connection.interest:
                self._selector.unregister(connection.sock)
            connection.sock.close()
            self._dropped(connection)


def _is_next(connection: Connection) -> bool:
    return not connection.owed and not connection.outgoing
