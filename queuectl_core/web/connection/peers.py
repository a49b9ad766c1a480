"""Peers: the user at the other end of a connection.

A Unix socket tells it. For a connection through 127.0.0.1, Linux lists it in /proc/net/tcp.
Elsewhere nobody knows.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys

from ...wire.socket_path import peer_uid

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LOOKS = 3
"""The kernel can leave out a row while others come and go, so a missing row is looked for again."""

_UID, _INODE = 4, 6
"""The fields of a row of the tables behind the two addresses."""


class UnknownPeer(Exception):
    """A connection of this machine that no user owns, because its process has closed it."""


def uid_of(sock: socket.socket) -> int | None:
    """Return the UID of the process at the other end, or None if this system cannot tell.

    Raises: UnknownPeer.
    """
    if sock.family == socket.AF_UNIX:
        return peer_uid(sock)
    peer, ours = sock.getpeername()[:2], sock.getsockname()[:2]
    is_local = ipaddress.ip_address(peer[0].partition("%")[0]).is_loopback or peer[0] == ours[0]
    if not is_local or not sys.platform.startswith("linux") or not os.path.exists(TABLES[0]):
        return None
    needles = [_needle(peer, ours, is_wide) for is_wide in (False, True)]
    for _ in range(_LOOKS):
        for path, needle in zip(TABLES, needles):
            uid = _uid_in(path, needle)
            if uid is not None:
                return uid
    raise UnknownPeer()


def _needle(peer: tuple[str, int], ours: tuple[str, int], is_wide: bool) -> bytes:
    """Return how a table names the connection as its other end sees it."""
    return f" {_address(*peer, is_wide)} {_address(*ours, is_wide)} ".encode()


def _address(host: str, port: int, is_wide: bool) -> str:
    """Return an address as in the tables: hexadecimal words in the machine's byte order."""
    address = ipaddress.ip_address(host.partition("%")[0])
    packed = address.packed
    if is_wide and address.version == 4:
        packed = b"\0" * 10 + b"\xff\xff" + packed
    words = (packed[start : start + 4] for start in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words) + f":{port:04X}"


def _uid_in(path: str, needle: bytes) -> int | None:
    """Return the UID in the row of a table with these addresses, or None.

    A socket without a file has no owner.
    """
    try:
        with open(path, "rb") as file:
            table = file.read()
    except FileNotFoundError:  # a kernel without IPv6
        return None
    start = table.find(needle)
    if start < 0:
        return None
    fields = table[start + len(needle) :].partition(b"\n")[0].split()
    return int(fields[_UID]) if fields[_INODE] != b"0" else None
