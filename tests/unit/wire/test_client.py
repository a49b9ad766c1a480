"""Client: requests and replies over a real socket, whose other side is this test."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from queuectl_core.errors import BadHome, Busy, UnknownJob
from queuectl_core.wire import client as client_module
from queuectl_core.wire import protocol
from queuectl_core.wire.client import Client, NotSent, connect
from tests.homes import short_folder


@pytest.fixture
def ends() -> Iterator[tuple[Client, socket.socket]]:
    """Yield a client, and the socket of its supervisor."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Client(ours, 5.0), theirs


def test_replies_that_arrive_together_are_returned_one_by_one(ends: tuple[Client, socket.socket]) -> None:
    client, peer = ends
    client.send("status")
    client.send("status")
    peer.sendall(b"".join(protocol.encode({"ok": True, "n": n}) for n in range(2)))
    assert [client.receive(5.0), client.receive(5.0)] == [{"n": 0}, {"n": 1}]


def test_reply_that_arrives_in_pieces_is_joined(ends: tuple[Client, socket.socket]) -> None:
    client, peer = ends
    reply = protocol.encode({"ok": True, "n": 1})
    peer.sendall(reply[:3])
    with pytest.raises(Busy, match="did not answer within 0.05 s"):
        client.receive(0.05)
    peer.sendall(reply[3:])
    assert client.receive(5.0) == {"n": 1}


def test_refusal_becomes_its_error(ends: tuple[Client, socket.socket]) -> None:
    client, peer = ends
    peer.sendall(protocol.encode({"ok": False, "error": {"code": "unknown_job", "fields": {"id": "a"}}}))
    with pytest.raises(UnknownJob, match="'a'"):
        client.receive(5.0)


def test_closed_peer_cannot_have_read_the_request(ends: tuple[Client, socket.socket]) -> None:
    client, peer = ends
    peer.close()
    with pytest.raises(NotSent):
        client.send("status")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can listen as another user")
def test_nothing_is_sent_to_a_socket_of_another_user() -> None:
    """The file may be ours at the time of the check, so the client asks who answers."""
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = os.path.join(folder, "control.sock")
        listener.bind(path)
        os.seteuid(54321)  # listen(2) decides who owns the socket
        try:
            listener.listen()
        finally:
            os.seteuid(0)
        with pytest.raises(BadHome, match="a process of UID 54321 answers"):
            connect(path, 5.0)
        heard, _ = listener.accept()
        with heard:
            assert heard.recv(1) == b""


def test_long_wait_is_split_into_parts(
    ends: tuple[Client, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, peer = ends
    peer.sendall(protocol.encode({"ok": True}))
    assert client.receive(1e12) == {}
    monkeypatch.setattr("queuectl_core.wire.client._MAX_WAIT_S", 0.001)
    with pytest.raises(Busy, match="did not answer within 0.05 s"):
        client.receive(0.05)


def test_a_slow_answer_is_noticed_once(
    ends: tuple[Client, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "SLOW_AFTER_S", 0.01)
    client, peer = ends
    heard: list[str] = []

    def on_slow() -> None:
        heard.append("slow")
        peer.sendall(protocol.encode({"ok": True, "n": 1}))

    client.on_slow = on_slow
    assert client.receive(5.0) == {"n": 1} and heard == ["slow"]
    with pytest.raises(Busy, match=r"within 0\.05 s"):
        client.on_slow = lambda: heard.append("again")
        client.receive(0.05)
    assert heard == ["slow", "again"]
