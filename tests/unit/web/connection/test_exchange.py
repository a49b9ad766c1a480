"""Exchange: how long a connection that is refused keeps its thread."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from queuectl_core.web.connection.exchange import Exchange


class _Socket(socket.socket):
    """A socket that notes how long each receiving may wait, in seconds."""

    waits_s: list[float | None]

    def recv(self, *args: Any) -> bytes:
        self.waits_s.append(self.gettimeout())
        return super().recv(*args)


@pytest.mark.parametrize("has_sent", [False, True])
def test_a_refused_user_is_not_waited_for(has_sent: bool) -> None:
    ours, other = socket.socketpair()
    if has_sent:
        other.sendall(b"GET / HTTP/1.1\r\n")
    sock = _Socket(fileno=ours.detach())
    sock.waits_s = []
    server: Any = SimpleNamespace(uids={os.geteuid() + 1})
    with sock, other:
        Exchange(sock, (), server)
        assert other.recv(65_536).startswith(b"HTTP/1.1 403 ")
        assert set(sock.waits_s) == {0.0}
