"""Notification: a word to a person who does something else meanwhile, by the terminal or by the desktop.

It does not know what has ended.
Invariant: no byte of the text controls a terminal, and no shell reads it.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Mapping

MOST = 200
"""The most characters of a notification."""

DESKTOP_WITHIN_S = 5.0
"""The longest time in seconds to wait for the program of the desktop."""

_BY_OSC_777 = {"TERM_PROGRAM": ("WezTerm", "ghostty"), "TERM": ("foot", "foot-extra", "xterm-kitty", "xterm-ghostty")}
"""Terminals that show OSC 777 as a notification; the family of rxvt does so too."""

_SCRIPT = ("on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run")


def notify(title: str, text: str) -> None:
    """Tell a person at the terminal of stderr, or else at the desktop. Ring the bell if neither shows text."""
    title, text = _plain(title), _plain(text)
    is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    shown = sequence(os.environ, title, text) if is_terminal else ""
    is_shown = bool(shown) or _is_shown_by(desktop_command(sys.platform, os.environ, title, text))
    if is_terminal and (not is_shown or os.environ.get("TMUX")):
        shown += "\a"
    try:
        sys.stderr.write(shown)
        sys.stderr.flush()
    except OSError:  # the terminal is gone, which changes no result
        pass


def sequence(environ: Mapping[str, str], title: str, text: str) -> str:
    """Return what makes the terminal show a notification, or an empty text if it is not known to do so.

    tmux passes a wrapped sequence on, if its option allow-passthrough is on; then the outer terminal counts.
    """
    if environ.get("STY"):
        return ""
    term = environ.get("TERM", "")
    is_777 = any(environ.get(name) in known for name, known in _BY_OSC_777.items()) or term.startswith("rxvt")
    is_outer_777 = any(map(environ.get, ("WEZTERM_PANE", "GHOSTTY_RESOURCES_DIR", "KITTY_WINDOW_ID")))
    shown = ""
    if is_777 or is_outer_777:
        shown = f"\x1b]777;notify;{title.replace(';', ',')};{text}\x1b\\"
    elif "iTerm" in environ.get("TERM_PROGRAM", "") + environ.get("LC_TERMINAL", ""):
        shown = f"\x1b]9;{title}: {text}\x1b\\"
    if shown and environ.get("TMUX"):
        shown = "\x1bPtmux;" + shown.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return shown


def desktop_command(platform: str, environ: Mapping[str, str], title: str, text: str) -> list[str]:
    """Return the program that shows a notification on the desktop, and its arguments, or nothing without a desktop."""
    if platform == "darwin":
        return ["osascript", *(word for line in _SCRIPT for word in ("-e", line)), title, text]
    if not (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")):
        return []
    markup = text.replace("&", "&amp;").replace("<", "&lt;")  # the text may have markup, the title may not
    return ["notify-send", "--app-name=queuectl", "--", title, markup]


def _is_shown_by(command: list[str]) -> bool:
    """Run a program of the desktop, and return whether it has shown the notification."""
    if not command:
        return False
    import subprocess

    null = subprocess.DEVNULL
    try:
        done = subprocess.run(command, stdin=null, stdout=null, stderr=null, timeout=DESKTOP_WITHIN_S, check=False)
        return done.returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _plain(text: str) -> str:
    """Return the text without anything that is not printed."""
    return "".join(filter(str.isprintable, text.replace("\n", " ")))[:MOST]
