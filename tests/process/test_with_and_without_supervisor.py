"""Every command gives the same answer through the socket of a supervisor and through the writer
lock.
"""

from __future__ import annotations

import re

import pytest

from tests.homes import Answer, CommandLine

CALLS = [
    ["enqueue", '{"id": "a", "command": "false", "max_retries": 0}'],
    ["enqueue", '{"id": "a", "command": "true"}'],
    ["enqueue", "--json", "--id", "b", "--command", "true"],
    ["enqueue", "--backoff-base", "nan", "--command", "true"],
    ["list", "--state", "pending"],
    ["list", "--json"],
    ["show", "a"],
    ["show", "nobody"],
    ["logs", "a"],
    ["dlq", "list"],
    ["dlq", "retry", "a"],
    ["dlq", "retry", "--all"],
    ["dlq", "purge", "nobody"],
    ["config", "set", "max-retries", "7"],
    ["config", "set", "max-retries", "7000"],
    ["config", "get", "max-retries"],
    ["config", "list"],
    ["enqueue", "--id", "c", "--command", "true"],
    ["show", "c", "--json"],
    ["config", "unset", "max-retries"],
    ["config", "get", "max-retries", "--json"],
]


def without_times(answer: Answer) -> tuple[int, str, str]:
    return answer.status, re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\d+ s {2,}| {2,}", "TIME", answer.out), answer.err


def test_the_answers_are_the_same(queuectl: CommandLine) -> None:
    alone = [without_times(queuectl(*words)) for words in CALLS]
    home = queuectl.home
    queuectl.environ["QUEUECTL_HOME"] = queuectl.home = home + "2"
    try:
        queuectl.ok("worker", "start")
        queuectl.ok("worker", "scale", "0")  # so that no job runs during the test
        served = [without_times(queuectl(*words)) for words in CALLS]
        assert served == alone
    finally:
        queuectl.end()
        queuectl.environ["QUEUECTL_HOME"] = queuectl.home = home


def test_a_setting_reaches_a_running_supervisor_at_once(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("config", "set", "max-retries", "0")
    queuectl.ok("enqueue", "--id", "a", "--command", "false")
    assert queuectl.until_state("a", "dead")["attempts"] == 1


def test_settings_are_kept(queuectl: CommandLine) -> None:
    queuectl.ok("config", "set", "backoff-base", "1.5")
    queuectl.ok("worker", "start")
    assert queuectl.ok("config", "get", "backoff-base") == "1.5\n"
    queuectl.ok("worker", "stop")
    assert queuectl.json("config", "list")["backoff-base"] == 1.5


@pytest.mark.parametrize("running", [False, True], ids=["alone", "served"])
def test_a_large_file_is_all_or_nothing(queuectl: CommandLine, running: bool) -> None:
    """The file is larger than one message and one frame; a refused file leaves nothing behind."""
    if running:
        queuectl.ok("worker", "start")
        queuectl.ok("worker", "scale", "0")
    lines = [f'{{"id": "n{n}", "command": "true"}}' for n in range(12_000)]
    output = queuectl.refused(1, "enqueue", "--file", "-", stdin="\n".join([*lines, lines[5]]).encode())
    assert "line 12001: ID n5 appears more than once" in output
    assert queuectl.counts()["pending"] == 0
    assert queuectl.ok("enqueue", "--file", "-", stdin="\n".join(lines).encode()).split() == [
        f"n{n}" for n in range(12_000)
    ]
    assert queuectl.counts()["pending"] == 12_000
    assert [job["id"] for job in queuectl.json("list", "--limit", "0")] == [f"n{n}" for n in range(12_000)]


def test_printed_ids_of_a_large_file_are_the_stored_ones(queuectl: CommandLine) -> None:
    ids = queuectl.ok("enqueue", "--file", "-", stdin=b'{"command": "true"}\n' * 1500).split()
    assert ids == [job["id"] for job in queuectl.json("list", "--limit", "0")]
    assert ids == sorted(ids) and len(set(ids)) == 1500
