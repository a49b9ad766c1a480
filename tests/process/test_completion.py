"""Completion: what real shells insert when a person presses Tab, and what `completion install` writes."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from queuectl_core.cli.shell import completion_scripts
from tests.homes import SCRIPT, CommandLine, until


@pytest.fixture
def home(queuectl: CommandLine) -> Iterator[CommandLine]:
    """Yield a home with some jobs, and a `queuectl` on PATH."""
    folder = os.path.dirname(queuectl.home)
    bin = os.path.join(folder, "bin")
    os.mkdir(bin)
    with open(os.path.join(bin, "queuectl"), "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec "{sys.executable}" "{SCRIPT}" "$@"\n')
    os.chmod(file.name, 0o755)
    queuectl.environ.update(PATH=f"{bin}:{os.environ['PATH']}", HOME=folder, TERM="xterm")
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        queuectl.environ.pop(name, None)
    queuectl.keep_bytecode()
    queuectl.ok("enqueue", "--id", "team:report", "--queue", "mail", "--", "true")
    queuectl.ok("enqueue", "--id", "other", "--", "true")
    yield queuectl


class Shell:
    """An interactive shell on a terminal."""

    def __init__(self, queuectl: CommandLine, words: list[str]) -> None:
        self._seen = b""
        pid, self._master = pty.fork()
        if pid == 0:
            os.execvpe(words[0], words, queuectl.environ)
        self._pid = pid

    def seen(self) -> str:
        """Return what the shell has printed, without the sequences that control a terminal."""
        while select.select([self._master], [], [], 0.05)[0]:
            try:
                piece = os.read(self._master, 65536)
            except OSError:
                break
            self._seen += piece
        return re.sub(r"\x1b\][^\x07]*\x07|\x1b[\[(=>?][0-9;?]*[A-Za-z]?|\x08|\r", "", self._seen.decode("utf-8", "replace"))

    def send(self, text: str) -> None:
        os.write(self._master, text.encode())

    def run(self, line: str) -> None:
        """Run a line, and wait until it has ended."""
        mark = f"done{time.monotonic_ns()}"
        self.send(f"{line or ' '}; printf '%s%s\\n' {mark} end\n")
        until(lambda: f"{mark}end" in self.seen(), lambda: f"{line}: {self.seen()}")

    def complete(self, line: str, wanted: str, then: str = "\x15") -> None:
        """Type a line, and press Tab until the shell shows what is wanted. A busy machine may need a second press."""
        self.send(f"\x15{line}")
        next_s = 0.0

        def look() -> bool:
            nonlocal next_s
            if time.monotonic() >= next_s:
                self.send("\t")
                next_s = time.monotonic() + 2
            return wanted in self.seen()

        until(look, lambda: f"{wanted}: {self.seen()}")
        self.send(then)

    def end(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._master)


SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ["bind 'set bell-style none'"]),
    "zsh": (["zsh", "-f", "-i"], ["PROMPT_SP=", "autoload -U compinit", "compinit -u -D"]),
}
needs = {name: pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed") for name in completion_scripts.SHELLS}


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs[name]) for name in SHELLS])
def test_tab_completes_in_a_real_shell(home: CommandLine, name: str) -> None:
    words, setup = SHELLS[name]
    shell = Shell(home, words)
    try:
        for line in setup:
            shell.run(line)
        shell.run(f"eval \"$(queuectl completion {name})\"")
        shell.complete("queuectl sched", "queuectl schedule")
        shell.complete("queuectl config get max-ret", "max-retries")
        shell.complete("queuectl show team:", "show team:report")
        shell.complete("queuectl list --queue=ma", "--queue=mail")
        shell.complete("queuectl why o", "why other")
        shell.complete(f"queuectl backup {os.path.dirname(home.home)}/bi", "/bin")
    finally:
        shell.end()


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs[name]) for name in SHELLS])
def test_an_alias_of_a_copied_folder_is_completed(home: CommandLine, name: str) -> None:
    home.environ["PATH"] = os.environ["PATH"]
    words, setup = SHELLS[name]
    shell = Shell(home, words)
    try:
        for line in (*setup, f"alias queuectl='{sys.executable} {SCRIPT}'"):
            shell.run(line)
        shell.run(f'eval "$(queuectl completion {name})"')
        shell.complete("queuectl sched", "queuectl schedule")
        shell.complete("queuectl show team:", "show team:report")
    finally:
        shell.end()


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs[name]) for name in SHELLS])
def test_a_completed_value_is_text_for_the_shell(home: CommandLine, name: str) -> None:
    folder = os.path.dirname(home.home)
    home.ok("enqueue", "--tag", f"k=$(touch {folder}/bad);`touch {folder}/bad` %F", "--", "echo", f"\x1b[2J$(touch {folder}/bad)%n")
    words, setup = SHELLS[name]
    shell = Shell(home, words)
    try:
        for line in (*setup, f'eval "$(queuectl completion {name})"'):
            shell.run(line)
        shell.complete("queuectl show 1", "show 1")
        shell.complete("queuectl list --format found:{id} --tag k", "touch", then="")
        shell.run("")
        assert "found:1" in shell.seen() and not os.path.exists(f"{folder}/bad")
    finally:
        shell.end()


@needs["fish"]
def test_fish_completes_with_descriptions(home: CommandLine) -> None:
    def offered(line: str) -> str:
        code = f"queuectl completion fish | source; complete -C '{line}'"
        done = subprocess.run(["fish", "--no-config", "-c", code], env=home.environ, capture_output=True, text=True, check=True)
        return done.stdout

    schedule = "schedule\tadd, list or pause recurring jobs\n"
    assert schedule in offered("queuectl sched")
    home.environ["PATH"] = home.environ["PATH"].replace(os.path.dirname(home.home) + "/bin", "/nowhere")
    code = f"{sys.executable} {SCRIPT} completion fish | source; complete -C 'queuectl sched'"
    words = ["fish", "--no-config", "-c", code]
    assert schedule in subprocess.run(words, env=home.environ, capture_output=True, text=True, check=True).stdout
    home.environ["PATH"] = home.environ["PATH"].replace("/nowhere", os.path.dirname(home.home) + "/bin")
    until(lambda: offered("queuectl show team:") == "team:report\tpending: true\n", lambda: offered("queuectl show team:"))
    until(lambda: "--queue=mail\t" in offered("queuectl list --queue="), lambda: offered("queuectl list --queue="))
    assert "/bin/" in offered(f"queuectl backup {os.path.dirname(home.home)}/bi")


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs[name]) for name in completion_scripts.SHELLS])
def test_the_scripts_have_no_syntax_error(tmp_path: object, name: str) -> None:
    path = os.path.join(str(tmp_path), name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(completion_scripts.script(name, ["/a b/python3", "it's"]))
    assert subprocess.run([name, "-n", path], capture_output=True, text=True, check=False).stderr == ""


def test_install_writes_where_the_shells_look(home: CommandLine) -> None:
    answer = home("completion", "install")
    assert answer.status == 0, answer
    share = os.path.join(os.path.dirname(home.home), ".local", "share")
    for path, text in (
        ("bash-completion/completions/queuectl", home.ok("completion", "bash")),
        ("zsh/site-functions/_queuectl", home.ok("completion", "zsh")),
        ("../../.config/fish/completions/queuectl.fish", home.ok("completion", "fish")),
    ):
        with open(os.path.join(share, path), encoding="utf-8") as file:
            assert file.read() == text
    assert f"fpath=({share}/zsh/site-functions $fpath)" in answer.err
    assert home.ok("completion", "install") == answer.out, "it can run again"


def test_a_completion_starts_creates_and_locks_nothing(home: CommandLine) -> None:
    new = os.path.join(os.path.dirname(home.home), "new")
    assert home.ok("__complete", "--", "--home", new, "show", "") == ""
    assert not os.path.exists(new)
    before = {name: os.stat(os.path.join(home.home, name)).st_mtime_ns for name in os.listdir(home.home)}
    until(lambda: "team:report" in home.ok("__complete", "--", "show", ""), lambda: "the values of the files")
    assert {name: os.stat(os.path.join(home.home, name)).st_mtime_ns for name in os.listdir(home.home)} == before
    assert home.json("status")["supervisor"] is None


def test_a_silent_supervisor_delays_no_prompt(home: CommandLine) -> None:
    home.ok("worker", "start")
    until(lambda: "team:report" in home.ok("__complete", "--", "show", ""), lambda: "the values of the supervisor")
    pid = home.supervisor_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = home("__complete", "--", "show", "")
        assert (answer.status, answer.out, answer.err) == (0, "", "")
        assert "worker\t" in home.ok("__complete", "--", "wor")
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_damaged_home_has_no_values(home: CommandLine) -> None:
    segment = sorted(os.listdir(os.path.join(home.home, "journal")))[0]
    with open(os.path.join(home.home, "journal", segment), "r+b") as file:
        file.write(b"damage")
    answer = home("__complete", "--", "show", "")
    assert (answer.status, answer.out, answer.err) == (0, "", "")
