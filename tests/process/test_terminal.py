"""Text on a terminal: no command, on either stream, shows what the terminal would act on. A pipe
gets the bytes unchanged.
"""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys

import pytest

from queuectl_core.escapes import Sieve, visible
from tests.homes import SCRIPT, CommandLine

EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m\x90\u202e\u2066\x7f\x08end"
"""OSC, CSI, C1, DCS, characters that change the direction of writing, DEL, backspace."""

DANGEROUS = set(EVIL) - set("]0;title[2J31mend")


def seen_on_terminal(queuectl: CommandLine, *words: str, status: int | None = 0, columns: int = 200) -> str:
    """Return the output on both streams."""
    master, slave = pty.openpty()
    env = {**queuectl.environ, "TERM": "xterm", "COLUMNS": str(columns), "LINES": "24"}
    process = subprocess.Popen(
        [sys.executable, SCRIPT, *words], env=env, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux reports EIO after the other side closes
            break
        if not piece:
            break
        seen += piece
    os.close(master)
    assert status in (None, process.wait(timeout=20)), seen
    return seen.decode()


@pytest.fixture
def evil(queuectl: CommandLine) -> CommandLine:
    queuectl.ok("enqueue", "--id", "dead", "--name", EVIL, "--tag", f"k={EVIL}", "--max-retries", "0", "--command", f"printf '%s' '{EVIL}'; exit 1 # {EVIL}")  # fmt: skip
    queuectl.ok("enqueue", json.dumps({"id": "waits", "delay": "1h", "env": {"X": EVIL}, "input": EVIL, "command": EVIL}))
    queuectl.ok("config", "set", "on-idle", f"true # {EVIL}")
    queuectl.ok("schedule", "add", "s", "--every", "1h", "--", f"echo {EVIL}")
    queuectl.ok("worker", "start")
    queuectl.until_state("dead", "dead")
    return queuectl


COMMANDS = [
    "status", "list", "list --json", "list --format {id}{command}{name}", "list --columns id,command,name,tags",
    "show dead", "show dead --json", "why dead", "history dead", "events", "logs dead", "logs dead --all",
    "logs dead waits", "logs dead --tail 1", "dlq list", "dlq show dead", "dlq export", "export", "export --state dead",
    "backup -", "config get on-idle", "config list", "config get on-idle --json", "schedule list", "schedule list --json",
    "queue list", "doctor", "run -- printf '\\033[2J\\302\\233X'",
    "list --csv", "list --csv --columns id,name,tags", "list --markdown --columns id,command,name", "logs --state dead",
    "show --state dead", "why --grep end", "history --state dead", "show dea", "status --grep end",
]  # fmt: skip


def test_no_command_passes_control_sequences_of_a_job(evil: CommandLine) -> None:
    for command in COMMANDS:
        seen = seen_on_terminal(evil, *shlex.split(command), status=None)
        assert not DANGEROUS & set(seen), (command, seen)


def test_no_error_passes_control_sequences_of_its_arguments(queuectl: CommandLine) -> None:
    for words in (
        [EVIL], ["show", EVIL], ["--home", f"/dev/null/{EVIL}", "status"], ["enqueue", "--id", EVIL, "--command", "true"],
        ["enqueue", f'{{"{EVIL}": 1}}'], ["config", "get", EVIL], ["import", f"/nowhere/{EVIL}"], ["list", EVIL],
        ["enqueue", "--file", f"/nowhere/{EVIL}"], ["backup", f"/nowhere/{EVIL}"], ["list", "--format", EVIL + "{"],
    ):  # fmt: skip
        seen = seen_on_terminal(queuectl, *words, status=None)
        assert not DANGEROUS & set(seen), (words, seen)


def test_a_supervisor_on_a_terminal_escapes_paths(queuectl: CommandLine) -> None:
    home = os.path.join(os.path.dirname(queuectl.home), "h" + EVIL.replace("/", ""))
    queuectl.environ["QUEUECTL_HOME"] = home
    seen = seen_on_terminal(queuectl, "run", "--", "true", status=None)
    master, slave = pty.openpty()
    process = queuectl.popen("worker", "start", "--foreground", stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    try:
        while "ready" not in seen:
            seen += os.read(master, 65536).decode()
    finally:
        process.terminate()
        process.wait(timeout=20)
        os.close(master)
    assert not DANGEROUS & set(seen), repr(seen)


def test_a_pipe_gets_the_bytes_unchanged(evil: CommandLine) -> None:
    for command in ("config get on-idle", "logs dead"):
        assert EVIL in evil.ok(*command.split())
    for command in ("export --state dead", "list --json"):
        output = evil.ok(*command.split())
        assert "\u202e" in output and "\x9b" in output and "\\u001b" in output


def test_colors_of_a_job_reach_the_terminal(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("run", "--id", "a", "--", "printf '\\033[1;31mred\\033[0m\\ttab\\n'")
    assert seen_on_terminal(queuectl, "logs", "a") == "\x1b[1;31mred\x1b[0m\ttab\r\n"


def test_states_have_colors(evil: CommandLine) -> None:
    del evil.environ["NO_COLOR"]
    for words in (["status"], ["list"], ["doctor"]):
        seen = seen_on_terminal(evil, *words)
        assert "\x1b[3" in seen and "\\x1b" not in seen.replace("\\x1b]0;", "").replace("\\x1b[2J", ""), seen


def test_a_narrow_table_shows_the_exit_code_and_the_reason(queuectl: CommandLine) -> None:
    id, long = "a-long-name-for-a-job-of-every-night", "# a command line that is longer than a terminal is wide " * 3
    queuectl.ok("enqueue", "--id", id, "--max-retries", "0", "--command", f"no-such-program {long}")
    queuectl.ok("enqueue", "--id", "b", "--delay", "1h", "--command", f"true {long}")
    queuectl.ok("worker", "start")
    queuectl.until_state(id, "dead")
    queuectl.ok("cancel", "b")
    listed = seen_on_terminal(queuectl, "list", columns=80)
    assert "exit code 127" in listed and "canceled by hand" in listed
    assert "exit code 127" in seen_on_terminal(queuectl, "dlq", "list", columns=80)
    shown = seen_on_terminal(queuectl, "show", id, columns=80)
    table = shown[shown.index("ATTEMPT ") :].splitlines()[:2]
    assert "exit 127" in table[1] and max(map(len, table)) <= 80


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_split_sequence_is_treated_as_one(cut: int) -> None:
    data = "\x1b[31mä\x1b[2J\x1b[0m".encode()
    sieve = Sieve()
    assert sieve.take(data[:cut]) + sieve.take(data[cut:]) == "\x1b[31mä\\x1b[2J\x1b[0m"


def test_invalid_utf8_is_escaped() -> None:
    assert Sieve().take(b"\xff\x00") == "\\xff\\x00"
    assert visible("a\nb\u202e") == "a\\nb\\u202e" and visible("a\nb", "\n") == "a\nb"
