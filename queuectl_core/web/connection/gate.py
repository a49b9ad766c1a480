"""Gate: who may send which request: the names of the server, its tokens, and the rules for changes.

Pure. It does not know connections or what a request asks.

A page from elsewhere can make a browser send requests to this server. It can't set the header with
the token, and its name is not in the list of hosts, even if its owner points that name at this
machine (DNS rebinding). There are no cookies: browsers send them to each port of a machine, and so
to other users.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from email.message import Message
from typing import NamedTuple

from .refusal import Refusal

LOCAL_NAMES = ("127.0.0.1", "localhost")
OPEN, METRICS, READ, WRITE = "open", "metrics", "read", "write"
"""What a request needs: nothing, a token for metrics, the token, or the right to change too."""


class Tokens(NamedTuple):
    """The token of the page, and that for metrics, which can do nothing else."""

    page: str
    metrics: str


class Gate:
    """The rules of one server.

    `hosts` are the values of the Host header that belong to it. With `any_port`, local names with
    any port do too: the other end of an SSH tunnel to a Unix socket has a port that this process
    does not know.
    """

    def __init__(
        self, hosts: Collection[str], any_port: bool, is_read_only: bool, tokens: Tokens
    ) -> None:
        self.is_read_only = is_read_only
        self._hosts = frozenset(hosts)
        self._any_port = any_port
        self._tokens = tokens

    def check_host(self, headers: Message) -> None:
        """Check that a request names this server, and only once.

        Raises: Refusal.
        """
        names: Sequence[str] = headers.get_all("Host", [])
        if len(names) != 1 or not self._is_ours(names[0].strip(" \t").lower()):
            what = "the Host header does not name this server"
            advice = "for a proxy, start `queuectl web` with --allow-host NAME"
            raise Refusal(421, "misdirected", f"{what}; {advice}")

    def _is_ours(self, host: str) -> bool:
        name, _, port = host.partition(":")
        has_port = not port or (port.isascii() and port.isdigit())
        is_tunnel = self._any_port and name in LOCAL_NAMES and has_port
        return is_tunnel or host in self._hosts

    def check(self, access: str, headers: Message) -> None:
        """Check that the sender of a request may do what it asks.

        Raises: Refusal.
        """
        if access == OPEN:
            return
        self._check_token(access, headers)
        if access == WRITE:
            _check_origin(headers)
            if self.is_read_only:
                raise Refusal(
                    403, "read_only", "this page was started with --read-only and changes nothing"
                )

    def _check_token(self, access: str, headers: Message) -> None:
        given: Sequence[str] = headers.get_all("Authorization", [])
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        sent = (
            token.strip().encode("utf-8", "surrogateescape") if scheme.lower() == "bearer" else b""
        )
        is_page = hmac.compare_digest(sent, self._tokens.page.encode())
        is_metrics = hmac.compare_digest(sent, self._tokens.metrics.encode())
        if not (is_page or (is_metrics and access == METRICS)):
            what = "the token is missing or wrong; open the address that `queuectl web` printed"
            raise Refusal(401, "unauthorized", what)


def _check_origin(headers: Message) -> None:
    """Check that a change is from this page: other pages can send forms and plain text.

    Raises: Refusal.
    """
    types: Sequence[str] = headers.get_all("Content-Type", [])
    if len(types) != 1 or types[0].strip().lower() != "application/json":
        raise Refusal(415, "not_json", "a change must have Content-Type: application/json")
    if any(site.strip().lower() != "same-origin" for site in headers.get_all("Sec-Fetch-Site", [])):
        raise Refusal(403, "cross_site", "a change must come from this page, not from another site")
    host = headers.get_all("Host", [""])[0].strip().lower()
    ours = (f"http://{host}", f"https://{host}")
    if any(origin.strip().lower() not in ours for origin in headers.get_all("Origin", [])):
        raise Refusal(
            403, "cross_site", "a change must come from this page, not from another origin"
        )
