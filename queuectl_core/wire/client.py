"""Client: one connection to a running supervisor, for requests and their replies.

It knows the socket and the protocol, not the verbs.

It imports `_socket`, the C half of the socket module. That half is enough, and saves a third of the command line's
start-up time.

Invariant: a refused connection means that no supervisor runs. An accepted connection without a reply means that the
supervisor is stopped or busy, and callers must not confuse the two.
"""

from __future__ import annotations

import _socket
import _weakref
import errno
import os
import sys
import time

from .. import errors
from ..errors import BadHome, Busy, OutcomeUnknown, ProtocolError
from ..system.clock import steady_ms
from . import protocol
from .socket_path import peer_uid, short_path

TYPE_CHECKING = False  # the import of typing costs the command line a millisecond
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..model.records import Reply

_MARGIN_S = 1.0
"""How long before the client's deadline the supervisor stops beginning a request. The rest of the time is for the
reply.
"""

_MAX_WAIT_S = 86_400.0
"""The longest single wait: poll(2) takes at most 2^31 ms. A longer wait consists of several."""

SLOW_AFTER_S = 2.0
"""How many seconds an answer may take before `on_slow` hears of it."""

_RESET_IS_UNREAD = sys.platform.startswith("linux")
"""Whether a peer that closes resets the connection if, and only if, it has not read everything sent to it."""

_open: set[Any] = set()
"""Weak references to all connected clients."""


class NotSent(ConnectionError):
    """The supervisor ended before it read the request, so the request had no effect."""


def connect(path: str, deadline_s: float) -> Client | None:
    """Return a connection, or None if no supervisor listens.

    Busy means that the connection failed, or that the socket's backlog stayed full until the deadline. BadHome means
    that another user's process answers. `deadline_s` is in seconds, and also limits each request of the client.

    Raises: Busy, BadHome.
    """
    end_s, pause_s = time.monotonic() + deadline_s, 0.01
    while True:
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        sock.settimeout(min(deadline_s, _MAX_WAIT_S))
        try:
            with short_path(path) as name:
                sock.connect(name)
            _check_peer(sock, path)
            return Client(sock, deadline_s)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            sock.close()
            return None
        except OSError as fault:
            sock.close()
            is_full = fault.errno == errno.EAGAIN  # the backlog of the socket
            if not is_full or time.monotonic() >= end_s:
                why = errors.in_words(fault)
                raise Busy(what=f"cannot connect to the supervisor's socket {path} ({why})") from None
            time.sleep(pause_s)
            pause_s = min(0.2, 1.5 * pause_s)


def _check_peer(sock: _socket.socket, path: str) -> None:
    """Check that the process at the other end belongs to the current user or root.

    A process of another user must not see requests, and its replies are not trustworthy.

    Raises: BadHome.
    """
    uid = peer_uid(sock)
    if uid not in (os.geteuid(), 0, None):
        sock.close()
        raise BadHome(path=os.path.dirname(path), why=f"a process of UID {uid} answers at its control.sock")


class Client:
    """A connection for one thread at a time, in the process that made it.

    A forked child has none of its parent's connections. Requests and replies carry a number, so a late reply never
    counts as the reply to another request.
    """

    def __init__(self, sock: _socket.socket, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        """How long `send` and `ask` may take, in seconds."""
        self.on_slow: Callable[[], None] | None = None
        """What to call, once for each answer, if it takes longer than `SLOW_AFTER_S`."""
        self.pid = os.getpid()
        self._sock = sock
        self._decoder = protocol.Decoder()
        self._replies: list[Reply] = []
        self._asked = 0
        self._heard = 0
        _open.add(_weakref.ref(self, _open.discard))

    def ask(self, verb: str, **fields: object) -> Reply:
        """Send a request and return the reply.

        If the supervisor replies with an error, the method raises that QueueError. Busy means that the supervisor did
        not accept the request in time. OutcomeUnknown means that it did not reply in time. NotSent and ConnectionError
        mean that it ended meanwhile.

        Raises: QueueError, Busy, OutcomeUnknown, NotSent, ConnectionError.
        """
        self._heard = self.send(verb, **fields) - 1  # replies to earlier requests are obsolete
        return self.receive(self.deadline_s)

    def send(self, verb: str, **fields: object) -> int:
        """Send a request and return its number. After an error, the request has no effect.

        Raises: Busy, NotSent.
        """
        self._asked += 1
        message = protocol.encode({"v": protocol.VERSION, "verb": verb, "number": self._asked, **fields})
        try:
            self._sock.settimeout(min(self.deadline_s, _MAX_WAIT_S))
            self._sock.sendall(message)
        except _socket.timeout:
            what = f"the supervisor did not accept the request within {self.deadline_s:g} s; nothing was done"
            raise Busy(what=what) from None
        except (BrokenPipeError, ConnectionResetError):
            raise NotSent("the supervisor ended") from None
        return self._asked

    def receive(self, timeout_s: float | None) -> Reply:
        """Return the reply to the oldest request that has none yet.

        It waits up to `timeout_s` seconds, or without a limit if that is None. The errors mean the same as for `ask`.

        Raises: QueueError, OutcomeUnknown, NotSent, ConnectionError.
        """
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
        """Return the deadline for a request sent now, in milliseconds of the steady clock.

        The supervisor ignores the request after this time. It comes before `deadline_s` ends, so that the reply arrives
        in time.
        """
        return steady_ms() + round(1000 * (self.deadline_s - min(_MARGIN_S, self.deadline_s / 10)))

    def fileno(self) -> int:
        """Return the descriptor of the connection, for `select`."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()

    def _next_reply(self, timeout_s: float | None, end_s: float | None) -> Reply:
        slow_s = None if self.on_slow is None else time.monotonic() + SLOW_AFTER_S
        while not self._replies:
            times = [at_s for at_s in (end_s, slow_s) if at_s is not None]
            self._sock.settimeout(max(0.001, min(min(times) - time.monotonic(), _MAX_WAIT_S)) if times else None)
            try:
                data = self._sock.recv(256 * 1024)
            except _socket.timeout:
                if slow_s is not None and self.on_slow is not None and time.monotonic() >= slow_s:
                    slow_s = None
                    self.on_slow()
                if end_s is None or time.monotonic() < end_s:
                    continue
                raise OutcomeUnknown(
                    what=f"the supervisor did not answer within {timeout_s:g} s", how="try again"
                ) from None
            except ConnectionResetError:
                raise (NotSent if _RESET_IS_UNREAD else ConnectionError)("the supervisor ended") from None
            if not data:
                raise ConnectionError("the supervisor ended")
            self._replies += self._decoder.feed(data)
        return self._replies.pop(0)


def _close_in_child() -> None:
    """Close the connections in a forked child: it would steal its parent's replies and keep the connections open."""
    for client in [reference() for reference in _open]:
        if client is not None:
            client.close()
    _open.clear()


os.register_at_fork(after_in_child=_close_in_child)
