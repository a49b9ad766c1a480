"""Output: the last lines of a job's output, also while it runs. It reads no more of it than it shows.

Invariant: it shows only output of this attempt. The bytes behind its end belong to others, so the size of the segment
is read before the attempt is seen to run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...api import Queue
from ...errors import QueueError
from ...storage import output_log
from ...view.top.output_text import lines_of

if TYPE_CHECKING:
    from ...model.records import AttemptRecord, JobRecord

TAIL_BYTES = 64 * 1024
SEARCHED_BYTES = 1024 * 1024
"""How many bytes of the end are read, without and with a filter of the lines."""


class Shown(NamedTuple):
    """The end of the output of an attempt."""

    title: str
    lines: list[str]
    note: str = ""
    said: str = ""
    """What to show if there are no lines."""


class Output:
    """The output of the job that the cursor is on."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._seen: object = None

    def forget(self) -> None:
        """Read the output again at the next call, even if it is the same."""
        self._seen = None

    def read(self, job: JobRecord, is_searched: bool) -> Shown | None:
        """Return the end of the output of a job, or None if it is the same as at the last call.

        Raises: QueueError, OSError.
        """
        attempt = job["history"][-1] if job["history"] else None
        size = 0 if attempt is None else self._size(attempt)
        seen = (job["id"], job["state"], attempt and (attempt["started_at"], attempt["outcome"]), size, is_searched)
        if seen == self._seen:
            return None
        self._seen = seen
        if attempt is None:
            return Shown(f"output of {job['id']}", [], said="it has not run yet; w says why")
        if attempt["outcome"] is None:
            attempt = self._now(job, attempt)
            size = min(size, attempt["output_bytes"]) if attempt["output_bytes"] is not None else size
        most = SEARCHED_BYTES if is_searched else TAIL_BYTES
        return self._tail(_title(job, attempt), attempt, size, most)

    def _size(self, attempt: AttemptRecord) -> int:
        if attempt["output_bytes"] is not None or attempt["output_file"] is None:
            return attempt["output_bytes"] or 0
        return output_log.size_from(self._queue.home.logs, attempt["output_file"], attempt["output_offset"] or 0)

    def _now(self, job: JobRecord, attempt: AttemptRecord) -> AttemptRecord:
        """Return the record of an attempt that ran, which may have ended meanwhile."""
        try:
            history = self._queue.get(job["id"])["history"]
        except QueueError:  # it was removed meanwhile
            return attempt
        return next((each for each in history if each["started_at"] == attempt["started_at"]), attempt)

    def _tail(self, title: str, attempt: AttemptRecord, size: int, most: int) -> Shown:
        """Return the last lines, and a note if there are more."""
        file, first = attempt["output_file"], max(0, size - most)
        if file is None or not size:
            return Shown(title, [], said="no output yet" if attempt["outcome"] is None else "it printed nothing")
        start = (attempt["output_offset"] or 0) + first
        try:
            data = b"".join(output_log.read(self._queue.home.logs, file, start, size - first))
        except FileNotFoundError:
            return Shown(title, [], said="the output is no longer kept (see config log-retention)")
        note = f"last {most // 1024} KiB of {size / 2**20:,.1f} MiB" if first else ""
        return Shown(title, lines_of(data, first > 0), note)


def _title(job: JobRecord, attempt: AttemptRecord) -> str:
    number = f", attempt {attempt['attempt']}" if attempt["attempt"] > 1 else ""
    return f"output of {job['id']}{number}"
