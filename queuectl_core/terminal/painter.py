"""Painter: lines of styled text on the whole screen of a terminal, by curses, and the keys that a user presses.

It does not know what it shows.

Invariant: curses sends only what differs from the screen, so that nothing flickers.
"""

from __future__ import annotations

import io
import locale
import os
import sys
from typing import TYPE_CHECKING

from ..errors import InvalidInput

if TYPE_CHECKING:
    import curses
    from collections.abc import Iterator, Sequence

_COLORS = {"pending": 6, "processing": 4, "completed": 2, "failed": 3, "dead": 1, "warn": 3, "marked": 5, "key": 6}
"""The colors of the styles, by their numbers on every terminal."""

_NAMES = {
    **{"\n": "Enter", "\r": "Enter", "\t": "Tab", "\x1b": "Esc", "\x7f": "Backspace", "\b": "Backspace"},
    **{"\x15": "Clear", "\x0c": "Redraw", "\x03": "q"},
}
_KEYS = ("UP", "DOWN", "PPAGE", "NPAGE", "HOME", "END", "ENTER", "BACKSPACE", "F1", "RESIZE", "LEFT", "RIGHT")
_SAID = {"Ppage": "PgUp", "Npage": "PgDn"}
_PLAIN = str.maketrans("─…·▲▼▁▂▃▄▅▆▇█", "-~.^v_.-=+*##")
"""ASCII for what the screen itself has beside the text of jobs, in a locale without UTF-8."""

_ESCAPE_MS = 25
"""How long an escape sequence of a key may take."""


def why_not() -> str:
    """Return why this terminal cannot show a whole screen, or an empty text."""
    if os.environ.get("TERM", "dumb") in ("dumb", ""):
        return "TERM is dumb"
    try:
        import curses

        curses.setupterm(fd=sys.__stdout__.fileno() if sys.__stdout__ else 1)
    except ImportError:
        return "this Python has no curses"
    except Exception:  # curses.error, whose module may be missing
        return f"this system does not know the terminal {os.environ.get('TERM')!r}"
    if not curses.tigetstr("cup"):
        return f"the terminal {os.environ.get('TERM')!r} cannot move its cursor"
    return ""


class Painter:
    """The screen. Use it as a context manager, which gives the terminal back at the end."""

    def __init__(self) -> None:
        import curses

        self._curses = curses
        self._is_ascii = False
        self._styles: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._window: curses.window
        self._stderr = sys.stderr
        self._held = io.StringIO()
        """What others wrote to standard error meanwhile, which would spoil the screen. It appears afterwards."""

    def __enter__(self) -> Painter:
        """Take the screen.

        Raises: InvalidInput.
        """
        curses = self._curses
        locale.setlocale(locale.LC_ALL, "")
        self._is_ascii = "utf" not in locale.nl_langinfo(locale.CODESET).lower()
        try:
            curses.set_escdelay(_ESCAPE_MS)
            self._window = curses.initscr()
        except curses.error as fault:
            raise InvalidInput(what=f"the terminal cannot show a screen: {fault}") from None
        curses.noecho()
        curses.cbreak()
        self._window.keypad(True)
        self._window.nodelay(True)
        self._styles = self._look()
        for name in _KEYS:
            said = name.title()
            self._names[getattr(curses, f"KEY_{name}")] = _SAID.get(said, said)
        self._hide_cursor()
        self._stderr, sys.stderr = sys.stderr, self._held
        return self

    def __exit__(self, *exc: object) -> None:
        sys.stderr = self._stderr
        self._window.keypad(False)
        self._curses.echo()
        self._curses.nocbreak()
        self._curses.endwin()
        self._stderr.write(self._held.getvalue())

    def _look(self) -> dict[str, int]:
        """Return the attributes of each style; without colors, they are bold, dim and reverse."""
        curses = self._curses
        look = {"head": curses.A_BOLD, "dim": curses.A_DIM, "chosen": curses.A_REVERSE, "marked": curses.A_BOLD}
        look.update({"warn": curses.A_BOLD, "key": curses.A_BOLD, "dead": curses.A_BOLD})
        if os.environ.get("NO_COLOR"):
            return look
        try:
            curses.start_color()
            curses.use_default_colors()
            for number, (style, color) in enumerate(_COLORS.items(), 1):
                curses.init_pair(number, color, -1)
                look[style] = curses.color_pair(number)
        except curses.error:  # a terminal without colors
            pass
        return look

    def _hide_cursor(self) -> None:
        try:
            self._curses.curs_set(0)
        except self._curses.error:
            pass

    @property
    def size(self) -> tuple[int, int]:
        """Return the columns and the rows of the screen."""
        rows, columns = self._window.getmaxyx()
        return columns, rows

    def resize(self) -> None:
        """Take the size that the terminal has now. curses itself learns it only with the next key."""
        columns, rows = os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1)
        self._curses.resizeterm(max(1, rows), max(1, columns))
        self._window.clear()

    def redraw(self) -> None:
        """Send the whole screen with the next paint, because something else wrote to the terminal."""
        self._window.clear()

    def paint(self, lines: Sequence[Sequence[tuple[str, str]]]) -> None:
        """Show these lines; their text must be safe and fit."""
        self._window.erase()
        for row, line in enumerate(lines[: self.size[1]]):
            self._paint_line(row, line)
        self._window.refresh()

    def _paint_line(self, row: int, line: Sequence[tuple[str, str]]) -> None:
        try:
            self._window.move(row, 0)
            for text, style in line:
                if self._is_ascii:
                    text = text.translate(_PLAIN).encode("ascii", "replace").decode()
                self._window.addstr(text, self._styles.get(style, 0))
        except self._curses.error:  # the last cell is painted, and the cursor has no place behind it
            pass

    def keys(self) -> Iterator[str]:
        """Yield the keys that were pressed, by name or as the character."""
        while True:
            try:
                key = self._window.get_wch()
            except self._curses.error:  # no other key
                return
            if isinstance(key, int):
                yield self._names.get(key, "")
            else:
                yield _NAMES.get(key, key if key.isprintable() else "")

    def leave(self) -> None:
        """Give the terminal to another program until `back`."""
        sys.stderr = self._stderr
        self._curses.endwin()

    def back(self) -> None:
        """Take the terminal again."""
        sys.stderr = self._held
        self._curses.flushinp()
        self._window.clear()
        self._hide_cursor()
