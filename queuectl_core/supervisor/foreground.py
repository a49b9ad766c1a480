"""Foreground: what a supervisor in the foreground does beside its work: it logs jobs, and ends when none is left.

Knows events and lines. Does not know the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..model.events import Canceled, DeadLettered, Event
from ..model.log_lines import RUN_EVENTS, TEXT, entry_of, line
from ..table.job_table import JobTable
from . import log

DIED, LEFT = 1, 75
"""The exit statuses after `until_empty`: a job died, or jobs are left that nothing will start."""


class Foreground(NamedTuple):
    """How a supervisor in the foreground runs. The defaults are those of the background.

    `log_jobs` logs the start and end of each run, and `log_output` the output. `log_format` is `text` or `json`.
    `until_eof` ends the supervisor when standard input ends, and `until_empty` when no job is left to run.
    `restarts_in_place` is set where a service manager watches the process: `worker restart` keeps the process then.
    """

    until_eof: bool = False
    until_empty: bool = False
    log_jobs: bool = False
    log_output: bool = False
    log_format: str = TEXT
    is_background: bool = False
    restarts_in_place: bool = False

    @property
    def is_service(self) -> bool:
        """Return whether a service manager may have started the supervisor, to run until it is stopped."""
        return not (self.is_background or self.until_eof or self.until_empty)

    @property
    def needs_events(self) -> bool:
        """Return whether somebody must see the events of jobs."""
        return self.log_jobs or self.until_empty


class JobWatch:
    """The events of jobs, as a supervisor in the foreground sees them."""

    def __init__(self, foreground: Foreground, table: JobTable) -> None:
        self._foreground = foreground
        self._table = table
        self.died = 0
        """How many jobs died."""

    def on_events(self, happened: Sequence[Event]) -> None:
        """Log the starts and ends of runs, and count the jobs that died."""
        runs: list[Any] = [event for event in happened if type(event) in RUN_EVENTS]
        self.died += sum(isinstance(event, (DeadLettered, Canceled)) for event in runs)
        if runs and self._foreground.log_jobs:
            entries = (entry_of(event, self._table.get(event.id)) for event in runs)
            log.write([line(entry, self._foreground.log_format) for entry in entries if entry is not None])

    def exit_status(self, left: int, why: str) -> int:
        """Return the exit status when `left` jobs are left, and say both numbers and why the run ends."""
        log.log(f"{why}: {self.died} died, {left} wait")
        return DIED if self.died else LEFT * bool(left)
