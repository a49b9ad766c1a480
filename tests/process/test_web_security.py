"""The security of `queuectl web`: one test, or some, for each item of the list in docs/web.md."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import stat
import sys
import threading
from collections.abc import Iterator

import pytest

from queuectl_core.web.connection.incoming import MAX_BODY_BYTES, MAX_HEADER_BYTES
from queuectl_core.web.connection.replies import SECURITY
from queuectl_core.web.connection.server import MAX_CONNECTIONS
from queuectl_core.web.site import ROUTES
from tests.homes import CommandLine, short_folder, until
from tests.web_server import Got, Web, web

IS_LINUX = sys.platform.startswith("linux")
ADD = {"job": {"command": "true", "id": "added"}}


@pytest.fixture
def page(queuectl: CommandLine) -> Iterator[Web]:
    """Yield a server of the home of the test."""
    with web(queuectl) as running:
        yield running


@pytest.fixture(scope="module")
def shared() -> Iterator[Web]:
    """Yield a server for all tests whose requests change nothing."""
    with short_folder() as folder, web(CommandLine(os.path.join(folder, "home"))) as running:
        yield running
        assert running.ok("api/overview")["unfinished"] == 0


def refused(got: Got, status: int, code: str) -> None:
    assert (got.status, got.json()["error"]) == (status, code), got


def raw(page: Web, data: bytes) -> bytes:
    """Send bytes, and return everything that comes back until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", page.port), timeout=20) as sock:
        sock.sendall(data)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                received += piece
        return received


# 1. Off by default; a process of its own; a fixed table


