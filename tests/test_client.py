"""Client: requests out and replies in, over a real socket with a peer that this test plays."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from queuectl_core import protocol
from queuectl_core.client import Client, NotSent, connect
from queuectl_core.errors import BadHome, Busy, UnknownJob
from tests.homes import short_folder


@pytest.fixture
def ends() -> Iterator[tuple[Client, socket.socket]]:
    """A client, and the socket of its supervisor."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Client(ours, 5.0), theirs


def test_replies_that_come_together_are_taken_one_by_one(ends: tuple[Client, socket.socket]) -> None:
    client, peer = ends
    client.send("status")
    client.send("status")
    peer.sendall(b"".join(protocol.encode({"ok": True, "n": n}) for n in range(2)))
    assert [client.receive(5.0), client.receive(5.0)] == [{"n": 0}, {"n": 1}]


def test_reply_that_comes_in_pieces_is_put_together(ends: tuple[Client, socket.socket]) -> None:
    client, peer = ends
    reply = protocol.encode({"ok": True, "n": 1})
    peer.sendall(reply[:3])
    with pytest.raises(Busy, match="did not answer within 0.05 s"):
        client.receive(0.05)
    peer.sendall(reply[3:])
    assert client.receive(5.0) == {"n": 1}


def test_refusal_becomes_the_error_it_was(ends: tuple[Client, socket.socket]) -> None:
    client, peer = ends
    peer.sendall(protocol.encode({"ok": False, "error": {"code": "unknown_job", "fields": {"id": "a"}}}))
    with pytest.raises(UnknownJob, match="'a'"):
        client.receive(5.0)


def test_peer_that_is_gone_cannot_have_heard(ends: tuple[Client, socket.socket]) -> None:
    client, peer = ends
    peer.close()
    with pytest.raises(NotSent):
        client.send("status")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can listen as somebody else")
def test_a_socket_on_which_somebody_else_listens_is_told_nothing() -> None:
    """The file may be ours at the moment of the check; what counts is who answers."""
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = os.path.join(folder, "control.sock")
        listener.bind(path)
        os.seteuid(54321)  # whose socket it is, is decided by listen(2)
        try:
            listener.listen()
        finally:
            os.seteuid(0)
        with pytest.raises(BadHome, match="a process of UID 54321 answers"):
            connect(path, 5.0)
        heard, _ = listener.accept()
        with heard:
            assert heard.recv(1) == b""


def test_a_time_longer_than_the_system_waits_at_once_is_waited_for_in_parts(
    ends: tuple[Client, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, peer = ends
    peer.sendall(protocol.encode({"ok": True}))
    assert client.receive(1e12) == {}
    monkeypatch.setattr("queuectl_core.client._MAX_WAIT_S", 0.001)
    with pytest.raises(Busy, match="did not answer within 0.05 s"):
        client.receive(0.05)
