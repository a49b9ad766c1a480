"""Server: the listening socket of the web page, and the threads that answer its connections.

It does not know HTTP or requests.

Invariant: the number of threads is bounded. While no client is connected, nothing wakes up.
"""

from __future__ import annotations

import errno
import os
import socket
import socketserver
import stat
import sys
import threading
from typing import TYPE_CHECKING, Any

from ...errors import InvalidInput, in_words, unforeseen
from ...supervisor.log import log
from ...system.file_io import remove
from ...wire.socket_path import short_path
from .exchange import Exchange, own_uids
from .gate import Gate
from .refusal import Refusal
from .replies import head_of, refused

if TYPE_CHECKING:
    from ..site import Site

MAX_CONNECTIONS = 64
CROWDED = 48
"""From this many connections on, each request ends its connection."""


class WebServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """The server at a TCP port.

    `site` answers requests, `gate` refuses them, and `uids` are the users to accept.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: Any, family: int) -> None:
        """Listen at an address, without answers yet.

        Raises: InvalidInput.
        """
        self.address_family = family
        self.site: Site
        self.gate: Gate
        self.uids = own_uids()
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        try:
            super().__init__(address, Exchange)
        except OSError as fault:
            raise InvalidInput(
                what=f"cannot listen at {_shown(address)}: {in_words(fault)}"
            ) from None

    def is_crowded(self) -> bool:
        """Return whether connections should not be kept."""
        return threading.active_count() > CROWDED

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own, or turn it away."""
        if not self._places.acquire(blocking=False):
            self._turn_away(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can start
            self._places.release()
            self._turn_away(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a connection, and leave its place to another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log an unexpected exception in one line."""
        fault = sys.exc_info()[1]
        if fault is not None:
            log(str(unforeseen(fault)))

    def _turn_away(self, request: Any) -> None:
        reply = refused(Refusal(503, "crowded", "too many connections; try again"))
        body = reply.body if isinstance(reply.body, bytes) else b""
        try:
            request.settimeout(0)
            request.send(head_of(reply, f"Content-Length: {len(body)}", "Connection: close") + body)
        except OSError:
            pass
        self.shutdown_request(request)


class UnixServer(WebServer):
    """The server at a Unix socket, which only its owner can connect to."""

    def __init__(self, path: str) -> None:
        """Listen at a path, and replace the socket of a server that has ended.

        Raises: InvalidInput.
        """
        self.path = os.path.abspath(path)
        self._is_bound = False
        super().__init__(self.path, socket.AF_UNIX)

    def server_bind(self) -> None:
        """Bind the socket with mode 0600."""
        _remove_stale(self.path)
        before = os.umask(0o177)
        try:
            with short_path(self.path) as name:
                self.socket.bind(name)
        finally:
            os.umask(before)
        self._is_bound = True

    def get_request(self) -> tuple[socket.socket, Any]:
        """Return a new connection; a Unix socket has no address at its other end."""
        return self.socket.accept()[0], ()

    def server_close(self) -> None:
        """Stop listening, and remove the socket."""
        super().server_close()
        if self._is_bound:
            remove(self.path)


def _remove_stale(path: str) -> None:
    """Remove a socket at which nobody listens.

    Raises: OSError.
    """
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
    probe = socket.socket(socket.AF_UNIX)
    try:
        with short_path(path) as name:
            probe.connect(name)
    except ConnectionRefusedError:
        os.unlink(path)
        return
    finally:
        probe.close()
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _shown(address: Any) -> str:
    return address if isinstance(address, str) else f"{address[0]}:{address[1]}"