def test_1_no_supervisor_listens_on_a_port(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    pid = queuectl.supervisor_pid()
    links = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")] if IS_LINUX else []
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    for table in ("/proc/net/tcp", "/proc/net/tcp6") if IS_LINUX else ():
        with contextlib.suppress(FileNotFoundError), open(table) as file:
            assert not inodes & {line.split()[9] for line in file.readlines()[1:]}


def test_1_only_the_table_of_requests_does_anything(shared: Web) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE"):
        for path in ("api", "api/", "api/jobs/a/b/c", "api/act/", "API/act", "api//act", "api/%61ct/x"):
            assert shared.send(method, path, shared.headers(content_type="application/json")).status == 404, path
    for (method, path), _ in ROUTES.items():
        other = "GET" if method == "POST" else "DELETE"
        if (other, path) not in ROUTES:
            refused(shared.send(other, path.replace("*", "index.html"), shared.headers()), 405, "method")
    refused(shared.post("api/act", {"verb": "stop", "ids": ["a"]}), 400, "invalid_input")


# 2. 127.0.0.1 and a free port, unless asked for in so many words


def test_2_it_listens_at_127_0_0_1_only(shared: Web) -> None:
    assert shared.host.startswith("127.0.0.1:")
    with socket.socket() as sock, pytest.raises(OSError):
        sock.settimeout(5)
        sock.connect((_own_address(), shared.port))


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing; the kernel picks the address of this machine
            address = str(sock.getsockname()[0])
        except OSError:
            address = "127.0.0.1"
    return "127.0.0.2" if address.startswith("127.") else address


def test_2_another_address_needs_the_name_that_browsers_use(queuectl: CommandLine) -> None:
    assert "--allow-host" in queuectl.refused(2, "web", "--host", "0.0.0.0")
    with web(queuectl, "--host", "0.0.0.0", "--allow-host", "hub.example:8443") as page:
        assert page.get("api/session").status == 200
        assert page.get("api/session", host="hub.example:8443").status == 200
        refused(page.get("api/session", host="hub.example"), 421, "misdirected")


# 3. The Host header of every request


@pytest.mark.parametrize("path", ["", "page/index.html", "livez", "api/session", "nothing"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "0.0.0.0:{port}", "[::1]:{port}", "", None])
def test_3_a_request_to_another_host_is_refused(shared: Web, path: str, host: str | None) -> None:
    named = None if host is None else host.format(port=shared.port)
    refused(shared.get(path, host=named), 421, "misdirected")


def test_3_a_rebound_page_is_refused_although_its_origin_is_its_host(shared: Web) -> None:
    evil = f"evil.example:{shared.port}"
    refused(shared.post("api/enqueue", ADD, host=evil, origin=f"http://{evil}"), 421, "misdirected")


def test_3_two_hosts_are_refused(shared: Web) -> None:
    headers = [("Host", shared.host), *shared.headers()]
    refused(shared.send("GET", "api/session", headers), 421, "misdirected")


def test_3_both_local_names_are_accepted(shared: Web) -> None:
    assert shared.get("api/session", host=f"LOCALHOST:{shared.port}").status == 200


def test_3_a_whole_address_in_the_first_line_is_refused(shared: Web) -> None:
    got = raw(shared, f"GET http://evil.example/livez HTTP/1.1\r\nHost: {shared.host}\r\n\r\n".encode())
    assert got.startswith(b"HTTP/1.1 400 ")


# 4. No cookies


def test_4_no_reply_sets_a_cookie_and_no_cookie_is_a_token(shared: Web) -> None:
    for path in ("", "api/session"):
        assert shared.get(path).headers["Set-Cookie"] is None
    cookie = f"token={shared.token}; queuectl={shared.token}"
    refused(shared.get("api/session", authorization=None, cookie=cookie), 401, "unauthorized")


# 5. The token


def test_5_the_token_has_192_bits_or_more_and_is_new_at_each_start(queuectl: CommandLine) -> None:
    with web(queuectl) as first:
        one = first.token
    with web(queuectl) as second:
        assert len(second.token) >= 32 and second.token != one
        refused(second.get("api/session", authorization=f"Bearer {one}"), 401, "unauthorized")


def test_5_the_files_of_the_tokens_are_private(queuectl: CommandLine, page: Web) -> None:
    for name in ("web.token", "metrics.token"):
        status = os.stat(os.path.join(queuectl.home, name))
        assert stat.S_IMODE(status.st_mode) == 0o600 and status.st_uid == os.geteuid()


@pytest.mark.parametrize("sent", [None, "", "Bearer", "Bearer ", "Bearer x", "Basic {token}", "{token}", "Bearer {token}x"])
def test_5_a_request_without_the_token_is_refused(shared: Web, sent: str | None) -> None:
    header = None if sent is None else sent.format(token=shared.token)
    for method, path in ROUTES:
        if path.startswith("api/"):
            got = shared.send(method, path.replace("*", "a"), shared.headers(authorization=header))
            refused(got, 401, "unauthorized")


def test_5_the_token_is_not_taken_from_the_address(shared: Web) -> None:
    for path in (f"api/session?token={shared.token}", f"api/session?access_token={shared.token}"):
        refused(shared.get(path, authorization=None), 401, "unauthorized")


# 6. Streams and downloads have headers of requests, so no address has the token: see test_5


# 7. --open


@pytest.mark.skipif(not IS_LINUX, reason="needs /proc")
def test_7_open_gives_the_browser_a_private_file_and_no_token(queuectl: CommandLine) -> None:
    browser = os.path.join(os.path.dirname(queuectl.home), "browser")
    with open(browser, "w") as file:
        file.write(f'#!/bin/sh\nprintf "%s\\n" "$@" > {browser}.args\nf=${{1#file://}}\n'
                   f'stat -c %a "$f" > {browser}.mode\ncp "$f" {browser}.page\ntouch {browser}.done\n')  # fmt: skip
    os.chmod(browser, 0o700)
    queuectl.environ["BROWSER"] = f"{browser} %s"
    with web(queuectl, "--open") as page:
        until(lambda: os.path.exists(f"{browser}.done"), lambda: "the browser to start")
        with open(f"{browser}.args") as args, open(f"{browser}.page") as file, open(f"{browser}.mode") as mode:
            arguments = args.read()
            assert page.token not in arguments and arguments.startswith("file://")
            assert page.address in file.read() and mode.read() == "600\n"
        page.stop()
    assert not os.path.exists(arguments.strip()[len("file://") :])


# 8. Changes


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None,
                                  "application/json; charset=utf-8", "application/jsonx", "text/plain, application/json"])  # fmt: skip
def test_8_a_change_must_be_json(shared: Web, kind: str | None) -> None:
    refused(shared.post("api/enqueue", ADD, content_type=kind), 415, "not_json")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_8_a_change_from_another_site_is_refused(shared: Web, site: str) -> None:
    refused(shared.post("api/enqueue", ADD, sec_fetch_site=site), 403, "cross_site")


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://127.0.0.1:1", "http://localhost:{port}", "file://", ""])
def test_8_a_change_from_another_origin_is_refused(shared: Web, origin: str) -> None:
    refused(shared.post("api/enqueue", ADD, origin=origin.format(port=shared.port)), 403, "cross_site")


def test_8_a_change_from_this_page_is_accepted(queuectl: CommandLine, page: Web) -> None:
    got = page.post("api/enqueue", ADD, sec_fetch_site="same-origin", origin=f"http://{page.host}")
    assert got.status == 200 and queuectl.job("added")["state"] == "pending"


