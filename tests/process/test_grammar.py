"""One grammar: short options, other names, help topics, --quiet, and what a mistaken call gets told."""

from __future__ import annotations

import json
import os
import pty
import subprocess

import pytest

from tests.homes import SCRIPT, CommandLine


@pytest.fixture
def three(queuectl: CommandLine) -> CommandLine:
    jobs = [{"id": "a"}, {"id": "b", "tags": {"k": "v"}}, {"id": "c", "queue": "q"}]
    lines = "".join(json.dumps({"command": "true", **job}) + "\n" for job in jobs)
    queuectl.ok("enqueue", "--file", "-", stdin=lines.encode())
    return queuectl


def test_short_options_choose_and_limit_before_and_after_the_command(three: CommandLine) -> None:
    assert three.ok("-j", "list", "-n", "1") == three.ok("list", "--json", "--limit", "1")
    assert three.ok("list", "-t", "k=v", "--format", "{id}") == "b\n"
    assert three.ok("list", "-s", "pending", "-jn2") == three.ok("list", "--state", "pending", "--json", "--limit", "2")


def test_other_names_call_the_command(three: CommandLine) -> None:
    assert three.ok("ls", "--format", "{id}") == three.ok("list", "--format", "{id}")
    assert '"counts"' in three.ok("ps", "-j")
    assert three.ok("add", "--id", "d", "--", "true") == "d\n"
    assert json.loads(three.ok("--json", "kill", "d"))["ids"] == ["d"]
    assert three.ok("dlq", "ls", "-j") == three.ok("dlq", "list", "--json")
    assert three.ok("version") == three.ok("--version") == three.ok("-V")


def test_quiet_prints_only_data(three: CommandLine) -> None:
    for words in (["cancel", "a"], ["dlq", "retry", "a"], ["rm", "a"], ["pause"], ["resume"], ["move", "c"], ["prune"]):
        answer = three(*words, "-q")
        assert (answer.status, answer.out, answer.err) == (0, "", ""), words
    assert three.ok("-q", "enqueue", "--id", "d", "--", "true") == "d\n"
    assert three.ok("-q", "rm", "d", "--json") != ""
    assert "x" in three.refused(1, "--quiet", "rm", "x")


def test_help_explains_commands_actions_and_topics(queuectl: CommandLine) -> None:
    assert queuectl.ok("help") == queuectl.ok("--help")
    assert queuectl.ok("help", "list") == queuectl.ok("list", "--help") == queuectl.ok("help", "ls")
    assert queuectl.ok("help", "worker", "start") == queuectl.ok("worker", "start", "--help")
    assert "--ended-since" in queuectl.ok("help", "filters")
    assert "help" in queuectl.refused(2, "help", "xyzzy")
    assert "\n  ls " not in queuectl.ok("--help")


def test_a_group_without_an_action_prints_its_help_at_a_terminal(queuectl: CommandLine) -> None:
    assert "name an action, like `queuectl worker start`" in queuectl.refused(2, "worker")
    for group in ("worker", "queue", "schedule", "dlq", "config"):
        master, slave = pty.openpty()
        process = subprocess.run([queuectl.python, SCRIPT, group], env=queuectl.environ, stdout=subprocess.PIPE, stderr=slave, check=False)
        os.close(slave)
        assert (process.returncode, process.stdout) == (2, b"")
        assert b"usage: queuectl " + group.encode() in os.read(master, 65536)
        os.close(master)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("list --follow", "`logs`, `events` have it"),
        ("list failed", "did you mean --state failed?"),
        ("status foo", "`queuectl show foo`"),
        ("worker start --cuont 3", "did you mean --count?"),
        ("worker strat", "did you mean start?"),
        ("list -n", "option -n/--limit needs a value"),
        ("move", "the call lacks ID"),
        ("run -q gpu ls", "use --queue"),
        ("wait -t 10", "--tag needs NAME=VALUE, not '10'"),
        ("-n 5 list", "options of a command come after its name"),
        ("pause gpu", "`queuectl queue pause gpu`"),
        ("resume gpu", "`queuectl queue resume gpu`"),
        ("enqueue -q gpu -- ls", "use --queue (-q is --quiet)"),
        ("queue gpu", "its actions are list, set, "),
        ("run sleep 1", "`queuectl run -- sleep 1`"),
        ("run --queue gpu ls -l", "`queuectl run --queue gpu -- ls -l`"),
        ("enqueue sleep 5", "`queuectl enqueue -- sleep 5`"),
        ("logs", "name a job"),
        ("worker start 2 --count 3", "once"),
        ("enqueue ls -l", "`queuectl enqueue -- ls -l`"),
        ("schedule add nightly @daily ./x", "`queuectl schedule add nightly @daily -- ./x`"),
        ("pause --queue gpu", "`queuectl queue pause NAME`"),
        ("graph --queue gpu", "`list` and others have it"),
        ("pause 1h", "`--for 1h`"),
        ("worker start --timeout 3", "`enqueue` and others have it"),
        ("move a --front", "did you mean --to front?"),
        ("enqueue --index 3 -- ls", "QUEUECTL_ARRAY_INDEX is the index of a job; to add only some, use --array 4,7"),
        ("enqueue --unique k -- ls", "did you mean --key?"),
        ("list --group x", "did you mean --queue or --batch?"),
        ("schedule add n 1h --group x -- ls", "did you mean --queue?"),
        ("--jsn list", "did you mean --json?"),
        ("list --order x", "did you mean --sort?"),
        ("queue limit gpu 1", "did you mean queue set NAME --limit N?"),
        ("queue pause gpu 1h", "`--for 1h`"),
        ("schedule add n --at 02:30 -- ls", "'30 2 * * *'"),
        ("retry --priority 5", "unknown option --priority; `edit` and others have it"),
        ("stop", "did you mean worker stop, pause or cancel?"),
        ("worker list", "its actions are start, stop, restart, scale"),
    ],
)
def test_a_mistake_is_told_with_what_to_type(queuectl: CommandLine, words: str, said: str) -> None:
    assert said in queuectl.refused(2, *words.split())
    assert not os.path.exists(queuectl.home)


def test_events_begin_at_a_number_or_at_a_time(three: CommandLine) -> None:
    numbers = [json.loads(line)["seq"] for line in three.ok("events", "--since", "1h").splitlines()]
    assert numbers == [1, 2, 3] and three.ok("events", "--since", "2099-01-01") == ""
    assert three.ok("events", "--since", "2").count("\n") == 1
    assert "--since needs a time" in three.refused(2, "events", "--since", "x")
