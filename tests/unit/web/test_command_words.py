"""Command words: the command lines that the page shows."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from queuectl_core.web import command_words


def test_a_value_that_begins_with_a_dash_stays_with_its_option() -> None:
    assert command_words.option("grep", "-x") == ["--grep=-x"]
    assert command_words.option("exit_code", "3") == ["--exit-code", "3"]


def test_no_word_has_the_value_of_a_variable() -> None:
    job = {"command": "true", "env": {"TOKEN": "secret"}, "input": "secret"}
    assert command_words.enqueue(job) == ["enqueue", "--env", "TOKEN=…", "--command", "true"]
    assert command_words.edit("a", {"env": {"TOKEN": "secret"}}) == ["edit", "a", "--set", "env.TOKEN=…"]
    rules = {"defaults": {"env": {"TOKEN": "secret"}, "timeout": None}}
    assert command_words.queue("q", rules) == ["queue", "set", "q", "--env", "TOKEN=…", "--timeout", "none"]


@pytest.mark.parametrize("value", [{"TOKEN": "secret"}, "secret", ["secret"]])
@pytest.mark.parametrize("name", ["env", "environ", "input"])
def test_no_word_has_a_secret_of_a_request_that_is_refused(name: str, value: object) -> None:
    fields = {name: value} if name != "input" else {name: "secret"}
    lines = [
        command_words.enqueue({"command": "true", **fields}),
        command_words.edit("a", fields),
        command_words.queue("q", fields),
        command_words.queue("q", {"defaults": fields}),
        command_words.for_jobs(["dlq", "retry"], ["a"], fields),
    ]
    assert not [words for words in lines if "secret" in " ".join(words)]


def test_an_edit_restores_a_default_with_an_empty_value() -> None:
    words = command_words.edit("a", {"priority": None, "retry_on": [1, 2]})
    assert words == ["edit", "a", "--set", "priority=", "--set", "retry_on=1,2"]


def test_no_command_line_has_a_sign_that_a_terminal_obeys_or_nobody_sees() -> None:
    assert command_words.quoted(["list", "--grep", "it's"]) == """list --grep 'it'"'"'s'"""
    text = "it's \x1b[201~\x03\nid\\\t\x9b\u202e\U000e0041"
    line = command_words.quoted(["list", "--grep", text])
    assert line.isprintable()
    assert line == r"list --grep $'it\'s \x1b[201~\x03\nid\\\t\u009b\u202e\U000e0041'"
    bash = shutil.which("bash")
    if bash:
        said = subprocess.run([bash, "-c", f"printf %s {line[12:]}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
        assert said.stdout.decode() == text