@pytest.mark.parametrize("path", ["", "api/act", "api/session", "*", "nothing"])
def test_8_options_is_never_answered_with_leave(shared: Web, path: str) -> None:
    asked = shared.headers(origin="http://evil.example", access_control_request_method="POST")
    got = shared.send("OPTIONS", path, asked)
    assert got.status == 405
    assert not [name for name in got.headers if name.lower().startswith("access-control-")]


def test_8_no_get_changes_anything(shared: Web) -> None:
    for path in ("api/act", "api/enqueue", "api/pause"):
        refused(shared.get(f"{path}?verb=cancel&is_paused=true"), 405, "method")


# 9. Other users of this machine


@pytest.mark.skipif(not IS_LINUX or os.geteuid() != 0, reason="only root on Linux can connect as another user")
def test_9_connections_of_other_users_are_refused(page: Web) -> None:
    said = as_nobody(page)
    assert said.startswith(b"HTTP/1.1 403 ") and b"other_user" in said


def as_nobody(page: Web) -> bytes:
    """Return the start of the reply to a request of another user, whom a child process becomes."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgid(65_534)
            os.setuid(65_534)
            with socket.create_connection(("127.0.0.1", page.port), timeout=20) as sock:
                sock.sendall(f"GET /livez HTTP/1.1\r\nHost: {page.host}\r\n\r\n".encode())
                os.write(writable, sock.recv(65_536))
        finally:
            os._exit(0)
    os.close(writable)
    with open(readable, "rb") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said


@pytest.mark.skipif(not IS_LINUX or os.geteuid() != 0, reason="only root on Linux can connect as another user")
def test_9_another_user_keeps_no_place_by_sending_on(page: Web) -> None:
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgid(65_534)
            os.setuid(65_534)
            kept = [socket.socket() for _ in range(2 * MAX_CONNECTIONS)]
            for sock in kept:
                sock.connect(("127.0.0.1", page.port))
            os.write(writable, b"!")
            while kept:
                kept = [sock for sock in kept if _is_taken(sock)]
            os.write(writable, b"!")
        finally:
            os._exit(0)
    os.close(writable)
    with open(readable, "rb", buffering=0) as pipe:
        assert pipe.read(1) == b"!"
        until(lambda: page_answers(page), lambda: "an answer to the own user")
        assert pipe.read(1) == b"!"  # all connections have ended although their client went on
    os.waitpid(pid, 0)


def _is_taken(sock: socket.socket) -> bool:
    """Return whether a byte can still be sent."""
    try:
        sock.send(b"x")
    except OSError:
        return False
    select.select([], [], [], 0.05)
    return True


@pytest.mark.skipif(not IS_LINUX or os.geteuid() != 0, reason="only root on Linux can connect as another user")
def test_9_a_user_who_is_named_may_connect(queuectl: CommandLine) -> None:
    with web(queuectl, "--allow-user", "65534") as page:
        assert as_nobody(page).startswith(b"HTTP/1.1 200 ")


# 10. A Unix socket


def test_10_a_socket_is_private_and_replaces_a_stale_one(queuectl: CommandLine) -> None:
    path = os.path.join(os.path.dirname(queuectl.home), "web.sock")
    with web(queuectl, socket_path=path) as page:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and page.address.startswith("http://localhost:8080/#")
        assert page.get("api/session").status == 200
        assert page.get("api/session", host="127.0.0.1:9").status == 200
        refused(page.get("api/session", host="evil.example:8080"), 421, "misdirected")
        assert "in use" in queuectl.refused(2, "web", "--socket", path)
        page.process.kill()
    with web(queuectl, socket_path=path) as page:
        assert page.get("api/session").status == 200
        page.stop()
    assert not os.path.exists(path)


def test_10_a_file_at_the_path_of_the_socket_stays(queuectl: CommandLine) -> None:
    path = os.path.join(os.path.dirname(queuectl.home), "mine")
    with open(path, "w") as file:
        file.write("text")
    assert "File exists" in queuectl.refused(2, "web", "--socket", path)
    with open(path) as file:
        assert file.read() == "text"


def test_10_a_page_of_another_port_cannot_change_through_a_tunnel(queuectl: CommandLine) -> None:
    path = os.path.join(os.path.dirname(queuectl.home), "web.sock")
    with web(queuectl, socket_path=path) as page:
        got = page.post("api/enqueue", ADD, host="localhost:8080", origin="http://localhost:9999")
        refused(got, 403, "cross_site")


# 11. The headers of every reply


def test_11_every_reply_has_the_headers_also_refusals(shared: Web) -> None:
    headers = shared.headers(content_type="application/json")
    replies = [
        shared.get(""), shared.get("page/index.html"), shared.get("api/session"), shared.get("livez"), shared.get("nothing"),
        shared.get("", host="evil.example"), shared.get("api/session", authorization=None), shared.get("api/jobs/nobody"),
        shared.send("OPTIONS", "", headers), shared.send("POST", "api/act", headers, b"{"), shared.send("BREW", "", headers),
        shared.send("HEAD", "", headers),
    ]  # fmt: skip
    for got in replies:
        for name, value in SECURITY:
            assert got.headers.get_all(name) == [value], (name, got)
    for data in (b"\x16\x03\x01\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/3.0\r\n\r\n", b"G" * 70_000):
        got = raw(shared, data)
        assert got.startswith(b"HTTP/1.1 4") or got.startswith(b"HTTP/1.1 5"), got
        assert all(f"{name}: {value}\r\n".encode() in got for name, value in SECURITY)


# 12. --read-only


def test_12_read_only_is_held_by_the_server(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    with web(queuectl, "--read-only") as page:
        assert page.ok("api/session")["read_only"] is True
        for method, path in ROUTES:
            if method == "POST":
                refused(page.post(path, {"verb": "cancel", "ids": ["a"], "is_paused": True}), 403, "read_only")
    assert queuectl.job("a")["state"] == "pending" and queuectl.json("status")["paused_since"] is None


# 13. Text of jobs


def test_13_text_of_jobs_is_json_or_plain_text_only(queuectl: CommandLine, page: Web) -> None:
    script = "<script>alert(1)</script>"
    queuectl.ok("enqueue", "--id", "a", "--name", script, "--", "echo", script)
    queuectl("worker", "start", "--exit-when-empty")
    assert page.get("api/jobs/a").headers["Content-Type"] == "application/json"
    got = page.get("api/jobs/a/output")
    assert got.headers["Content-Type"] == "text/plain; charset=utf-8" and script.encode() in got.body
    assert script.encode() not in page.get(f"api/jobs/{script}").body or page.get("x").headers["Content-Type"] == "application/json"


# 14. Bounds, secrets, and the log


def test_14_a_header_a_line_and_a_body_have_bounds(shared: Web) -> None:
    host = f"Host: {shared.host}\r\n".encode()
    long = b"x" * (MAX_HEADER_BYTES + 1)
    assert raw(shared, b"GET /" + long + b" HTTP/1.1\r\n" + host + b"\r\n").startswith(b"HTTP/1.1 414 ")
    assert raw(shared, b"GET / HTTP/1.1\r\n" + host + b"A: " + long + b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")
    many = b"".join(b"A%d: 1\r\n" % n for n in range(200))
    assert raw(shared, b"GET / HTTP/1.1\r\n" + host + many + b"\r\n").startswith(b"HTTP/1.1 431 ")
    body = b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1)
    assert raw(shared, b"POST /api/act HTTP/1.1\r\n" + host + body).startswith(b"HTTP/1.1 413 ")
    for length in (b"-1", b"1e3", b"", b"5, 5", b"9" * 30):
        got = raw(shared, b"POST /api/act HTTP/1.1\r\n" + host + b"Content-Length: " + length + b"\r\n\r\n")
        assert got.startswith(b"HTTP/1.1 4"), (length, got)
    chunked = b"POST /api/act HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert raw(shared, chunked).startswith(b"HTTP/1.1 411 ")


def test_14_a_line_that_is_no_header_hides_no_other(shared: Web) -> None:
    host = f"Host: {shared.host}\r\n".encode()
    for lines in (host + b"Content-Length : 3\r\n", host + b"no header\r\nHost: evil\r\n", b" Host: evil\r\n" + host):
        assert raw(shared, b"GET /livez HTTP/1.1\r\n" + lines + b"\r\n").startswith(b"HTTP/1.1 4"), lines


def test_14_a_line_that_a_proxy_may_read_differently_is_refused(shared: Web) -> None:
    host, line = f"Host: {shared.host}\r\n".encode(), b"GET /livez HTTP/1.1\r\n"
    for header in (
        b"A: a\r" + host, host + b"A: a\rContent-Length: 3\r\n", host + b"A: a\0\r\n", host + b"A: a\x0b\r\n",
        host + b"A: a\r\n b\r\n", b"Host:\r\n " + host[6:], host[:-2] + b"\n", host[:-2] + b"\xa0\r\n",
    ):  # fmt: skip
        got = raw(shared, line + header + b"Connection: close\r\n\r\n")
        assert got.startswith(b"HTTP/1.1 4"), header
    for odd in (b"GET  /livez HTTP/1.1", b"GET\t/livez HTTP/1.1", b"GET\xa0/livez HTTP/1.1", b"GET /livez\rHTTP/1.1"):
        assert raw(shared, odd + b"\r\n" + host + b"\r\n").startswith(b"HTTP/1.1 400 "), odd


def test_14_a_deep_or_broken_body_is_refused(shared: Web) -> None:
    headers = shared.headers(content_type="application/json")
    for body in (b"[" * 500_000, b"{", b"\xff\xff", b"nul", b""):
        assert shared.send("POST", "api/act", headers, body).status == 400, body[:10]
    for value in ([], "text", 1, None, {"verb": "cancel"}, {"verb": ["cancel"]}, {"verb": "cancel", "ids": "a"}):
        assert shared.post("api/act", value).status == 400, value


def test_14_a_page_of_jobs_has_a_bound(shared: Web) -> None:
    for limit in ("0", "201", "-1", "x", "9" * 50):
        assert shared.get(f"api/jobs?limit={limit}").status == 400, limit


def test_14_the_number_of_connections_has_a_bound_and_a_place_becomes_free(page: Web) -> None:
    idle = [socket.create_connection(("127.0.0.1", page.port), timeout=20) for _ in range(MAX_CONNECTIONS)]
    crowded = until(lambda: raw(page, b""), lambda: "a connection that is turned away")
    assert crowded.startswith(b"HTTP/1.1 503 ") and b"crowded" in crowded
    for sock in idle:
        sock.close()
    until(lambda: page_answers(page), lambda: "an answer after the others have gone")


def page_answers(page: Web) -> bool:
    with contextlib.suppress(OSError):
        return page.get("livez").status == 200
    return False


def test_14_a_client_that_says_half_keeps_no_other_waiting(shared: Web) -> None:
    with socket.create_connection(("127.0.0.1", shared.port)) as slow:
        slow.sendall(b"GET / HT")
        answers: list[int] = []
        threads = [threading.Thread(target=lambda: answers.append(shared.get("livez").status)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 8


def test_14_values_of_variables_and_the_token_are_never_shown(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("config", "set", "env", "GLOBAL=hunter1")
    queuectl.ok("queue", "set", "gpu", "--create", "--env", "QUEUE=hunter2")
    queuectl.ok("schedule", "add", "nightly", "@daily", "--env", "S=hunter3", "--", "true")
    queuectl.ok("enqueue", "--id", "a", "--queue", "gpu", "--env", "TOKEN=hunter4", "--", "true")
    queuectl.ok("enqueue", "--id", "b", "--stdin", "-", "--", "cat", stdin=b"hunter5")
    queuectl.ok("edit", "a", "--env", "TOKEN=hunter6")
    added = page.post("api/enqueue", {"job": {"command": "true", "id": "c", "env": {"X": "hunter7"}}})
    page.post("api/config", {"key": "env", "value": "GLOBAL=hunter8"})
    refusals = [page.post("api/config", {"key": "env", "value": "GLOBAL=my hunter8"})]
    refusals += [page.post("api/edit", {"id": "c", "changes": {"env": {"X": ["hunter9"]}}})]
    page.post("api/edit", {"id": "c", "changes": {"env": {"X": "hunter9"}}})
    assert [got.status for got in refusals] == [400, 400]
    bodies = [added.body]
    for path in ("api/jobs", "api/jobs/a", "api/jobs/b", "api/jobs/a/history", "api/jobs/c/history", "api/queues",
                 "api/schedules", "api/config", "api/overview", "api/session", "api/failures"):  # fmt: skip
        got = page.get(path)
        assert got.status == 200, got
        bodies.append(got.body)
    assert json.loads(bodies[2])["job"]["env"] == {"TOKEN": None}
    log = page.stop()[2]
    for body in (*bodies, *(got.body for got in refusals), log.encode()):
        assert b"hunter" not in body and page.token.encode() not in body


def test_14_the_log_says_who_did_what(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    page.done("api/act", {"verb": "cancel", "ids": ["a"]})
    page.get("api/jobs")
    assert page.post("api/act", {"verb": "cancel", "ids": ["a"]}).status == 409
    lines = page.stop()[2].splitlines()[1:-1]
    assert len(lines) == 2, lines
    assert lines[0].endswith(" cancel a: 1 jobs") and "127.0.0.1:" in lines[0]
    assert lines[1].endswith(" cancel a: job a is dead and cannot be canceled")
