"""`--notify`: a person hears of the end, by the terminal, by the desktop, or by the bell."""

from __future__ import annotations

import os
import sys

import pytest

from tests.homes import CommandLine
from tests.process.test_progress import Terminal

EVIL = 'printf "%s" "$(true)"; exit 3 # \x1b]0;x\x07 <b>'


@pytest.fixture
def ready(queuectl: CommandLine) -> CommandLine:
    for name in ("TERM_PROGRAM", "LC_TERMINAL", "TMUX", "STY", "DISPLAY", "WAYLAND_DISPLAY", "WEZTERM_PANE", "KITTY_WINDOW_ID"):
        queuectl.environ.pop(name, None)
    queuectl.ok("worker", "start")
    return queuectl


def test_the_bell_rings_where_nothing_shows_text(ready: CommandLine) -> None:
    if sys.platform == "darwin":
        ready.environ["PATH"] = "/nowhere"
    terminal = Terminal(ready, "run", "--notify", "--", "true")
    assert terminal.end()[0] == 0 and terminal.seen.count("\a") == 1
    terminal = Terminal(ready, "run", "--", "true")
    assert terminal.end()[0] == 0 and "\a" not in terminal.seen


def test_a_terminal_that_shows_notifications_gets_one(ready: CommandLine) -> None:
    terminal = Terminal(ready, "run", "--id", "a", "--max-retries", "0", "--notify", "--", EVIL, TERM_PROGRAM="WezTerm")
    assert terminal.end()[0] == 3
    assert '\x1b]777;notify;queuectl: job a dead;printf "%s" "$(true)"; exit 3 # ]0;x <b>, exit code 3\x1b\\' in terminal.seen
    assert terminal.seen.startswith("\x1b]9;4;3;\x1b\\") and "\x1b]9;4;0;\x1b\\" in terminal.seen
    ready.ok("enqueue", "--id", "b", "--", "sleep 0.1")
    terminal = Terminal(ready, "wait", "--notify", "--quiet", "a", "b", TERM_PROGRAM="iTerm.app", TMUX="/tmp/x")
    assert terminal.end()[0] == 1
    assert "\x1bPtmux;\x1b\x1b]9;queuectl: the wait is over: 2 jobs: 1 completed, 1 dead; waited " in terminal.seen
    assert terminal.seen.endswith("\x1b\\\a")


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has osascript")
def test_the_desktop_is_told_without_a_terminal(ready: CommandLine) -> None:
    folder = os.path.dirname(ready.home)
    with open(os.path.join(folder, "notify-send"), "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done > {folder}/told\n')
    os.chmod(file.name, 0o755)
    ready.environ.update(PATH=f"{folder}:{os.environ['PATH']}", DISPLAY=":0")
    answer = ready("wait", "--id", "x*", "--allow-empty", "--notify")
    assert answer.status == 0
    with open(os.path.join(folder, "told"), encoding="utf-8") as file:
        assert file.read() == "--app-name=queuectl\n--\nqueuectl: the wait is over\n0 jobs\n"
    answer = ready("run", "--id", "a", "--max-retries", "0", "--notify", "--", EVIL)
    assert answer.status == 3 and "\a" not in answer.out + answer.err
    with open(os.path.join(folder, "told"), encoding="utf-8") as file:
        assert file.read() == '--app-name=queuectl\n--\nqueuectl: job a dead\nprintf "%s" "$(true)"; exit 3 # ]0;x &lt;b>, exit code 3\n'


def test_a_wait_that_times_out_tells(ready: CommandLine) -> None:
    ready.ok("enqueue", "--id", "late", "--delay", "1h", "--", "true")
    terminal = Terminal(ready, "wait", "--quiet", "--notify", "--timeout", "0.1", "late", TERM="foot")
    assert terminal.end()[0] == 124
    assert "\x1b]777;notify;queuectl: the wait has timed out;0 jobs" in terminal.seen
