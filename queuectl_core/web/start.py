"""Start: a web server for a home, from what a call asks for.

Invariant: without being asked in so many words, only this machine, this user, and local names reach
the server.
"""

from __future__ import annotations

import ipaddress
import pwd
import re
import socket
from collections.abc import Sequence
from typing import NamedTuple

from ..api import Queue
from ..errors import InvalidInput
from ..service.in_process import InProcess
from ..system.lockfile import Line
from .connection.gate import LOCAL_NAMES, Gate, Tokens
from .connection.server import UnixServer, WebServer
from .site import Site
from .tokens import new_tokens

LOCAL = "127.0.0.1"
TUNNEL_PORT = 8080
"""The port in the address of a Unix socket: the one that a user gives to `ssh -L`."""

DEFAULT_PORT = 80
_IS_PATH = re.compile(r"[A-Za-z0-9._~@:/-]*")


class Options(NamedTuple):
    """How to serve.

    `hosts` and `users` are allowed besides local names and the own user. Port 0 is a free one.
    """

    port: int = 0
    socket: str | None = None
    host: str = LOCAL
    base_path: str = ""
    hosts: Sequence[str] = ()
    users: Sequence[str] = ()
    is_read_only: bool = False


class Started(NamedTuple):
    """A server that listens, the address of its page with the token, and its tokens."""

    server: WebServer
    address: str
    tokens: Tokens


def start(queue: Queue, options: Options) -> Started:
    """Return a server that listens, and answers once somebody calls its `serve_forever`.

    Raises: InvalidInput, QueueError, OSError.
    """
    _check_address(options)
    if not _IS_PATH.fullmatch(options.base_path):
        raise InvalidInput(
            what=f"--base-path needs a path like /node/host/8080, not {options.base_path[:40]!r}"
        )
    uids = [_uid_of(user) for user in options.users]
    queue.home.prepare()
    if not queue.home.has_begun():
        InProcess(queue.home, Line(), lambda notice: None).converse((), lambda reply: None)
    server = UnixServer(options.socket) if options.socket else _tcp_server(options)
    server.uids.update(uids)
    secrets = new_tokens(queue.home)
    port = tunnel_port(options) if options.socket else server.server_address[1]
    server.gate = Gate(
        _hosts(options, port), options.socket is not None, options.is_read_only, secrets
    )
    server.site = Site(queue, server.gate, options.base_path)
    base = "/".join(part for part in options.base_path.split("/") if part)
    address = f"http://{_shown_host(options)}:{port}/{base + '/' if base else ''}#{secrets.page}"
    return Started(server, address, secrets)


def tunnel_port(options: Options) -> int:
    """Return the port at which a user reaches a Unix socket through `ssh -L`."""
    return options.port or TUNNEL_PORT


def _tcp_server(options: Options) -> WebServer:
    is_wide = ipaddress.ip_address(options.host).version == 6
    return WebServer((options.host, options.port), socket.AF_INET6 if is_wide else socket.AF_INET)


def _check_address(options: Options) -> None:
    """Check that an address that other machines reach comes with the names that they use.

    Raises: InvalidInput.
    """
    try:
        address = ipaddress.ip_address(options.host)
    except ValueError:
        raise InvalidInput(what=f"--host needs an IP address, not {options.host[:40]!r}") from None
    if not address.is_loopback and not options.hosts:
        what = f"--host {options.host} lets other machines connect"
        raise InvalidInput(what=f"{what}; name the host that browsers use with --allow-host")


def _hosts(options: Options, port: int) -> set[str]:
    """Return the values of the Host header that name the server."""
    names = {*LOCAL_NAMES, _shown_host(options)}
    hosts = {f"{name}:{port}" for name in names} | {host.lower() for host in options.hosts}
    return hosts | (names if port == DEFAULT_PORT else set())


def _shown_host(options: Options) -> str:
    if options.socket:
        return LOCAL_NAMES[1]
    address = ipaddress.ip_address(options.host)
    if address.is_unspecified:
        return LOCAL
    return f"[{options.host}]" if address.version == 6 else options.host


def _uid_of(user: str) -> int:
    if user.isascii() and user.isdigit():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise InvalidInput(what=f"--allow-user: there is no user {user[:40]!r}") from None
