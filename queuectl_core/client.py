"""Client: one connection to a running supervisor; asks, and waits for the answer until a deadline.

Knows the socket and the protocol, not the verbs. It imports `_socket`, the C half of the socket module, which is all
that is needed and spares the command line a third of its start-up time. The trap: a refused connection means that no
supervisor runs; one that is accepted and not answered means that it is stopped or busy, and must not be taken for
the first.
"""

from __future__ import annotations

import _socket
import errno
import time

from . import errors, protocol
from .errors import Busy, QueueError
from .socket_path import reachable


class NotSent(ConnectionError):
    """The supervisor was gone before the request had been handed over: it cannot have been heard."""


def connect(path: str, deadline_s: float) -> Client | None:
    """A connection, or None when nobody listens there. Raises Busy when there is no place for us until the
    deadline.
    """
    end_s = time.monotonic() + deadline_s
    while True:
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        sock.settimeout(deadline_s)
        try:
            with reachable(path) as name:
                sock.connect(name)
            return Client(sock, deadline_s)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            sock.close()
            return None
        except OSError as fault:
            sock.close()
            if (
                fault.errno != errno.EAGAIN or time.monotonic() >= end_s
            ):  # EAGAIN: more are waiting than the kernel keeps
                raise Busy(what=f"the supervisor's socket {path} cannot be reached ({fault})") from None
            time.sleep(0.01)


class Client:
    """After anything but an answer (a time-out, an interrupt) it is of no use: the next answer would be the old
    one.
    """

    def __init__(self, sock: _socket.socket, deadline_s: float) -> None:
        self._sock = sock
        self._deadline_s = deadline_s
        self._decoder = protocol.Decoder()
        self._replies: list[dict[str, object]] = []

    def ask(self, verb: str, **fields: object) -> dict[str, object]:
        """The reply. Raises the QueueError that the supervisor answers with; Busy when it does not answer in time;
        NotSent or ConnectionError when it ends meanwhile.
        """
        self.send(verb, **fields)
        return self.receive(self._deadline_s)

    def send(self, verb: str, **fields: object) -> None:
        message = protocol.encode({"v": protocol.VERSION, "verb": verb, **fields})
        try:
            self._sock.settimeout(self._deadline_s)
            self._sock.sendall(message)
        except _socket.timeout:
            raise self._silent(self._deadline_s) from None
        except (BrokenPipeError, ConnectionResetError):
            raise NotSent("the supervisor has ended") from None

    def receive(self, timeout_s: float | None) -> dict[str, object]:
        """The next reply; like `ask`. `timeout_s` None: however long it takes."""
        self._sock.settimeout(timeout_s)
        while not self._replies:
            try:
                data = self._sock.recv(256 * 1024)
            except _socket.timeout:
                raise self._silent(timeout_s) from None
            if not data:
                raise ConnectionError("the supervisor has ended")
            self._replies += self._decoder.feed(data)  # several, where several requests were sent
        reply = self._replies.pop(0)
        if reply.pop("ok", None) is True:
            return reply
        raise errors.from_wire(reply.get("error") or {})

    def close(self) -> None:
        self._sock.close()

    def _silent(self, timeout_s: float | None) -> QueueError:
        return Busy(what=f"the supervisor has not answered within {timeout_s:g} s; it may be stopped or overloaded")
