"""`queuectl web` as an HTTP server: connections that stay, old clients, base paths, and its start and end in detail."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator

import pytest

from tests.homes import CommandLine
from tests.web_server import Got, Web, web


@pytest.fixture
def page(queuectl: CommandLine) -> Iterator[Web]:
    with web(queuectl) as running:
        yield running


def talk(page: Web, data: bytes) -> bytes:
    """Send bytes and the end of the stream, and return everything that comes back."""
    with socket.create_connection(("127.0.0.1", page.port), timeout=20) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        received = b""
        while piece := sock.recv(65_536):
            received += piece
        return received


def test_a_connection_answers_several_requests_also_after_a_refusal(page: Web) -> None:
    connection = page.connect()
    connection.connect()
    kept = connection.sock
    for path, status in (("api/session", 200), ("nothing", 404), ("api/jobs/nobody", 404), ("", 200)):
        connection.request("GET", f"/{path}", headers=dict(page.headers()))
        assert Got(connection.getresponse()).status == status
    connection.request("POST", "/api/act", b"{}", dict(page.headers(content_type="text/plain")))
    assert Got(connection.getresponse()).status == 415
    assert connection.sock is kept
    connection.close()


def test_requests_sent_at_once_are_answered_in_order(page: Web) -> None:
    one = f"GET /livez HTTP/1.1\r\nHost: {page.host}\r\n\r\n"
    two = f"GET /nothing HTTP/1.1\r\nHost: {page.host}\r\nConnection: close\r\n\r\n"
    got = talk(page, (one + two).encode())
    assert re.findall(rb"HTTP/1\.1 (\d+)", got) == [b"200", b"404"]


def test_head_has_the_headers_alone(page: Web) -> None:
    got = talk(page, f"HEAD / HTTP/1.1\r\nHost: {page.host}\r\nConnection: close\r\n\r\n".encode())
    head, _, body = got.partition(b"\r\n\r\n")
    length = len(page.get("").body)
    assert f"Content-Length: {length}".encode() in head and body == b""


def test_a_client_of_http_1_0_gets_a_whole_stream_that_ends_with_the_connection(
    queuectl: CommandLine, page: Web
) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    asked = f"GET /api/events HTTP/1.0\r\nHost: {page.host}\r\nAuthorization: Bearer {page.token}\r\n\r\n"
    got = talk(page, asked.encode())
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"chunked" not in head and b"Connection: close" in head and body.startswith(b'{"seq":')


def test_a_client_that_asks_before_it_sends_a_body_may_send_it(page: Web) -> None:
    body = b'{"job": {"command": "true", "id": "a"}}'
    head = (
        f"POST /api/enqueue HTTP/1.1\r\nHost: {page.host}\r\nAuthorization: Bearer {page.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", page.port), timeout=20) as sock:
        sock.sendall(head.encode())
        assert sock.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert sock.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_ends_early_changes_nothing(queuectl: CommandLine, page: Web) -> None:
    head = (
        f"POST /api/enqueue HTTP/1.1\r\nHost: {page.host}\r\nAuthorization: Bearer {page.token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    )
    assert talk(page, head.encode() + b'{"job": {"command": "true"}}').startswith(b"HTTP/1.1 400 ")
    assert queuectl.counts()["pending"] == 0


def test_a_base_path_is_before_every_address(queuectl: CommandLine) -> None:
    with web(queuectl, "--base-path", "/node/host/8080/", "--allow-host", "hub.example") as page:
        assert page.path == "node/host/8080/"
        assert page.get("").status == 200 and page.get("api/session", host="hub.example").status == 200
        outside = page.connect()
        outside.request("GET", "/api/session", headers=dict(page.headers()))
        assert outside.getresponse().status == 404
        outside.close()
        redirect = page.connect()
        redirect.request("GET", "/node/host/8080", headers=dict(page.headers()))
        response = redirect.getresponse()
        assert (response.status, response.getheader("Location")) == (308, "8080/")
        redirect.close()
        job = {"job": {"command": "true", "id": "a"}}
        assert page.post("api/enqueue", job, host="hub.example", origin="https://hub.example").status == 200


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "0"], "--port must be a whole number from 1 to 65535"),
        (["--port", "http"], "--port must be"),
        (["--host", "localhost"], "--host needs an IP address"),
        (["--host", "127.0.0.1", "--socket", "x"], "--socket or --host"),
        (["--allow-user", "no-such-user-here"], "there is no user"),
        (["--socket", "/no/such/folder/web.sock"], "cannot listen at /no/such/folder/web.sock"),
        (["--base-path", "a\nb"], "--base-path"),
    ],
)
def test_a_mistaken_call_is_refused_in_one_line(queuectl: CommandLine, words: list[str], said: str) -> None:
    assert said in queuectl.refused(2, "web", *words)


def test_the_path_of_a_socket_may_be_long(queuectl: CommandLine) -> None:
    folder = os.path.join(os.path.dirname(queuectl.home), "f" * 120)
    os.mkdir(folder)
    path = os.path.join(folder, "web.sock")
    process = queuectl.popen("web", "--socket", path, stdout=-1, stderr=-1)
    assert process.stdout is not None and process.stdout.readline().startswith(b"http://localhost:8080/#")
    assert os.path.exists(path)
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 0 and not os.path.exists(path)


def test_quiet_prints_the_address_alone(queuectl: CommandLine) -> None:
    with web(queuectl, "--quiet") as page:
        assert page.stop() == (0, "", "")
