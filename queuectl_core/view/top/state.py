"""State: what `top` shows now, and how the keys that only move around change it.

Pure. Knows no key, no terminal, and no home: a caller puts in what it has read, and takes out what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...model.states import COMPLETED, DEAD, FAILED, PENDING, PROCESSING
from ...timestamps import from_utc

if TYPE_CHECKING:
    from ...model.records import JobRecord
    from ..overview import View

JOBS, PANE = "jobs", "pane"
"""The parts of the screen that the arrows move in."""

OUTPUT, DETAILS, TEXT = "output", "details", "text"
"""What the pane below the jobs shows."""

SORTS = ("", "id", "state", "queue", "attempts", "time", "command")
"""The columns to sort by. The first stands for the order of `list`."""

_FAILED_FIRST = {DEAD: 0, FAILED: 1, PROCESSING: 2, PENDING: 3, COMPLETED: 4}


class Prompt(NamedTuple):
    """A line that the user types. `name` says what it is for."""

    name: str
    label: str
    text: str = ""
    hint: str = ""


class Question(NamedTuple):
    """A question before a change. `answers` has the keys that it takes, with what they mean."""

    title: str
    lines: Sequence[str]
    command: str
    answers: Sequence[tuple[str, str]] = (("y", "yes"), ("n", "no"))


class Pane:
    """The part of the screen below the jobs."""

    def __init__(self) -> None:
        self.kind = OUTPUT
        self.title = ""
        self.lines: list[str] = []
        """The lines, which can have any character."""
        self.note = ""
        """What else to say about the output, like how much of it is not shown."""
        self.said = ""
        """What to show if there are no lines."""
        self.words = ""
        """Only lines with this text are shown."""
        self.first = 0
        """The first line that is shown, if the pane does not stick to its end."""
        self.is_at_end = True
        self.is_large = False

    def matching(self) -> list[str]:
        """Return the lines that match the filter of the output."""
        if not self.words or self.kind != OUTPUT:
            return self.lines
        return [line for line in self.lines if self.words.lower() in line.lower()]

    def show(self, kind: str, title: str, lines: Sequence[str]) -> None:
        """Show something else, from its beginning; output from its end."""
        self.kind, self.title, self.lines, self.note = kind, title, list(lines), ""
        self.said = ""
        self.first, self.is_at_end = 0, kind == OUTPUT

    def scroll(self, by: int, rows: int) -> None:
        """Move by lines in a pane with so many rows. At the end, it sticks to the end again."""
        last = max(0, len(self.matching()) - rows)
        first = last if self.is_at_end else min(self.first, last)
        self.first = min(last, max(0, first + by))
        self.is_at_end = self.first == last and (self.kind == OUTPUT or not last)

    def shown(self, rows: int) -> list[str]:
        """Return the lines that fit."""
        lines = self.matching()
        if not lines:
            return [self.said if not self.lines else "no line has this text"]
        first = max(0, len(lines) - rows) if self.is_at_end else min(self.first, max(0, len(lines) - 1))
        return lines[first : first + rows]


class Top:
    """Everything that the screen depends on, apart from its size."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.now_ms = 0
        self.view: View | None = None
        self.view_ms = 0
        """When the view was taken."""
        self.problem = ""
        """Why the screen shows nothing newer."""
        self.listed: list[JobRecord] = []
        """The jobs in the order of `list`, as far as they are read."""
        self.is_searching = False
        self.has_more = False
        self.filter: Sequence[str] = ()
        """The words of the filter, as on the command line."""
        self.is_failed_first = False
        self.sort = ""
        self.is_reverse = False
        self.jobs: list[JobRecord] = []
        """The jobs in the order of the screen."""
        self.cursor = 0
        self.is_held = False
        """Whether the cursor stays on its job when the list changes, because the user has moved it there."""
        self.first = 0
        """The first job that is shown."""
        self.marks: dict[str, None] = {}
        self.marks_all = False
        """Whether all jobs that match are marked, also those that are not read."""
        self.focus = JOBS
        self.pane = Pane()
        self.is_following = False
        self.prompt: Prompt | None = None
        self.question: Question | None = None
        self.message = ""
        self.is_refusal = False
        self.has_help = False

    # What is read

    def take_view(self, view: View, now_ms: int) -> None:
        """Show another view of the home."""
        self.view, self.view_ms, self.now_ms, self.problem = view, now_ms, now_ms, ""

    def take_jobs(self, jobs: Sequence[JobRecord]) -> None:
        """Show these jobs. A held cursor stays on its job, or on its place if the job is gone."""
        chosen = self.chosen()
        self.listed = list(jobs)
        self._arrange(chosen["id"] if chosen is not None and self.is_held else None)
        known = {job["id"] for job in jobs}
        if not self.is_searching and not self.has_more:
            self.marks = {id: None for id in self.marks if id in known}

    def _arrange(self, id: str | None) -> None:
        """Sort the jobs, and put the cursor on this one."""
        jobs = list(self.listed)
        if self.sort:
            jobs.sort(key=self._sort_key, reverse=self.is_reverse)
        elif self.is_failed_first:
            jobs.sort(key=lambda job: _FAILED_FIRST[job["state"]])
        self.jobs = jobs
        places = [n for n, job in enumerate(jobs) if job["id"] == id]
        self.cursor = max(0, min(places[0] if places else self.cursor, len(jobs) - 1))

    def _sort_key(self, job: JobRecord) -> tuple[float, str]:
        if self.sort == "time":
            return self.time_ms(job), job["id"]
        value = {"id": job["id"], "state": job["state"], "queue": job["queue"], "command": job["command"]}
        return (job["attempts"], job["id"]) if self.sort == "attempts" else (0, value[self.sort])

    def time_ms(self, job: JobRecord) -> int:
        """Return how long a job runs or ran, or how long it waits."""
        last = job["history"][-1] if job["history"] else None
        if job["state"] == PROCESSING and last is not None:
            return max(0, self.now_ms - from_utc(last["started_at"]))
        if job["state"] in (COMPLETED, DEAD):
            return (last["duration_ms"] or 0) if last is not None else 0
        return max(0, self.now_ms - from_utc(job["updated_at"]))

    def due_in_ms(self, job: JobRecord) -> int | None:
        """Return in how many ms a waiting job may start, or None if it waits for no time that is to come."""
        due_at = job["next_run_at"]
        left_ms = 0 if due_at is None else from_utc(due_at) - self.now_ms
        return left_ms if left_ms > 0 and job["state"] in (PENDING, FAILED) else None

    # What is chosen

    def chosen(self) -> JobRecord | None:
        """Return the job under the cursor."""
        return self.jobs[self.cursor] if self.cursor < len(self.jobs) else None

    def is_marked(self, id: str) -> bool:
        """Return whether an action would change this job because of a mark."""
        return self.marks_all or id in self.marks

    def toggle_mark(self) -> None:
        """Mark the job under the cursor, or remove its mark, and go to the next one."""
        job = self.chosen()
        if job is None:
            return
        if self.marks_all:
            self.marks_all, self.marks = False, {each["id"]: None for each in self.jobs}
        if job["id"] in self.marks:
            del self.marks[job["id"]]
        else:
            self.marks[job["id"]] = None
        self.move(1)

    def toggle_all(self) -> None:
        """Mark all jobs that match, or remove all marks."""
        self.marks_all, self.marks = not (self.marks_all or self.marks), {}

    # Movement

    def move(self, by: int) -> None:
        """Move the cursor by so many jobs."""
        self.cursor = max(0, min(self.cursor + by, len(self.jobs) - 1))
        self.is_held = self.cursor > 0 or by == -1

    def to_start(self) -> None:
        """Go to the first job, whichever that is, and remove all marks."""
        self.cursor = self.first = 0
        self.is_held, self.marks, self.marks_all = False, {}, False

    def keep_in_sight(self, rows: int) -> None:
        """Move the list as little as possible so that the cursor is on the screen."""
        rows = max(1, rows)
        self.first = max(0, min(self.first, len(self.jobs) - rows))
        self.first = min(self.cursor, max(self.first, self.cursor - rows + 1))

    def sort_by_next(self, step: int) -> None:
        """Sort by the next column, or by the one before."""
        chosen = self.chosen()
        self.sort = SORTS[(SORTS.index(self.sort) + step) % len(SORTS)]
        self.is_reverse = self.sort in ("time", "attempts")
        self._arrange(chosen and chosen["id"])

    def reverse(self) -> None:
        """Turn the order of the sorted column around."""
        chosen = self.chosen()
        self.is_reverse = not self.is_reverse
        self._arrange(chosen and chosen["id"])

    def toggle_failed_first(self) -> None:
        """Show failed jobs first, or those that run."""
        self.is_failed_first, self.sort, self.cursor, self.is_held = not self.is_failed_first, "", 0, False
        self._arrange(None)

    # Messages

    def say(self, text: str, is_refusal: bool = False) -> None:
        """Show a message until the next key."""
        self.message, self.is_refusal = text, is_refusal
