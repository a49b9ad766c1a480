"""JSON lines: the jobs of a file, one JSON text per line, read on demand.

It does not parse JSON: the queue parses the lines when it checks them.
Invariant: an error names the line of the file. Empty lines count as lines, but not as jobs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import BinaryIO

from ..errors import InvalidInput, QueueError

MAX_LINE_BYTES = 4 * 1024 * 1024
"""The longest allowed job is shorter than this, however it is escaped."""

_TOO_LONG = f"it has more than {MAX_LINE_BYTES} bytes; nothing was enqueued"


class Lines:
    """The jobs of a file, to iterate over once. `name` is the name of the file in messages."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self._name = name
        self._file = file
        self._jobs_before_blank: list[int] = []

    def __iter__(self) -> Iterator[str]:
        """Yield each line that is not empty.

        Raises: InvalidInput.
        """
        index = 0
        try:
            while line := self._file.readline(MAX_LINE_BYTES + 1):
                if len(line) > MAX_LINE_BYTES:
                    raise InvalidInput(what=f"{self._name} line {self._number(index)}: {_TOO_LONG}")
                if line.isspace():
                    self._jobs_before_blank.append(index)
                    continue
                yield self._text(line, index)
                index += 1
        except OSError as fault:
            raise InvalidInput(what=f"cannot read {self._name}: {fault.strerror}") from None
        if not index:
            raise InvalidInput(what=f"{self._name} contains no jobs")

    def placed(self, refusal: QueueError) -> QueueError:
        """Return the error with the line of the refused job, or as it is if it names no job."""
        index = refusal.fields.get("index")
        if not isinstance(index, int):
            return refusal
        placed = InvalidInput(what=f"{self._name} line {self._number(index)}: {refusal}; nothing was enqueued")
        placed.exit_status = refusal.exit_status
        return placed

    def _text(self, line: bytes, index: int) -> str:
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            what = f"{self._name} line {self._number(index)}: not valid UTF-8; nothing was enqueued"
            raise InvalidInput(what=what) from None

    def _number(self, index: int) -> int:
        return index + 1 + bisect_right(self._jobs_before_blank, index)
