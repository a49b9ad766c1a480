"""Editing: one job in the editor of the user, as `queuectl edit ID` does it, and its details as `queuectl show ID`."""

from __future__ import annotations

from ...api import Queue
from ...errors import WrongState
from ..editor import edit
from ..job_details import editable, print_job
from ..screen import Screen, visible
from .actions import VERBS


class _Lines(Screen):
    """A screen that keeps its lines for a part of another one."""

    def __init__(self, columns: int) -> None:
        super().__init__(json=False)
        self.kept: list[str] = []
        self._columns = columns
        self.is_terminal, self.colours = True, False

    def line(self, *parts: str) -> None:
        """Keep a line."""
        self.kept += visible("".join(parts), "\n").split("\n")

    def note(self, text: str) -> None:
        """Keep a message as a line."""
        self.line(text)

    def columns(self) -> int:
        """Return the columns of the part."""
        return max(40, self._columns)


def edit_job(queue: Queue, id: str) -> str:
    """Let the user edit a job, and return what changed.

    Raises: NothingToDo, InvalidInput, UnknownJob, WrongState.
    """
    job = queue.get(id)
    done, states = VERBS["edit"]
    if job["state"] not in states:
        raise WrongState(id=id, state=job["state"], what=done)
    changed = edit(editable(job), lambda fields: queue.edit([id], fields), Screen(json=False, quiet=True))
    return f"changed {', '.join(changed)} of {id}"


def details_of(queue: Queue, id: str, columns: int) -> list[str]:
    """Return the lines about a job.

    Raises: UnknownJob.
    """
    screen = _Lines(columns)
    print_job(queue.get(id), screen)
    return screen.kept
