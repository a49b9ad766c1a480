"""Progress: one line of a terminal, which shows how far a task is and disappears at the end.

It does not know what it counts (`progress_line` makes the text), or how it appears (`status_line`).
"""

from __future__ import annotations

import os
import sys
import time

from .status_line import StatusLine

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..waiting import Report, Watch
    from .progress_line import Pace, Standing

SHOW_EVERY_S = 0.25
"""The shortest time in seconds between two lines."""

FIRST_AFTER_S = 0.2
"""How many seconds a task runs before the first line. A shorter task shows none."""

FIRST_WEZTERM = "2025"
"""The first version of WezTerm, which is a date, that shows progress."""


class Progress:
    """The progress of one task. Use it as a context manager, which removes the line at the end."""

    def __init__(self, what: str, total: int | None = None, quiet: bool = False) -> None:
        """Prepare to show `what` behind the count. `quiet` shows nothing."""
        self._what = what
        self.total = total
        self._line = StatusLine(quiet)
        self._tells_window = self.is_live and has_window_progress(os.environ)
        self._pace: Pace | None = None
        self._counts = 0, 0
        self.begun_s = time.monotonic()
        self._next_s = self.begun_s + FIRST_AFTER_S

    @property
    def is_live(self) -> bool:
        """Return whether `show` can show something."""
        return self._line.is_live

    def show(self, done: int, failed: int = 0) -> None:
        """Show the counts, at most once in `SHOW_EVERY_S`."""
        if not self.is_live:
            return
        now_s = time.monotonic()
        if self._pace is None:
            from .progress_line import Pace

            self._pace = Pace(done, now_s)
        self._counts = done, failed
        if now_s >= self._next_s:
            self._next_s = now_s + SHOW_EVERY_S
            self._pace.note(done, now_s)
            self._paint(self._pace)

    def tick(self) -> None:
        """Show the last counts again: the time left has changed."""
        if self._pace is not None:
            self.show(*self._counts)

    def spent_s(self) -> float:
        """Return how many seconds ago the task began."""
        return time.monotonic() - self.begun_s

    def _paint(self, pace: Pace) -> None:
        from .progress_line import Standing, line

        standing = Standing(self._counts[0], self.total, self._counts[1], pace.per_second())
        window = _window_progress(standing) if self._tells_window else ""
        self._line.show(line(self._what, standing, self._line.columns()), window)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        self._line.clear("\x1b]9;4;0;\x1b\\" if self._tells_window else "")


class BusyWindow:
    """The window of a terminal that shows that something runs, while a task prints its own output."""

    def __init__(self, quiet: bool) -> None:
        """Prepare to show it. `quiet` shows nothing."""
        self._is_known = not quiet and sys.stderr.isatty() and has_window_progress(os.environ)

    def __enter__(self) -> None:
        self._write("\x1b]9;4;3;\x1b\\")

    def __exit__(self, *exc: object) -> None:
        self._write("\x1b]9;4;0;\x1b\\")

    def _write(self, text: str) -> None:
        try:
            if self._is_known:
                sys.stderr.write(text)
                sys.stderr.flush()
        except OSError:  # the terminal is gone, which changes no result
            pass


def watch_of(progress: Progress, until: str = "all") -> Watch:
    """Return the watch of a wait that shows how many jobs have ended, and how many of them did not complete."""
    from ..waiting import Watch

    def show(report: Report) -> None:
        progress.total = report.total
        done = sum(report.ended.values())
        progress.show(done, done - report.ended.get("completed", 0))

    return Watch(until, show if progress.is_live else None)


def has_window_progress(environ: Mapping[str, str]) -> bool:
    """Return whether the terminal is known to show progress in its window (OSC 9;4).

    Other terminals print such a sequence, or take it for a notification. Multiplexers do not pass it on.
    """
    if environ.get("TMUX") or environ.get("STY"):
        return False
    name = environ.get("TERM_PROGRAM")
    if name == "WezTerm" and environ.get("TERM_PROGRAM_VERSION", FIRST_WEZTERM) < FIRST_WEZTERM:
        return False  # it would show each step as a notification
    is_iterm = name == "iTerm.app" and "P" in environ.get("TERM_FEATURES", "")
    is_windows = bool(environ.get("WT_SESSION")) or environ.get("ConEmuANSI") == "ON"
    return name in ("WezTerm", "ghostty") or is_iterm or is_windows


def _window_progress(standing: Standing) -> str:
    """Return the sequence for a share, in the color of an error if something failed."""
    percent = standing.percent()
    if percent is None:
        return "\x1b]9;4;3;\x1b\\"
    return f"\x1b]9;4;{2 if standing.failed else 1};{percent}\x1b\\"
