"""A `queuectl web` for tests, and a client that sends exactly the requests that a test wants."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.homes import CommandLine


class Got:
    """One reply."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def __repr__(self) -> str:
        return f"{self.status}\n{self.headers}{self.body[:2000]!r}"

    def json(self) -> Any:
        return json.loads(self.body)


class Web:
    """One running `queuectl web`."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, socket_path: str | None) -> None:
        self.process = process
        self.address = address
        self.socket_path = socket_path
        base, _, self.token = address.partition("#")
        self.host, _, self.path = base.partition("://")[2].partition("/")
        self.port = int(self.host.rpartition(":")[2])

    def connect(self) -> http.client.HTTPConnection:
        """Return a new connection, which sends nothing by itself."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        if self.socket_path is not None:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(self.socket_path)
        return connection

    def send(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes = b"") -> Got:
        """Send a request with these headers alone, beside the length of the body."""
        connection = self.connect()
        try:
            connection.putrequest(method, f"/{self.path}{path}", skip_host=True, skip_accept_encoding=True)
            for name, value in [*headers, *([("Content-Length", str(len(body)))] if body else [])]:
                connection.putheader(name, value)
            connection.endheaders(body)
            return Got(connection.getresponse())
        finally:
            connection.close()

    def headers(self, **more: str | None) -> list[tuple[str, str]]:
        """Return the headers of an ordinary request; a value None leaves one out."""
        usual = {"host": self.host, "authorization": f"Bearer {self.token}"}
        merged = {**usual, **{name.replace("_", "-"): value for name, value in more.items()}}
        return [(name, value) for name, value in merged.items() if value is not None]

    def get(self, path: str, **more: str | None) -> Got:
        return self.send("GET", path, self.headers(**more))

    def ok(self, path: str) -> Any:
        got = self.get(path)
        assert got.status == 200, got
        return got.json()

    def post(self, path: str, value: object, **more: str | None) -> Got:
        headers = self.headers(**{"content_type": "application/json", **more})
        return self.send("POST", path, headers, json.dumps(value).encode())

    def done(self, path: str, value: object) -> Any:
        got = self.post(path, value)
        assert got.status == 200, got
        return got.json()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """End the server, and return its exit status and its output."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out.decode(), err.decode()


@contextmanager
def web(queuectl: CommandLine, *words: str, socket_path: str | None = None) -> Iterator[Web]:
    """Run `queuectl web` for a block."""
    more = ("--socket", socket_path) if socket_path else ()
    process = queuectl.popen("web", *words, *more, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    address = process.stdout.readline().decode()
    try:
        assert address.endswith("\n"), process.communicate(timeout=20)
        yield Web(process, address.strip(), socket_path)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=20)
