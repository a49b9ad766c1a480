"""JSON lines: the jobs of a call that adds many, one JSON text per job, read or made on demand.

Whoever adds the jobs parses the lines.
Invariant: an error names the line of the file. Empty lines count as lines, but not as jobs.
"""

from __future__ import annotations

import sys
from bisect import bisect_right

from ..errors import InvalidInput, QueueError
from .fast_args import path_of

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import BufferedReader
    from typing import Any, BinaryIO

MAX_LINE_BYTES = 4 * 1024 * 1024
"""The longest allowed job is shorter than this, however it is escaped."""


def opened(path: str, quiet: bool = True) -> BufferedReader:
    """Return a file to read, or standard input if `path` is `-`. Unless `quiet`, say that it is a terminal.

    Raises: InvalidInput.
    """
    if path == "-" and sys.stdin.closed:
        raise InvalidInput(what="standard input cannot be read twice")
    if path == "-" and not quiet and sys.stdin.isatty():
        from .screen import tell

        tell("reading lines from the terminal; end with Ctrl-D")
    stdin: Any = sys.stdin
    try:
        return stdin.buffer if path == "-" else open(path_of(path), "rb")
    except (OSError, ValueError) as fault:  # a NUL, or a character that a file name cannot have
        why = fault.strerror if isinstance(fault, OSError) else "not a valid file name"
        raise InvalidInput(what=f"cannot read {path}: {why}") from None


def name_of(path: str) -> str:
    """Return the name of a file in messages."""
    return "standard input" if path == "-" else path


class JobLines:
    """The jobs of one call, to iterate over once."""

    first_command = ""
    """The command of the first job, once it is made from others; empty for jobs that a file has."""

    def __iter__(self) -> Iterator[str]:
        """Yield the JSON text of each job.

        Raises: InvalidInput.
        """
        raise NotImplementedError

    def place_of(self, index: int) -> str:
        """Return where the job with this index comes from."""
        raise NotImplementedError

    def placed(self, refusal: QueueError) -> QueueError:
        """Return the error with the place of the refused job, or as it is if it names no job."""
        index = refusal.fields.get("index")
        if not isinstance(index, int):
            return refusal
        placed = self.refusal(index, str(refusal))
        placed.exit_status = refusal.exit_status
        return placed

    def refusal(self, index: int, why: str) -> InvalidInput:
        """Return the error that the job with this index is not valid."""
        return InvalidInput(what=f"{self.place_of(index)}: {why}; nothing was enqueued")


class FileLines(JobLines):
    """The jobs of a file. `name` is the name of the file in messages."""

    def __init__(self, name: str, file: BinaryIO, defaults: Mapping[str, object] | None = None) -> None:
        """`defaults` are the fields of the jobs that don't set them."""
        self._name = name
        self._file = file
        self._defaults = defaults
        self._jobs_before_blank: list[int] = []
        self._has_commands = False

    def __iter__(self) -> Iterator[str]:
        """Yield each line that is not empty.

        Raises: InvalidInput.
        """
        index = 0
        try:
            while line := self._file.readline(MAX_LINE_BYTES + 1):
                if len(line) > MAX_LINE_BYTES:
                    raise self.refusal(index, f"it has more than {MAX_LINE_BYTES} bytes")
                if line.isspace():
                    self._jobs_before_blank.append(index)
                    continue
                text = line.decode("utf-8")
                if not index:
                    self._has_commands = not text.lstrip("\ufeff \t").startswith(("{", "[", '"'))
                yield self._with_defaults(text, index) if self._defaults else text
                index += 1
        except UnicodeDecodeError:
            raise self.refusal(index, "not valid UTF-8") from None
        except OSError as fault:
            raise InvalidInput(what=f"cannot read {self._name}: {fault.strerror}") from None
        if not index:
            raise InvalidInput(what=f"{self._name} contains no jobs")

    def place_of(self, index: int) -> str:
        """Return the file and the line of the job with this index."""
        return f"{self._name} line {index + 1 + bisect_right(self._jobs_before_blank, index)}"

    def refusal(self, index: int, why: str) -> InvalidInput:
        """Return the error that the job with this index is not valid. Say what to do with a file of commands."""
        refused = super().refusal(index, why)
        if index or not self._has_commands or not why.startswith("invalid JSON"):
            return refused
        import shlex

        path = "" if self._name == name_of("-") else f" {shlex.quote(self._name)}"
        return InvalidInput(what=f"{refused}; to run each line as a command: enqueue --each-line{path} -- sh -c {{}}")

    def _with_defaults(self, line: str, index: int) -> str:
        from ..fast_json import encode
        from ..model.job_text import parse

        try:
            job = parse(line)
        except ValueError as fault:
            raise self.refusal(index, f"invalid JSON ({fault})") from None
        return encode({**(self._defaults or {}), **job}) if isinstance(job, dict) else line
