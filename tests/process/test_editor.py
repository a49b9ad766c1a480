"""`edit ID` and `config edit`: the user's editor, which a shell script stands for."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.homes import SCRIPT, CommandLine


class Terminal:
    """A command in a terminal, where somebody types these lines."""

    def __init__(self, queuectl: CommandLine, words: list[str], editor: str, typed: str = "") -> None:
        master, slave = pty.openpty()
        os.write(master, typed.encode())
        environ = {**queuectl.environ, "EDITOR": editor, "VISUAL": "", "TERM": "xterm", "TMPDIR": os.path.dirname(queuectl.home)}
        process = subprocess.Popen([sys.executable, SCRIPT, *words], env=environ, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        seen = b""
        try:
            while piece := os.read(master, 65536):
                seen += piece
        except OSError:  # Linux reports EIO after the other side closes
            pass
        os.close(master)
        self.status = process.wait(timeout=20)
        self.seen = seen.decode().replace("\r\n", "\n")


@pytest.fixture
def waiting(queuectl: CommandLine) -> CommandLine:
    queuectl.ok("enqueue", "--id", "a", "--env", "TOKEN=secret1", "--delay", "1h", "--command", "echo one")
    return queuectl


def script(queuectl: CommandLine, text: str) -> str:
    path = os.path.join(os.path.dirname(queuectl.home), "the editor")
    Path(path).write_text(f"#!/bin/sh\n{text}\n")
    os.chmod(path, 0o700)
    return f"'{path}'"


def left_files(queuectl: CommandLine) -> list[str]:
    return [name for name in os.listdir(os.path.dirname(queuectl.home)) if name.startswith("queuectl-")]


def test_edit_changes_what_the_user_changed_and_prints_the_difference(waiting: CommandLine) -> None:
    note = os.path.join(os.path.dirname(waiting.home), "mode")
    editor = script(waiting, f"""stat -c %a "$1" > '{note}' || stat -f %Lp "$1" > '{note}'
sed -i.old 's/"priority": 0/"priority": 7/; s/"timeout": null/"timeout": "1h"/; s/secret1/secret2/' "$1"; rm "$1.old\"""")
    before = waiting.job("a")
    at = Terminal(waiting, ["edit", "a"], editor)
    assert at.status == 0, at.seen
    assert 'priority: 0 -> 7\n' in at.seen and 'timeout: default -> "1h"\n' in at.seen
    assert at.seen.endswith("changed 1 job\n")
    assert "env: changed" in at.seen and "secret" not in at.seen
    job = waiting.job("a")
    assert (job["priority"], job["timeout"], job["env"]) == (7, 3600, {"TOKEN": "secret2"})
    assert job["next_run_at"] == before["next_run_at"] and job["command"] == before["command"]
    assert Path(note).read_text() == "600\n" and not left_files(waiting)


def test_refused_text_is_offered_again_or_stays_in_a_file(waiting: CommandLine) -> None:
    editor = script(waiting, """sed -i.old 's/"priority": [0-9]*/"priority": 1000/; s/echo one/echo two/' "$1"; rm "$1.old\"""")
    at = Terminal(waiting, ["edit", "a"], editor, typed="y\nn\n")
    assert at.status == 2 and at.seen.count("open the editor again? [Y/n]") == 2
    match = re.search(r"nothing was changed, and your text is in (\S+)\n$", at.seen)
    assert match is not None, at.seen
    assert json.loads(Path(match[1]).read_text())["command"] == "echo two"
    assert waiting.job("a")["command"] == "echo one"


def test_a_mistyped_name_of_a_field_is_named(waiting: CommandLine) -> None:
    editor = script(waiting, """sed -i.old 's/"command"/"comand"/' "$1"; rm "$1.old\"""")
    at = Terminal(waiting, ["edit", "a"], editor, typed="n\n")
    assert "unknown field 'comand'; did you mean 'command'?" in at.seen


def test_text_that_is_not_json_can_be_repaired(waiting: CommandLine) -> None:
    editor = script(waiting, """if grep -q broken "$1"; then sed -i.old 's/broken//; s/one/two/' "$1"; rm "$1.old"
else echo broken >> "$1"; fi""")
    at = Terminal(waiting, ["edit", "a"], editor, typed="\n")
    assert at.status == 0 and "not valid JSON" in at.seen, at.seen
    assert waiting.job("a")["command"] == "echo two" and not left_files(waiting)


def test_nothing_changes_without_a_change_and_without_a_working_editor(waiting: CommandLine) -> None:
    at = Terminal(waiting, ["edit", "a"], "true")
    assert at.status == 1 and at.seen == "queuectl: nothing was changed\n" and not left_files(waiting)
    at = Terminal(waiting, ["edit", "a"], "/no/such/editor", typed="n\n")
    assert at.status == 2 and "set VISUAL or EDITOR" in at.seen
    at = Terminal(waiting, ["edit", "none"], "true")
    assert at.status == 1 and "does not exist" in at.seen


def test_edit_without_a_terminal_names_the_options(waiting: CommandLine) -> None:
    assert "--priority 10" in waiting.refused(2, "edit", "a")
    assert "config set KEY VALUE" in waiting.refused(2, "config", "edit")


def test_config_edit_checks_all_values_before_the_first_change(queuectl: CommandLine) -> None:
    queuectl.ok("config", "set", "jitter", "0.5")
    editor = script(queuectl, """sed -i.old 's/"max-retries": 3/"max-retries": 5/; s/"timeout": 0/"timeout": "2h"/; s/"jitter": 0.5/"jitter": null/' "$1"; rm "$1.old\"""")
    at = Terminal(queuectl, ["config", "edit"], editor)
    assert at.status == 0, at.seen
    listed = queuectl.json("config", "list")
    assert (listed["max-retries"], listed["timeout"], listed["jitter"]) == (5, 7200, 0)
    editor = script(queuectl, """sed -i.old 's/"max-retries": 5/"max-retries": 6/; s/"jitter": 0/"jitter": 7/' "$1"; rm "$1.old\"""")
    at = Terminal(queuectl, ["config", "edit"], editor, typed="n\n")
    assert at.status == 2 and "jitter" in at.seen
    assert queuectl.json("config", "list")["max-retries"] == 5
