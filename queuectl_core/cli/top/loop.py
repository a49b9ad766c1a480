"""Loop: waits for a key, for news from the home, or for the next change of a clock on the screen, and paints.

It knows when to read and to paint, and not what.

Invariant: while nothing happens and no clock on the screen runs, it sleeps without an end.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from typing import TYPE_CHECKING

from ...api import Queue
from ...errors import InvalidInput, QueueError
from ...news import News
from ...system.clock import now_ms
from ...system.descriptors import signal_reader
from ...view import overview
from ...view.top.frame import changes_in_ms, frame, layout
from ...view.top.state import OUTPUT
from .listing import FIRST_JOBS, SORTED_JOBS, Listing
from .output import Output
from .session import Session

if TYPE_CHECKING:
    from ...model.records import JobRecord
    from ...terminal.painter import Painter

READ_EVERY_S = 0.5
"""The shortest time between two readings of the home, however much happens."""

SHARE, MOST_PAUSE_S = 20, 10.0
"""A reading that took long is followed by a pause of so many times that length, so that no job waits for it.

The pause has at most so many seconds, and a key that needs a reading ends it.
"""

FOLLOW_EVERY_S = 0.25
WATCH_OUTPUT_S = 1.0
"""How often the size of a running job's output is read, while somebody follows it, and otherwise."""

_MOST_EMPTY = 20
"""How often standard input may be readable without a key before the terminal counts as gone."""


