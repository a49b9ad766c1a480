"""Exchange: the requests and replies of one connection, as HTTP/1.1.

It knows bytes, headers, and the order of the checks. It does not know what requests ask.
"""

from __future__ import annotations

import http.client
import json
import os
import pwd
import re
import socket
import time
from collections.abc import Iterator
from email.errors import MisplacedEnvelopeHeaderDefect, MissingHeaderBodySeparatorDefect
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from ...errors import in_words
from ...supervisor.log import log
from .incoming import MAX_BODY_BYTES, Incoming, Request
from .peers import UnknownPeer, uid_of
from .refusal import Refusal, refusal_of
from .replies import Reply, head_of, refused

if TYPE_CHECKING:
    from .server import WebServer

WRITE_S = 30.0
"""How long a client may take to accept one piece of a reply, in seconds."""

MAX_QUERY_WORDS = 64
_BAD_LINES = (MissingHeaderBodySeparatorDefect, MisplacedEnvelopeHeaderDefect)
"""What the parser finds if a line is no header, and those behind it would not count."""

_LINGER_S = 1.0
"""How long a client may still send what nobody reads, in seconds."""

_IS_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Exchange(BaseHTTPRequestHandler):
    """One connection of the web server."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"
    server: WebServer
    rfile: Any

    def setup(self) -> None:
        """Prepare the streams of the connection."""
        self.connection = self.request
        if self.connection.family != socket.AF_UNIX:
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self.rfile = Incoming(self.connection)
        self.requestline, self.request_version, self.command = "", self.protocol_version, ""
        self.sender = ""
        self._linger_s = 0.0  # another user must not keep places that this user needs
        self.close_connection = True

    def finish(self) -> None:
        """Read what a refused client still sends, because a reset would destroy the reply."""
        try:
            self.connection.shutdown(socket.SHUT_WR)
            end_s, left_s = time.monotonic() + self._linger_s, self._linger_s
            while left_s >= 0:
                self.connection.settimeout(left_s)
                if not self.connection.recv(65536):
                    return
                left_s = end_s - time.monotonic()
        except OSError:
            pass

    def handle(self) -> None:
        """Answer requests until the connection ends."""
        try:
            self.sender = self._check_peer()
            super().handle()
        except Refusal as refusal:
            self._try_to_send(refused(refusal))
        except (OSError, http.client.HTTPException):  # the client has gone, or is too slow
            self.close_connection = True

    def _check_peer(self) -> str:
        """Return who has connected, for the log.

        Raises: Refusal.
        """
        try:
            uid = uid_of(self.connection)
        except UnknownPeer:
            raise Refusal(
                403, "other_user", "nobody owns the other end of this connection"
            ) from None
        if uid is not None and uid not in self.server.uids:
            raise Refusal(403, "other_user", "connections of other users are refused")
        self._linger_s = _LINGER_S
        where = (
            f"{self.client_address[0]}:{self.client_address[1]}"
            if self.client_address
            else "the socket"
        )
        return where if uid is None else f"{_name_of(uid)} at {where}"

    def handle_one_request(self) -> None:
        """Read a request, and send its reply."""
        self.close_connection = True
        self.rfile.begin()
        try:
            self.raw_requestline = self.rfile.readline()
        except http.client.HTTPException:
            self.send_error(414)
            return
        if not self.raw_requestline.strip() or not self.parse_request():
            return
        try:
            reply = self._reply()
        except Exception as fault:
            refusal = refusal_of(fault)
            if refusal.status == 500:
                log(f"{self.sender}: {refusal.message}")
            reply = refused(refusal)
        self._send(reply)

    def handle_expect_100(self) -> bool:
        """Do not ask for the body yet: first come the checks of the header."""
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request that is not HTTP as this server understands it."""
        self.close_connection = True
        said = message or http.client.responses.get(code, "bad request")
        self._try_to_send(refused(Refusal(int(code), "bad_request", said[:200])))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: only changes go into the log."""

    def _reply(self) -> Reply:
        """Return the reply to the request whose header is there.

        Raises: Refusal, QueueError.
        """
        size = self._body_size()
        if self.headers.get("Expect") and size:
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.rfile.body(size) if size else b""
        if len(body) < size:
            self.close_connection = True
            raise Refusal(400, "bad_request", "the body is incomplete")
        self.server.gate.check_host(self.headers)
        if self.command == "OPTIONS":
            raise Refusal(405, "method", "this server answers no preflight request")
        target = urlsplit(self.path)
        parts = tuple(unquote(part) for part in target.path.split("/"))
        try:
            query = parse_qs(target.query, keep_blank_values=True, max_num_fields=MAX_QUERY_WORDS)
        except ValueError:
            raise Refusal(400, "bad_request", "the query is not valid") from None
        method = "GET" if self.command == "HEAD" else self.command
        request = Request(method, parts, query, self.headers, None, self.sender, self.connection)
        return self.server.site.answer(request, lambda: _parsed(body))

    def _body_size(self) -> int:
        """Return how many bytes of body follow the header.

        Raises: Refusal.
        """
        lengths, was_closing = self.headers.get_all("Content-Length", []), self.close_connection
        self.close_connection = True  # unless the end of the request is known
        is_clear = self.rfile.is_clear and self.requestline.count(" ") == 2
        is_bad = any(isinstance(defect, _BAD_LINES) for defect in self.headers.defects)
        is_bad = is_bad or not is_clear or not self.path.startswith("/")
        if is_bad or not all(map(_IS_NAME.fullmatch, self.headers)):
            raise Refusal(400, "bad_request", "the header is not valid")
        if "Transfer-Encoding" in self.headers:
            raise Refusal(411, "bad_request", "a request needs Content-Length")
        size = lengths[0].strip() if lengths else "0"
        if len(lengths) > 1 or not (size.isascii() and size.isdigit()) or len(size) > 15:
            raise Refusal(400, "bad_request", "Content-Length is not valid")
        if int(size) > MAX_BODY_BYTES:
            raise Refusal(413, "too_large", f"a request has at most {MAX_BODY_BYTES} bytes")
        self.close_connection = was_closing or self.server.is_crowded()
        return int(size)

    def _try_to_send(self, reply: Reply) -> None:
        try:
            self._send(reply)
        except OSError:
            self.close_connection = True

    def _send(self, reply: Reply) -> None:
        """Send a reply. One without a known size ends with the connection, or is chunked."""
        size = len(reply.body) if isinstance(reply.body, bytes) else reply.size
        body = iter((reply.body,)) if isinstance(reply.body, bytes) else reply.body
        is_chunked = size is None and self.request_version == "HTTP/1.1"
        if size is None and not is_chunked:
            self.close_connection = True
        self.connection.settimeout(WRITE_S)
        head = self._head(reply, size, is_chunked)
        try:
            self._send_pieces(head, body if self.command != "HEAD" else iter(()), is_chunked)
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    def _head(self, reply: Reply, size: int | None, is_chunked: bool) -> bytes:
        framing = [f"Date: {self.date_time_string()}"]
        framing += ["Connection: close"] if self.close_connection else []
        if is_chunked:
            framing.append("Transfer-Encoding: chunked")
        elif size is not None and reply.status != 204:
            framing.append(f"Content-Length: {size}")
        return head_of(reply, *framing)

    def _send_pieces(self, head: bytes, pieces: Iterator[bytes], is_chunked: bool) -> None:
        """Send the head, and the pieces as soon as each is there.

        An error after the head ends the connection, so that the client notices that the end is
        missing.
        """
        try:
            first = b"" if is_chunked else next(pieces, b"")
            self.connection.sendall(head + first)
            for piece in pieces:
                if piece:
                    self.connection.sendall(
                        b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece
                    )
            if is_chunked and self.command != "HEAD":
                self.connection.sendall(b"0\r\n\r\n")
        except OSError:
            raise
        except Exception as fault:
            self.close_connection = True
            log(f"{self.sender}: a reply ended early: {in_words(fault)}")


def _parsed(body: bytes) -> object:
    """Return the JSON value of a body.

    Raises: Refusal.
    """
    try:
        return json.loads(body.decode())
    except (ValueError, RecursionError):
        raise Refusal(400, "bad_request", "the body is not JSON") from None


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"UID {uid}"


def own_uids() -> set[int]:
    """Return the users to accept: this one, and root, whom nothing here could keep out."""
    return {os.geteuid(), 0}
