"""Fuzz: malformed command lines, JSON lines and socket messages cause no traceback, no change, and
no hang.

A quick run makes a few thousand, in this process where possible; --long makes a hundred thousand.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import socket
import struct
from unittest.mock import patch

import pytest

from queuectl_core.cli import main
from tests.homes import CommandLine

WORDS = [
    "enqueue",
    "list",
    "show",
    "logs",
    "dlq",
    "retry",
    "purge",
    "config",
    "set",
    "get",
    "unset",
    "status",
    "worker",
    "scale",
    "help",
]
WORDS += [
    "--id",
    "--command",
    "--max-retries",
    "--backoff-base",
    "--cwd",
    "--state",
    "--limit",
    "--attempt",
    "--all",
    "--json",
    "--home=",
]
WORDS += [
    "--",
    "-",
    "",
    "x",
    "-1",
    "nan",
    "1e999",
    "\x00",
    "\ud800",
    "\x1b[2J",
    "a" * 300,
    "日本",
    "../x",
    "[]",
    "{}",
    "{",
    '{"command":""}',
]
WORDS += [
    '{"command":1}',
    '{"id":"-rf","command":"true"}',
    "[" * 2000,
    "max-retries",
    "pending",
    "--follow",
    "--file",
    "/dev/null",
    "0",
]


@pytest.fixture
def source(request: pytest.FixtureRequest) -> random.Random:
    given = request.config.getoption("--seed")
    seed = random.randrange(10**9) if given is None else given
    print(f"seed {seed}")
    return random.Random(seed)


def rounds(request: pytest.FixtureRequest, quick: int) -> int:
    return 100_000 if request.config.getoption("--long") else quick


def random_text(source: random.Random) -> str:
    return "".join(
        chr(source.choice([source.randrange(128), source.randrange(0x3000), 0xD800]))
        for _ in range(source.randrange(30))
    )


@pytest.mark.timeout(3000)
def test_malformed_command_lines(queuectl: CommandLine, source: random.Random, request: pytest.FixtureRequest) -> None:
    queuectl.ok("enqueue", "--id", "there", "--command", "true")
    with patch.dict(os.environ, {"QUEUECTL_HOME": queuectl.home}):
        for _ in range(rounds(request, 1500)):
            words = [source.choice([source.choice(WORDS), random_text(source)]) for _ in range(source.randrange(1, 6))]
            if "start" in words or "restart" in words or "stop" in words:
                continue
            out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
                patch("sys.stdin", io.TextIOWrapper(io.BytesIO())),
            ):
                try:
                    status = main.run(list(words))
                except SystemExit as exit:  # argparse, after --help
                    status = exit.code
            err.flush()
            output = err.buffer.getvalue().decode()  # type: ignore[attr-defined]
            assert status in (0, 1, 2, 3), (words, status, output)
            assert "Traceback" not in output, words
            if status:
                assert output.count("\n") == 1 or "==>" in output, (words, output)
    for job in queuectl.json("list"):
        assert job["id"] == "there" or job["command"].strip()


@pytest.mark.timeout(3000)
def test_malformed_lines_of_a_file(
    queuectl: CommandLine, source: random.Random, request: pytest.FixtureRequest
) -> None:
    """Each file has one malformed line, so `enqueue` must refuse it and add nothing."""
    from queuectl_core.cli.jsonl import FileLines
    from queuectl_core.errors import QueueError
    from queuectl_core.model.job_spec import check_spec
    from queuectl_core.model.job_text import parse

    good = b'{"id": "good", "command": "true"}'
    for n in range(rounds(request, 20_000)):
        line = bytearray(good)
        for _ in range(source.randrange(1, 4)):
            line[source.randrange(len(line))] = source.randrange(256)
        try:
            for text in FileLines("file", io.BytesIO(line)):
                try:
                    value = parse(text)
                except ValueError as fault:
                    assert "\n" not in str(fault), line
                    continue
                json.dumps(check_spec(value)["command"]).encode()
        except QueueError as refusal:
            assert "\n" not in str(refusal), line
        if n % 5000 == 0:
            answer = queuectl("enqueue", "--file", "-", stdin=good + b"\n" + bytes(line) + b"\n{\n")
            assert answer.status == 2 and answer.err.count("\n") == 1, (line, answer)
    assert sum(queuectl.counts().values()) == 0


@pytest.mark.timeout(3000)
def test_malformed_messages(queuectl: CommandLine, source: random.Random, request: pytest.FixtureRequest) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("worker", "scale", "0")
    good = json.dumps(
        {"v": 1, "verb": "list", "state": "pending", "limit": 5, "next": ["ready", "ready/000000000001"]}
    ).encode()
    for _ in range(rounds(request, 3000)):
        body = bytearray(good)
        for _ in range(source.randrange(1, 6)):
            body[source.randrange(len(body))] = source.randrange(256)
        size = len(body) if source.random() < 0.9 else source.randrange(2**32)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(os.path.join(queuectl.home, "control.sock"))
            sock.sendall(struct.pack(">I", size) + body)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass
    assert sum(queuectl.counts().values()) == 0
    assert "Traceback" not in open(os.path.join(queuectl.home, "supervisor.log")).read()
