"""The control socket and bad clients: malformed, silent, oversized, and vanished ones harm no other
client.
"""

from __future__ import annotations

import json
import os
import random
import socket
import stat
import struct

import pytest

from tests.homes import CommandLine, until


def connected(queuectl: CommandLine) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(os.path.join(queuectl.home, "control.sock"))
    return sock


def framed(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


def answer_to(sock: socket.socket, message: object) -> dict[str, object]:
    sock.sendall(framed(json.dumps(message).encode()))
    return next_answer(sock)


def next_answer(sock: socket.socket) -> dict[str, object]:
    size = struct.unpack(">I", receive(sock, 4))[0]
    return json.loads(receive(sock, size))


def receive(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece, "the supervisor has closed the connection"
        data += piece
    return data


@pytest.fixture
def served(queuectl: CommandLine) -> CommandLine:
    queuectl.ok("worker", "start")
    queuectl.ok("worker", "scale", "0")
    return queuectl


def test_the_socket_is_for_its_owner_alone(served: CommandLine) -> None:
    assert stat.S_IMODE(os.stat(os.path.join(served.home, "control.sock")).st_mode) == 0o600


ODD = [None, True, 0, -1, 1.5, "", "x", [], ["x"], {}, {"a": 1}, [[]], "\x00", "x" * 300, 10**30]
KNOWN_FIELDS = [
    "jobs",
    "cwd",
    "id",
    "ids",
    "all",
    "state",
    "limit",
    "next",
    "key",
    "value",
    "count",
    "add",
    "more",
    "verb",
    "v",
]
VERBS = [
    "enqueue",
    "show",
    "list",
    "status",
    "dlq-retry",
    "dlq-purge",
    "config-set",
    "config-list",
    "scale",
    "wait",
    "nonsense",
    7,
    None,
    [],
]


def test_an_odd_message_gets_an_answer_and_changes_nothing(served: CommandLine) -> None:
    seed = random.randrange(10**9)
    source = random.Random(seed)
    for n in range(1500):
        message = {"v": 1, "verb": source.choice(VERBS)}
        for _ in range(source.randrange(4)):
            message[source.choice(KNOWN_FIELDS)] = source.choice(ODD)
        if message.get("verb") == "wait" or (message["verb"] == "scale" and message.get("count") in (True, 0)):
            continue  # one may have no answer, and the other may change something
        with connected(served) as sock:
            reply = answer_to(sock, message)
        assert reply["ok"] is True or set(reply["error"]) == {"code", "fields"}, (seed, n, message)
    assert sum(served.counts().values()) == 0


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        framed(b"not json"),
        framed(b"[]"),
        framed(b""),
        framed(b"\xff\xfe"),
        framed(b"[" * 50_000),
        b"GET / HTTP/1.0\r\n\r\n",
    ],
    ids=["huge", "text", "list", "empty", "not utf-8", "deep", "http"],
)
def test_an_invalid_message_is_refused_and_disconnected(served: CommandLine, data: bytes) -> None:
    with connected(served) as sock:
        sock.sendall(data)
        reply = next_answer(sock)
        assert reply["error"]["code"] == "protocol"
        assert sock.recv(1) == b""
    served.ok("status")


def test_another_version_is_refused(served: CommandLine) -> None:
    with connected(served) as sock:
        assert "speaks protocol 1" in str(answer_to(sock, {"v": 99, "verb": "status"}))


def test_silent_and_slow_clients_block_no_other_client(served: CommandLine) -> None:
    silent = [connected(served) for _ in range(50)]
    for sock in silent[:25]:
        sock.sendall(b"\x00\x00")  # half a length
    served.ok("enqueue", "--command", "true")
    for sock in silent:
        sock.close()
    served.ok("status")


def test_a_client_that_leaves_before_its_answer_is_no_error(served: CommandLine) -> None:
    for _ in range(50):
        with connected(served) as sock:
            sock.sendall(
                framed(json.dumps({"v": 1, "verb": "enqueue", "jobs": [{"command": "true"}], "cwd": "/"}).encode())
            )
    until(lambda: served.counts()["pending"] == 50, lambda: "all fifty jobs")


def test_at_the_limit_the_longest_silent_client_is_disconnected(served: CommandLine) -> None:
    from queuectl_core.wire.server import MAX_CONNECTIONS

    held = [connected(served) for _ in range(MAX_CONNECTIONS)]
    assert answer_to(held[-1], {"v": 1, "verb": "status"})["ok"] is True  # the server accepted all
    with connected(served) as extra:
        assert answer_to(extra, {"v": 1, "verb": "status"})["ok"] is True
        assert held[0].recv(1) == b""
        assert answer_to(held[1], {"v": 1, "verb": "status"})["ok"] is True
    for sock in held:
        sock.close()


def test_a_client_that_does_not_read_answers_delays_only_itself(served: CommandLine) -> None:
    """Request thousands of large answers and read none: the supervisor makes one at a time, and
    serves others.
    """
    served.ok("enqueue", "--file", "-", stdin=b'{"command": "true %s"}\n' % (b"x" * 600) * 500)
    with connected(served) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        sock.settimeout(0.5)
        try:
            sock.sendall(framed(b'{"v":1,"verb":"list"}') * 8000)
        except OSError:
            pass  # the supervisor does not read all requests
        served.ok("enqueue", "--command", "true")
        with open(f"/proc/{served.supervisor_pid()}/status") as file:
            memory_kb = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    assert memory_kb < 150_000


def test_waiting_clients_at_the_limit_leave_room_for_others(served: CommandLine) -> None:
    from queuectl_core.wire.server import MAX_CONNECTIONS

    served.ok("enqueue", "--id", "x", "--command", "true")
    wait = framed(b'{"v":1,"verb":"wait","ids":["x"]}')
    held = [connected(served) for _ in range(MAX_CONNECTIONS)]
    for sock in held:
        sock.sendall(wait)
    served.ok("status")
    served.ok("worker", "stop", "--now")
    for sock in held:
        sock.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_refused(served: CommandLine) -> None:
    path = os.path.join(served.home, "control.sock")
    for folder in (os.path.dirname(served.home), served.home):
        os.chmod(folder, 0o755)
    os.chmod(path, 0o666)
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setuid(12345)
            with connected(served) as sock:
                os.write(writable, b"cut off" if sock.recv(1) == b"" else b"heard")
        finally:
            os._exit(0)
    os.close(writable)
    os.waitpid(pid, 0)
    assert os.read(readable, 100) == b"cut off"
    os.close(readable)
