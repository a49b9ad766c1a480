"""Incoming: the bounds on the time that a request takes."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest

from queuectl_core.web.connection import incoming
from queuectl_core.web.connection.incoming import MAX_HEADER_BYTES, Incoming


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Incoming]]:
    """Yield the end of a client, and what the server reads."""
    client, server = socket.socketpair()
    with client, server:
        yield client, Incoming(server)


def test_a_silent_client_is_given_up(ends: tuple[socket.socket, Incoming], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "IDLE_S", 0.01)
    with pytest.raises(socket.timeout):
        ends[1].begin()


def test_bytes_that_come_one_by_one_give_no_more_time(
    ends: tuple[socket.socket, Incoming], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "HEADER_S", 0.0)
    client, server = ends
    client.sendall(b"G")
    server.begin()
    client.sendall(b"E")
    with pytest.raises(socket.timeout):
        server.readline()


def test_a_body_that_does_not_come_is_given_up(
    ends: tuple[socket.socket, Incoming], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "BODY_S", 0.01)
    with pytest.raises(socket.timeout):
        ends[1].body(10)


def test_the_lines_of_a_header_have_one_bound(ends: tuple[socket.socket, Incoming]) -> None:
    client, server = ends
    client.sendall(b"a: b\r\n" * (MAX_HEADER_BYTES // 6 + 1))
    server.begin()
    with pytest.raises(http.client.HTTPException):
        while True:
            server.readline()
