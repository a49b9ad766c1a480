"""Progress on a terminal: one line that disappears, also on Ctrl-C, and nothing of it in a pipe."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.homes import DEADLINE_S, SCRIPT, CommandLine

CLEAR = "\r\x1b[K"


class Terminal:
    """A command whose stderr is a terminal, and what it has written there."""

    def __init__(self, queuectl: CommandLine, *words: str, **environ: str) -> None:
        self._master, slave = pty.openpty()
        env = {**queuectl.environ, "TERM": "xterm", **environ}
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT, *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave
        )
        os.close(slave)
        self.seen = ""

    def read(self) -> bool:
        """Read more, and return False at the end."""
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # Linux reports EIO after the other side closes
            piece = b""
        self.seen += piece.decode()
        return bool(piece)

    def until(self, text: str) -> None:
        while text not in self.seen:
            assert self.read(), self.seen

    def end(self) -> tuple[int, str, str]:
        """Return the exit status, stdout, and what was left on the terminal."""
        while self.read():
            pass
        os.close(self._master)
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            out = stdout.read().decode()
        return self.process.wait(DEADLINE_S), out, self.seen.rpartition(CLEAR)[2].replace("\r\n", "\n")


@pytest.fixture
def waiting(queuectl: CommandLine) -> Callable[..., Terminal]:
    """Return a function that starts a wait for a job that never begins, and returns when it shows that."""
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "done", "--command", "true")
    queuectl.ok("enqueue", "--id", "late", "--delay", "1h", "--command", "true")
    queuectl.until_state("done", "completed")

    def start(*words: str, **environ: str) -> Terminal:
        terminal = Terminal(queuectl, "wait", *words, **environ)
        terminal.until("1/2 jobs  50%" if words else "0/1 of all unfinished jobs")
        return terminal

    return start


def test_only_the_summary_is_left(queuectl: CommandLine, waiting: Callable[..., Terminal]) -> None:
    terminal = waiting("done", "late")
    queuectl.ok("cancel", "late")
    status, out, left = terminal.end()
    assert (status, out) == (1, "") and left.startswith("2 jobs: 1 completed, 1 dead; waited "), terminal.seen
    assert left.count("\n") == 1 and "\x1b]" not in terminal.seen


def test_ctrl_c_says_what_continues(waiting: Callable[..., Terminal]) -> None:
    terminal = waiting("done", "late", TERM_PROGRAM="ghostty")
    terminal.process.send_signal(signal.SIGINT)
    text = "\x1b]9;4;0;\x1b\\interrupted; 1 unfinished job continues; the same command waits again\n"
    assert terminal.end() == (130, "", text)
    assert "\x1b]9;4;1;50\x1b\\" in terminal.seen


def test_without_arguments_the_line_says_what_it_waits_for(
    queuectl: CommandLine, waiting: Callable[..., Terminal]
) -> None:
    terminal = waiting()
    queuectl.ok("retry", "late")
    assert terminal.end()[0] == 0


@pytest.mark.parametrize(("words", "environ"), [(["--quiet"], {}), ([], {"TERM": "dumb"}), (["--json"], {})])
def test_no_line_if_it_is_not_wanted(queuectl: CommandLine, words: list[str], environ: dict[str, str]) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "a", "--command", "sleep 0.7")
    terminal = Terminal(queuectl, "wait", "a", *words, **environ)
    assert terminal.end()[0] == 0
    assert "\r\x1b" not in terminal.seen and "1/1" not in terminal.seen
