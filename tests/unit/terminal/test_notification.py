"""Notifications: the sequence that each terminal gets, and the program of the desktop."""

from __future__ import annotations

import pytest

from queuectl_core.terminal import notification
from queuectl_core.terminal.notification import desktop_command, sequence

OSC_777 = "\x1b]777;notify;queuectl, a;b;c\x1b\\"
OSC_9 = "\x1b]9;queuectl; a: b;c\x1b\\"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ""),
        ({"TERM": "xterm-256color"}, ""),
        ({"TERM": "xterm-kitty"}, OSC_777),
        ({"TERM": "rxvt-unicode-256color"}, OSC_777),
        ({"TERM": "foot"}, OSC_777),
        ({"TERM_PROGRAM": "WezTerm"}, OSC_777),
        ({"TERM_PROGRAM": "iTerm.app"}, OSC_9),
        ({"TERM_PROGRAM": "tmux", "LC_TERMINAL": "iTerm2", "TMUX": "x"}, "\x1bPtmux;\x1b\x1b]9;queuectl; a: b;c\x1b\x1b\\\x1b\\"),
        ({"TERM_PROGRAM": "tmux", "KITTY_WINDOW_ID": "1", "TMUX": "x"}, "\x1bPtmux;\x1b\x1b]777;notify;queuectl, a;b;c\x1b\x1b\\\x1b\\"),
        ({"TERM": "xterm-kitty", "STY": "screen"}, ""),
    ],
)
def test_a_known_terminal_gets_its_sequence(environ: dict[str, str], expected: str) -> None:
    assert sequence(environ, "queuectl; a", "b;c") == expected


def test_text_controls_no_terminal() -> None:
    assert notification._plain("a\x1b]0;x\x07\nb\x9b31m\u202e\x00" + 300 * "c")[:12] == "a]0;x b31mcc"
    assert len(notification._plain(300 * "c")) == notification.MOST


def test_the_desktop_gets_the_text_as_an_argument() -> None:
    evil = '-x "$(touch /tmp/x)" <b>&'
    assert desktop_command("linux", {}, "t", evil) == []
    assert desktop_command("linux", {"DISPLAY": ":0"}, "t", evil)[-3:] == ["--", "t", '-x "$(touch /tmp/x)" &lt;b>&amp;']
    script = desktop_command("darwin", {}, "t", evil)
    assert script[0] == "osascript" and script[-2:] == ["t", evil] and evil not in script[:-2]
