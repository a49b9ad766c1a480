"""Client: one connection to a running supervisor; asks, and waits for the answer until a deadline.

Knows the socket and the protocol, not the verbs. It imports `_socket`, the C half of the socket module, which is all
that is needed and spares the command line a third of its start-up time. The trap: a refused connection means that no
supervisor runs; one that is accepted and not answered means that it is stopped or busy, and must not be taken for
the first.
"""

from __future__ import annotations

import _socket
import _weakref
import errno
import os
import sys
import time

from .. import errors
from ..errors import BadHome, Busy, OutcomeUnknown, ProtocolError, QueueError
from ..system.clock import steady_ms
from . import protocol
from .socket_path import peer_uid, reachable

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import Any

    from ..model.records import Reply

_MARGIN_S = 1.0
"""A request is not begun any more so long before its client gives up: the rest is for the answer."""

_MAX_WAIT_S = 86_400.0
"""poll(2) takes no more than 2^31 ms; who waits longer looks again."""

_RESET_IS_UNREAD = sys.platform.startswith("linux")
"""Whether a peer that closes resets the connection if, and only if, it has not read all that it was sent."""

_open: set[Any] = set()
"""Weak references to all that are connected."""


class NotSent(ConnectionError):
    """The supervisor was gone before it had read the request: it cannot have been heard."""


def connect(path: str, deadline_s: float) -> Client | None:
    """A connection, or None when nobody listens there. Raises Busy when there is no place for us until the
    deadline; BadHome when somebody else answers.
    """
    end_s, pause_s = time.monotonic() + deadline_s, 0.01
    while True:
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        sock.settimeout(min(deadline_s, _MAX_WAIT_S))
        try:
            with reachable(path) as name:
                sock.connect(name)
            _check_peer(sock, path)
            return Client(sock, deadline_s)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            sock.close()
            return None
        except OSError as fault:
            sock.close()
            if (
                fault.errno != errno.EAGAIN or time.monotonic() >= end_s
            ):  # EAGAIN: more are waiting than the kernel keeps
                why = errors.in_words(fault)
                raise Busy(what=f"cannot connect to the supervisor's socket {path} ({why})") from None
            time.sleep(pause_s)
            pause_s = min(0.2, 1.5 * pause_s)


def _check_peer(sock: _socket.socket, path: str) -> None:
    """Raises BadHome when somebody else answers, who must not hear what we ask, nor be believed."""
    uid = peer_uid(sock)
    if uid not in (os.geteuid(), 0, None):
        sock.close()
        raise BadHome(path=os.path.dirname(path), why=f"a process of UID {uid} answers at its control.sock")


class Client:
    """For one thread at a time, in the process that has made it; a forked child has none of its connections.

    Requests and replies carry a number, so an answer that comes late is never taken for another's.
    """

    def __init__(self, sock: _socket.socket, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        """How long `send` and `ask` may take, in seconds."""
        self.pid = os.getpid()
        self._sock = sock
        self._decoder = protocol.Decoder()
        self._replies: list[Reply] = []
        self._asked = 0
        self._heard = 0
        _open.add(_weakref.ref(self, _open.discard))

    def ask(self, verb: str, **fields: object) -> Reply:
        """The reply. Raises the QueueError that the supervisor answers with; Busy when it takes no request in time,
        OutcomeUnknown when it does not answer; NotSent or ConnectionError when it ends meanwhile.
        """
        self._heard = self.send(verb, **fields) - 1  # whatever was asked before was given up
        return self.receive(self.deadline_s)

    def send(self, verb: str, **fields: object) -> int:
        """The request's number. Raises Busy, NotSent: it is not heard then."""
        self._asked += 1
        message = protocol.encode({"v": protocol.VERSION, "verb": verb, "number": self._asked, **fields})
        try:
            self._sock.settimeout(min(self.deadline_s, _MAX_WAIT_S))
            self._sock.sendall(message)
        except _socket.timeout:
            raise Busy(
                what=f"the supervisor did not accept the request within {self.deadline_s:g} s; nothing was done"
            ) from None
        except (BrokenPipeError, ConnectionResetError):
            raise NotSent("the supervisor ended") from None
        return self._asked

    def receive(self, timeout_s: float | None) -> Reply:
        """The reply to the oldest request that has had none; like `ask`. `timeout_s` None: however long it takes."""
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        reply = self._next_reply(timeout_s, end_s)
        while (number := reply.pop("number", None)) is not None and number != self._heard + 1:
            if not isinstance(number, int) or number > self._heard:
                raise ProtocolError(what="the supervisor sent a reply to an unknown request")
            reply = self._next_reply(timeout_s, end_s)
        self._heard += 1
        if reply.pop("ok", None) is True:
            return reply
        raise errors.from_wire(reply.get("error") or {})

    def deadline_ms(self) -> int:
        """What a request says that is to be answered within `deadline_s` from now, and is void later."""
        return steady_ms() + round(1000 * (self.deadline_s - min(_MARGIN_S, self.deadline_s / 10)))

    def close(self) -> None:
        self._sock.close()

    def _next_reply(self, timeout_s: float | None, end_s: float | None) -> Reply:
        while not self._replies:
            left_s = None if end_s is None else max(0.001, min(end_s - time.monotonic(), _MAX_WAIT_S))
            self._sock.settimeout(left_s)
            try:
                data = self._sock.recv(256 * 1024)
            except _socket.timeout:
                if end_s is not None and time.monotonic() < end_s:
                    continue
                raise self._silent(timeout_s) from None
            except ConnectionResetError:
                raise (NotSent if _RESET_IS_UNREAD else ConnectionError)("the supervisor ended") from None
            if not data:
                raise ConnectionError("the supervisor ended")
            self._replies += self._decoder.feed(data)  # several, where several requests were sent
        return self._replies.pop(0)

    def _silent(self, timeout_s: float | None) -> QueueError:
        what = f"the supervisor did not answer within {timeout_s:g} s; it may be stopped or overloaded"
        return OutcomeUnknown(what=what, how="try again")


def _close_in_child() -> None:
    """A forked child would steal the answers of its parent, and keep its connections open."""
    for client in [reference() for reference in _open]:
        if client is not None:
            client.close()
    _open.clear()


os.register_at_fork(after_in_child=_close_in_child)
