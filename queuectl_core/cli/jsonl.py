"""JSON lines: the jobs of a file, one JSON text per line, read on demand.

It does not parse JSON: whoever adds the jobs parses the lines.
Invariant: an error names the line of the file. Empty lines count as lines, but not as jobs.
"""

from __future__ import annotations

import sys
from bisect import bisect_right

from ..errors import InvalidInput, QueueError
from .fast_args import path_of

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

MAX_LINE_BYTES = 4 * 1024 * 1024
"""The longest allowed job is shorter than this, however it is escaped."""


def opened(path: str) -> BinaryIO:
    """Return a file to read, or standard input if `path` is `-`.

    Raises: InvalidInput.
    """
    try:
        return sys.stdin.buffer if path == "-" else open(path_of(path), "rb")
    except (OSError, ValueError) as fault:  # a NUL, or a character that a file name cannot have
        why = fault.strerror if isinstance(fault, OSError) else "not a valid file name"
        raise InvalidInput(what=f"cannot read {path}: {why}") from None


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
                    raise self._refusal(index, f"it has more than {MAX_LINE_BYTES} bytes")
                if line.isspace():
                    self._jobs_before_blank.append(index)
                    continue
                yield line.decode("utf-8")
                index += 1
        except UnicodeDecodeError:
            raise self._refusal(index, "not valid UTF-8") from None
        except OSError as fault:
            raise InvalidInput(what=f"cannot read {self._name}: {fault.strerror}") from None
        if not index:
            raise InvalidInput(what=f"{self._name} contains no jobs")

    def placed(self, refusal: QueueError) -> QueueError:
        """Return the error with the line of the refused job, or as it is if it names no job."""
        index = refusal.fields.get("index")
        if not isinstance(index, int):
            return refusal
        placed = self._refusal(index, str(refusal))
        placed.exit_status = refusal.exit_status
        return placed

    def _refusal(self, index: int, why: str) -> InvalidInput:
        line = index + 1 + bisect_right(self._jobs_before_blank, index)
        return InvalidInput(what=f"{self._name} line {line}: {why}; nothing was enqueued")
