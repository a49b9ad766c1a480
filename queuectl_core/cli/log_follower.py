"""Log follower: the output of a job while it runs, through all its attempts.

It knows where output is stored and when an attempt has ended, but no command.
Invariant: it prints only output of the followed job, although attempts share a segment (see
`Follower`).
"""

from __future__ import annotations

import time

from ..api import Queue
from ..errors import NoSupervisor
from ..model.states import FINAL_STATES
from ..storage import output_log
from .log_printer import Outlet

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model.records import AttemptRecord, JobRecord

LOOK_EVERY_S = 0.2
"""The seconds between two looks at a followed log."""


def follow(
    queue: Queue,
    jobs: list[tuple[JobRecord, Outlet]],
    on_look: Callable[[JobRecord], None] = lambda job: None,
) -> None:
    """Print the latest attempt of each job, then every later one, until all are in a final state.

    `on_look` gets each unfinished job after its new output.

    Raises: NoSupervisor.
    """
    followed = [(job, Follower(queue, outlet), outlet) for job, outlet in jobs]
    while True:
        unfinished = []
        for job, follower, outlet in followed:
            follower.catch_up(job["history"])
            if job["state"] in FINAL_STATES:
                outlet.close()
            else:
                on_look(job)
                unfinished.append((job, follower, outlet))
        if not unfinished:
            return
        is_idle = all(job["state"] != "processing" for job, _, _ in unfinished)
        if is_idle and queue.status()["supervisor"] is None:
            raise NoSupervisor(home=queue.home.path)
        time.sleep(LOOK_EVERY_S)
        followed = []
        for job, follower, outlet in unfinished:
            follower.measure(job["history"])
            followed.append((queue.get(job["id"]), follower, outlet))


class Follower:
    """The attempt that is being printed, and how much of it is printed.

    The location of its output identifies an attempt. A segment continues with the output of other
    attempts. Therefore, read its size first, and ask afterwards whether the attempt still runs. If
    it does, everything up to that size is its own output.
    """

    def __init__(self, queue: Queue, screen: Outlet) -> None:
        self._queue = queue
        self._screen = screen
        self._place: tuple[object, object] | None = None
        self._ended: tuple[object, object] | None = None
        self._printed = 0
        self._sizes: dict[str, int] = {}

    def measure(self, history: list[AttemptRecord]) -> None:
        """Note the size of the segment that the running attempt writes to.

        Call it before you read the history for the next `catch_up`.
        """
        open_files = {attempt["output_file"] for attempt in history[-1:] if attempt["output_bytes"] is None}
        logs = self._queue.home.logs
        self._sizes = {file: output_log.size_from(logs, file, 0) for file in open_files if file is not None}

    def catch_up(self, history: list[AttemptRecord]) -> None:
        """Print the new output, from the current attempt to the latest one in the history."""
        located = [attempt for attempt in history if attempt["output_file"] is not None]
        places = [_place_of(attempt) for attempt in located]
        later = located[places.index(self._place) :] if self._place in places else located[-1:]
        for attempt in later:
            if self._place is not None and self._place != _place_of(attempt):
                self._screen.note(f"==> attempt {attempt['attempt']}, started {attempt['started_at']}")
                self._printed = 0
            self._place = _place_of(attempt)
            self._print_new(attempt)

    def _print_new(self, attempt: AttemptRecord) -> None:
        size, file, offset = attempt["output_bytes"], str(attempt["output_file"]), attempt["output_offset"] or 0
        if size is None and attempt["outcome"] is not None:
            return  # an older version ended it by hand, and did not record the size of its output
        if size is None:
            size = max(0, self._sizes.get(file, 0) - offset)
        try:
            for piece in output_log.read(self._queue.home.logs, file, offset + self._printed, size - self._printed):
                self._screen.raw(piece)
                self._printed += len(piece)
        except FileNotFoundError:
            pass
        if attempt["output_bytes"] is not None and _place_of(attempt) != self._ended:
            self._ended = _place_of(attempt)
            lost = lost_output(self._queue, attempt)
            if lost is not None:
                self._screen.note(lost)


def lost_output(queue: Queue, attempt: AttemptRecord) -> str | None:
    """Return a message about output that was lost, or None if none was or the output says so."""
    dropped, kept = attempt["dropped_bytes"], attempt["output_bytes"]
    if not dropped:
        return None
    file, end = str(attempt["output_file"]), (attempt["output_offset"] or 0) + (kept or 0)
    try:
        if kept and output_log.says_dropped(queue.home.logs, file, end, dropped):
            return None
    except FileNotFoundError:  # the output was removed, and its own message with it
        return None
    return f"{dropped} bytes of the output of attempt {attempt['attempt']} were lost because the disk was full"


def _place_of(attempt: AttemptRecord) -> tuple[object, object]:
    return attempt["output_file"], attempt["output_offset"]
