"""Log follower: what a job prints, as it prints it, through its attempts, until it has ended.

Knows where output lies and when an attempt is over, no command. The trap: see `Follower`.
"""

from __future__ import annotations

import time

from ..api import Queue
from ..errors import NoSupervisor
from ..model.job import FINAL_STATES
from ..storage import output_log
from .log_printer import Outlet
from .screen import Screen

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ..model.records import AttemptRecord, JobRecord

LOOK_EVERY_S = 0.2
"""How often a followed log is looked at."""


def follow(queue: Queue, job: JobRecord, screen: Screen) -> int:
    """Prints the latest attempt, then every later one, until the job is in a final state."""
    return follow_all(queue, [(job, Outlet(screen))])


def follow_all(queue: Queue, jobs: list[tuple[JobRecord, Outlet]]) -> int:
    """The same for several, until all are."""
    going = [(job, Follower(queue, outlet), outlet) for job, outlet in jobs]
    while True:
        left = []
        for job, follower, outlet in going:
            follower.catch_up(job["history"])
            if job["state"] in FINAL_STATES:
                outlet.close()
            else:
                left.append((job, follower, outlet))
        if not left:
            return 0
        is_idle = all(job["state"] != "processing" for job, _, _ in left)
        if is_idle and queue.status()["supervisor"] is None:
            raise NoSupervisor(home=queue.home.path)
        time.sleep(LOOK_EVERY_S)
        going = []
        for job, follower, outlet in left:
            follower.measure(job["history"])
            going.append((queue.get(job["id"]), follower, outlet))


class Follower:
    """Which attempt is being printed, and how much of it has been. An attempt is known by where its output lies.

    A segment goes on with other attempts' output. So it is measured first, and then asked whether the attempt is
    still under way: if it is, what stood there by then was its own.
    """

    def __init__(self, queue: Queue, screen: Outlet) -> None:
        self._queue = queue
        self._screen = screen
        self._place: tuple[object, object] | None = None
        self._ended: tuple[object, object] | None = None
        self._printed = 0
        self._sizes: dict[str, int] = {}

    def measure(self, history: list[AttemptRecord]) -> None:
        """To be called before the history is asked for that `catch_up` is given next."""
        open_files = {attempt["output_file"] for attempt in history[-1:] if attempt["output_bytes"] is None}
        logs = self._queue.home.logs
        self._sizes = {file: output_log.size_from(logs, file, 0) for file in open_files if file is not None}

    def catch_up(self, history: list[AttemptRecord]) -> None:
        """Prints what is new, from the attempt under way to the latest in the history."""
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
            return  # it was ended by hand, by a version that did not note how much it had printed
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
    """What to say of output that found no room, where the output itself could not; None when there
    is nothing to say.
    """
    dropped, kept = attempt["dropped_bytes"], attempt["output_bytes"]
    if not dropped:
        return None
    file, end = str(attempt["output_file"]), (attempt["output_offset"] or 0) + (kept or 0)
    try:
        if kept and output_log.is_cut_told(queue.home.logs, file, end, dropped):
            return None
    except FileNotFoundError:  # it has been removed, and with it what it said
        return None
    return f"{dropped} bytes of the output of attempt {attempt['attempt']} were lost because the disk was full"


def _place_of(attempt: AttemptRecord) -> tuple[object, object]:
    return attempt["output_file"], attempt["output_offset"]
