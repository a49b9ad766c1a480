"""Waiting clients are cheap and delay no other client; neither do silent ones."""

from __future__ import annotations

import os
import resource
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl_core import Queue
from queuectl_core.wire import protocol
from queuectl_core.wire.server import MAX_CONNECTIONS, Connection, Server
from tests.faults.test_limits import cpu_ticks
from tests.homes import SCRIPT, CommandLine, until

WAITERS = 2000


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process hold the connections of all clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WAITERS + 500
    if hard != resource.RLIM_INFINITY and hard < 2 * wanted:
        pytest.skip(f"needs {2 * wanted} descriptors for the supervisor")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Clients:
    """Raw connections to the supervisor of a home, which close at the end."""

    def __init__(self, home: str) -> None:
        self._path = os.path.join(home, "control.sock")
        self.socks: list[socket.socket] = []

    def wait_for(self, id: str, count: int) -> None:
        request = protocol.encode({"v": protocol.VERSION, "verb": "wait", "ids": [id]})
        for _ in range(count):
            self.connect().sendall(request)

    def connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20)
        sock.connect(self._path)
        self.socks.append(sock)
        return sock

    def close(self) -> None:
        for sock in self.socks:
            sock.close()

    def replies(self) -> list[dict[str, object]]:
        """Return one reply of each client."""
        found = []
        for sock in self.socks:
            decoder = protocol.Decoder()
            messages: list[dict[str, object]] = []
            while not messages:
                data = sock.recv(65536)
                assert data, "the supervisor has closed the connection"
                messages = decoder.feed(data)
            found += messages
        return found


@pytest.fixture
def clients(queuectl: CommandLine) -> Iterator[Clients]:
    queuectl.ok("enqueue", "--id", "x", "--queue", "held", "--command", "true")
    queuectl.ok("queue", "pause", "held")
    queuectl.ok("worker", "start")
    clients = Clients(queuectl.home)
    yield clients
    clients.close()


def test_thousands_of_waiting_clients_cost_only_descriptors(
    queuectl: CommandLine, clients: Clients, many_files: None
) -> None:
    """They take no processor time, delay no other client, and each gets one answer."""
    clients.wait_for("x", WAITERS)
    with Queue(queuectl.home, deadline_s=10) as queue:
        for n in range(20):
            queue.enqueue("true", id=f"n{n}", queue="held")
        pid = queuectl.supervisor_pid()
        before = cpu_ticks(pid)
        time.sleep(1)  # the measured second
        assert cpu_ticks(pid) - before < 0.1 * os.sysconf("SC_CLK_TCK")
        for n in range(20):
            queuectl.ok("enqueue", "--id", f"c{n}", "--queue", "held", "--command", "true")
        queue.set_queue("held", paused=False)
        replies = clients.replies()
        assert replies == [{"ok": True, "ended": {"completed": 1}}] * WAITERS
        assert queue.status()["counts"]["completed"] >= 1


def test_waiting_clients_leave_room_for_idle_ones(queuectl: CommandLine, clients: Clients) -> None:
    clients.wait_for("x", 2 * MAX_CONNECTIONS)
    idle = Clients(queuectl.home)
    for _ in range(MAX_CONNECTIONS - 50):
        idle.connect()
    queuectl.ok("status")
    for sock in idle.socks:
        sock.sendall(protocol.encode({"v": protocol.VERSION, "verb": "sequence"}))
    assert [reply["ok"] for reply in idle.replies()] == [True] * (MAX_CONNECTIONS - 50)
    idle.close()


def start_with_files(queuectl: CommandLine, count: int) -> None:
    words = f'ulimit -n {count}; "{sys.executable}" "{SCRIPT}" worker start'
    subprocess.run(["sh", "-c", words], env=queuectl.environ, check=True, stdout=subprocess.DEVNULL)


def test_client_without_room_to_wait_asks_again(queuectl: CommandLine) -> None:
    """With few descriptors, clients beyond half of them must ask again, and still hear of the end."""
    queuectl.ok("enqueue", "--id", "x", "--queue", "held", "--command", "true")
    queuectl.ok("queue", "pause", "held")
    start_with_files(queuectl, 64)
    clients = Clients(queuectl.home)
    clients.wait_for("x", 32)
    calls = [queuectl.popen("wait", "x", stderr=-1) for _ in range(3)]
    turned_away = Clients(queuectl.home)
    turned_away.wait_for("x", 1)
    assert turned_away.replies() == [{"ok": True, "ended": None}]
    turned_away.close()
    queuectl.ok("enqueue", "--id", "y", "--queue", "held", "--command", "true")
    queuectl.ok("queue", "resume", "held")
    assert [call.wait(30) for call in calls] == [0] * 3
    assert {str(reply["ended"]) for reply in clients.replies()} <= {"{'completed': 1}", "None"}
    clients.close()
    for call in calls:
        call.stderr.close()


def test_silent_clients_are_disconnected_when_descriptors_run_short(queuectl: CommandLine) -> None:
    """A call that comes while they are connected works too."""
    start_with_files(queuectl, 48)
    silent = Clients(queuectl.home)
    for _ in range(80):
        silent.connect()
    for n in range(5):
        queuectl.ok("enqueue", "--id", f"a{n}", "--command", "true")
    queuectl.until_done(completed=5)
    silent.close()


class SilentServer:
    """A server that answers no request until the test tells it to."""

    def __init__(self, path: str) -> None:
        self.selector = selectors.DefaultSelector()
        self.taken: list[Connection] = []
        self.server = Server(path, self.selector, lambda connection, request: self.taken.append(connection))

    def serve_until(self, count: int) -> None:
        def look() -> bool:
            for key, mask in self.selector.select(0):
                key.data(mask)
            self.server.handle_next()
            return len(self.taken) >= count

        until(look, lambda: f"{count} requests; there are {len(self.taken)}")


def test_clients_that_wait_for_an_answer_stay_connected(tmp_path: Path, many_files: None) -> None:
    """Connect more clients than may stay: the others wait a moment, or exceed the limit for a
    moment.
    """
    desk = SilentServer(str(tmp_path / "control.sock"))
    clients = Clients(str(tmp_path))
    count = MAX_CONNECTIONS + 100
    for n in range(count):
        clients.connect().sendall(protocol.encode({"v": 1, "verb": "show"}))
        desk.serve_until(n + 1)
    for connection in desk.taken:
        connection.send(protocol.encode({"ok": True}))
    assert clients.replies() == [{"ok": True}] * count
    desk.server.close()
    clients.close()
