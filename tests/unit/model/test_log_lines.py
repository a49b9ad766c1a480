"""Log lines: what a supervisor in the foreground says about its jobs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from queuectl_core.model.events import Canceled, DeadLettered, Event, Failed, Released, Started, Succeeded
from queuectl_core.model.log_lines import JSON, RUN_EVENTS, TEXT, entry_of, line, message, output_line
from tests.builders import exited


class Stub:
    """The fields of a job that a line needs."""

    id = "a"
    command = "echo \x1b[31m"
    attempts = 2
    max_retries = 3


JOB: Any = Stub()
AT = "1970-01-01T00:00:01Z"


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Started("a", 1000, "w1"), "job a started, attempt 2: echo \\x1b[31m"),
        (Succeeded("a", 1000, exited(0)), "job a completed after 0.0 s"),
        (Failed("a", 1000, exited(3), "exit code 3", 5000), "job a failed after 0.0 s: exit code 3; retry 2 of 3 in 4.0 s"),
        (DeadLettered("a", 1000, exited(3), "exit\ncode"), "job a died after 0.0 s: exit\\ncode"),
        (Canceled("a", 1000, "by hand"), "job a canceled: by hand"),
        (Released("a", 1000, "stopped", False), "job a released: stopped"),
    ],
)
def test_each_start_and_end_is_one_safe_line(event: Event, text: str) -> None:
    entry = entry_of(event, JOB)
    assert entry is not None and line(entry, TEXT).decode().replace(" after 0.1 s", " after 0.0 s") == f"{AT} {text}\n"
    data = line(entry, JSON)
    assert data.isascii() and data.count(b"\n") == 1 and b"\x1b" not in data
    assert json.loads(data) == entry and entry["event"] == RUN_EVENTS[type(event)]


def test_a_job_that_is_gone_has_no_line() -> None:
    assert entry_of(Succeeded("a", 1000, exited(0)), None) is None


def test_a_message_is_a_line_too() -> None:
    assert line(message(1000, "x\x07"), TEXT) == f"{AT} x\\x07\n".encode()
    assert json.loads(line(message(1000, "x\x07"), JSON)) == {"at": AT, "event": "message", "text": "x\x07"}


def test_output_has_the_id_of_its_job() -> None:
    assert output_line("a", b"\x1b[2Jx\t\xff", TEXT, is_terminal=True) == b"a| \\x1b[2Jx\t\\xff\n"
    assert output_line("a", b"\x1b[2Jx\xff", TEXT, is_terminal=False) == b"a| \x1b[2Jx\xff\n"
    assert json.loads(output_line("a", b"\x1bx\xff", JSON, is_terminal=True)) == {
        "event": "output", "job": "a", "text": "\x1bx\ufffd",
    }  # fmt: skip