class Loop:
    """One `top` on a terminal."""

    def __init__(self, queue: Queue, session: Session, painter: Painter) -> None:
        self._queue = queue
        self._session = session
        self._painter = painter
        self._news: News = queue.news()
        self._output = Output(queue)
        self._listing: Listing | None = None
        self._begun_s = self._read_from_s = self._look_from_s = 0.0
        self._signals = signal_reader((signal.SIGWINCH, signal.SIGTERM, signal.SIGHUP, signal.SIGCONT))
        self._empty = 0

    def run(self) -> None:
        """Show the home until the user quits."""
        try:
            while not self._session.is_over:
                self._step()
                self._wait()
        finally:
            self._news.close()

    def _step(self) -> None:
        """Do what is due, and paint."""
        session, top = self._session, self._session.top
        self._read()
        top.now_ms = now_ms()
        if session.task is not None:
            session.work()
        if session.editing is not None:
            self._edit(session.editing)
        show_output(self._output, session)
        self._paint()
        self._queue.say_if_slow(self._say_slow)

    def _say_slow(self, text: str) -> None:
        """Say why nothing happens, from within the request that takes long."""
        self._session.top.say(text, is_refusal=True)
        self._paint()

    def _paint(self) -> None:
        session, top = self._session, self._session.top
        columns, rows = self._painter.size
        parts = layout(top, columns, rows)
        session.rows, session.pane_rows, session.columns = parts.jobs, parts.pane, columns
        top.keep_in_sight(parts.jobs)
        self._painter.paint(frame(top, columns, rows))

    def _read(self) -> None:
        """Read the home if it is time to, or the next page of its jobs."""
        session = self._session
        if session.is_urgent:
            session.is_urgent, self._read_from_s, self._listing = False, 0.0, None
        if self._listing is None:
            if not session.is_stale or time.monotonic() < self._read_from_s:
                return
            self._begun_s = time.monotonic()
            read(self._queue, session)
            self._listing = None if session.is_stale else self._new_listing()
        if self._listing is not None:
            self._list(self._listing)
        now_s = time.monotonic()
        self._read_from_s = now_s + min(MOST_PAUSE_S, max(READ_EVERY_S, SHARE * (now_s - self._begun_s)))

    def _new_listing(self) -> Listing | None:
        top = self._session.top
        seen = top.cursor + 2 * self._session.rows
        wanted = max(SORTED_JOBS if top.sort else 0, FIRST_JOBS * (1 + seen // FIRST_JOBS))
        try:
            return Listing(self._queue, self._session.chosen_filter, wanted, top.is_failed_first)
        except QueueError as refusal:
            top.problem = str(refusal)
            return None

    def _list(self, listing: Listing) -> None:
        """Read the next page of the list. The screen shows the new list when it is whole, or has more than the old."""
        top = self._session.top
        try:
            listing.step()
        except QueueError as refusal:
            top.problem = str(refusal)
            self._listing, top.is_searching = None, False
            return
        top.is_searching = not listing.is_over
        if listing.is_over or top.is_searching and len(listing.jobs) > len(top.listed):
            top.has_more = listing.has_more
            top.take_jobs(listing.jobs)
        if listing.is_over:
            self._listing = None

    # Waiting

    def _wait(self) -> None:
        """Wait for what comes first. It asks for no news while the home is read anyway: news costs the supervisor."""
        is_stale = self._session.is_stale
        if not is_stale:
            self._news.ask()
        news = None if is_stale else self._news.fileno()
        descriptors = [0, self._signals, *([news] if news is not None else [])]
        readable = select.select(descriptors, [], [], self._within_s())[0]
        if self._signals in readable:
            self._take_signals()
        if 0 in readable:
            self._take_keys()
        has_news = news in readable if news is not None else not is_stale and self._is_time_to_look()
        if has_news and self._news.has_come():
            self._session.is_stale = True

    def _is_time_to_look(self) -> bool:
        """Return whether to look for news that nobody says."""
        if time.monotonic() < self._look_from_s:
            return False
        self._look_from_s = time.monotonic() + (self._news.look_within_s() or 0.0)
        return True

    def _within_s(self) -> float | None:
        """Return how many seconds to wait at most, or None without an end."""
        session, top = self._session, self._session.top
        if session.is_over or self._listing is not None or session.task is not None:
            return 0.0
        ends = []
        now_s = time.monotonic()
        if session.is_stale:
            ends.append(max(0.0, self._read_from_s - now_s))
        elif self._news.fileno() is None:
            ends.append(max(0.0, self._look_from_s - now_s))
        columns, rows = self._painter.size
        change_ms = changes_in_ms(top, columns, rows)
        if change_ms is not None:
            ends.append(change_ms / 1000)
        if top.pane.kind == OUTPUT and not top.has_help and _runs(top.chosen()):
            ends.append(FOLLOW_EVERY_S if top.is_following else WATCH_OUTPUT_S)
        return min(ends, default=None)

    def _take_signals(self) -> None:
        numbers = os.read(self._signals, 4096)
        if signal.SIGTERM in numbers or signal.SIGHUP in numbers:
            self._session.is_over = True
        if signal.SIGWINCH in numbers or signal.SIGCONT in numbers:
            self._painter.resize()

    def _take_keys(self) -> None:
        keys = list(self._painter.keys())
        self._empty = 0 if keys else self._empty + 1
        if self._empty > _MOST_EMPTY:  # the terminal is gone
            self._session.is_over = True
        for key in keys:
            if key in ("Redraw", "Resize"):
                self._painter.redraw()
            else:
                self._session.press(key)
        top = self._session.top
        if top.has_more and top.cursor >= len(top.jobs) - self._session.rows:
            self._session.read_again()

    def _edit(self, id: str) -> None:
        """Let the user edit a job in an editor, which gets the terminal."""
        from .editing import edit_job

        session = self._session
        session.editing = None
        self._painter.leave()
        try:
            session.top.say(edit_job(self._queue, id))
            session.read_again()
        except QueueError as refusal:
            session.top.say(str(refusal), is_refusal=True)
        finally:
            self._painter.back()


def read(queue: Queue, session: Session) -> None:
    """Read what happens in the home now, or say why that is impossible."""
    top = session.top
    try:
        session.record = queue.overview()
        top.take_view(overview.of(session.record, queue.home.path), now_ms())
        session.is_stale = False
    except InvalidInput:  # the jobs can be read all the same
        top.problem, session.is_stale = "the supervisor is of another version; run `queuectl worker restart`", False
    except QueueError as refusal:
        top.problem = str(refusal)


def show_output(output: Output, session: Session) -> None:
    """Show the end of the output of the job under the cursor, if the pane shows output."""
    top, pane = session.top, session.top.pane
    job = top.chosen()
    if pane.kind != OUTPUT or top.has_help:
        return
    if job is None:
        pane.title, pane.lines, pane.note, pane.said = "output", [], "", ""
        return output.forget()
    if not pane.title:
        output.forget()
    try:
        shown = output.read(job, bool(pane.words))
    except (QueueError, OSError) as fault:
        pane.lines, pane.said = [], str(fault)
        return
    if shown is not None:
        if shown.title != pane.title:
            pane.first, pane.is_at_end = 0, True
        pane.title, pane.lines, pane.note, pane.said = shown


def _runs(job: JobRecord | None) -> bool:
    return job is not None and job["state"] == "processing"


def can_show() -> bool:
    """Return whether somebody can see a screen and press keys."""
    return sys.stdin.isatty() and sys.stdout.isatty()
