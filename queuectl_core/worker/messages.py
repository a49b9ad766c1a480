"""Messages: the messages between supervisor and worker, and the outcome file of a worker without a supervisor.

It knows the outcome file, but not the queues.

Invariant: only its number identifies a run. The same job, and even the same attempt, can have been with the same worker
before.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Sequence
from signal import SIGTERM
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from ..home import Home
from ..model.attempt import AttemptResult
from ..model.commands import Finish, Release
from ..system import file_io

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.queues import SimpleQueue

    from ..model.records import Options

    class Channel(SimpleQueue[Any]):
        """A SimpleQueue with its two ends, which typeshed does not declare."""

        _reader: Connection[Any, Any]
        _writer: Connection[Any, Any]


SUPERVISOR_GONE = "the supervisor was gone before it began"
WORKER_DIED = "its worker died before it began"
STOPPED_BY_HAND = "stopped by hand"


class Run(NamedTuple):
    """One attempt, as the supervisor dispatches it.

    `run` is a unique number: the sequence of the event that started the attempt.
    """

    job_id: str
    run: int
    attempt: int
    command: str
    cwd: str
    max_output: int
    grace_s: float
    options: Options | None = None
    """The job's options that are in EXECUTION; None if it has none of them."""

    @property
    def slots(self) -> int:
        """Return how many places the run takes."""
        return 1 if self.options is None else self.options.get("slots", 1)

    @property
    def size(self) -> int:
        """Return about how many characters the run takes up in a queue."""
        options = 0 if self.options is None else len(str(self.options))
        return len(self.command) + len(self.cwd) + options

    def not_begun(self, reason: str) -> Result:
        """Return the result of a run that never started."""
        return Result(self.job_id, self.run, None, reason, begun=False)


EXECUTION = (
    *("timeout", "env", "stdin", "input", "shell", "nice"),
    *("limit_mem", "limit_cpu", "queue", "name", "slots", "hook", "environ"),
)
"""The options of a job that its worker needs."""


class Kill(NamedTuple):
    """An order to end the run of this number, with this signal first.

    With a `reason`, the worker gives the job back, and the reason goes into the job's history.
    With None, the attempt counts.
    """

    run: int
    reason: str | None
    signal: int = SIGTERM


class Signal(NamedTuple):
    """An order to send this signal, SIGSTOP or SIGCONT, to the run of this number."""

    run: int
    signal: int


Order = Union[list[tuple[Any, ...]], Kill, Signal, None]
"""The content of a dispatch queue: runs as plain tuples, which pickle in half the time, an order, or None to end."""


class Result(NamedTuple):
    """The result of a run.

    With a `reason`, the run does not count as an attempt. `begun` is False if the command never started. `full` is True
    if the disk had no room for the run, or for all of its output.
    """

    job_id: str
    run: int
    ending: AttemptResult | None
    reason: str | None = None
    begun: bool = True
    full: bool = False

    def to_command(self) -> Finish | Release:
        """Return the command that tells the engine of this result."""
        if self.reason is None:
            assert self.ending is not None  # only a released run can lack one
            return Finish(self.job_id, self.run, self.ending)
        return Release(self.job_id, self.run, self.reason, self.begun, self.ending)


class WorkerReport(NamedTuple):
    """The outcome file of a worker without a supervisor: its current run, and the results of others."""

    running: int | None
    results: list[Result]

    def result_of(self, job_id: str, run: int) -> Result | None:
        """Return the result of this run, or None while it runs.

        The worker never read a run that the file does not mention, so that run has not begun.
        """
        if self.running == run:
            return None
        unread = Result(job_id, run, None, SUPERVISOR_GONE, begun=False)
        return next((result for result in self.results if result.run == run), unread)


def to_plain(result: Result) -> tuple[Any, ...]:
    """Return the result as plain tuples, as it crosses a queue: they pickle in half the time."""
    return (*result[:2], result.ending and tuple(result.ending), *result[3:])


def from_plain(fields: Sequence[Any]) -> Result:
    """Return the result from plain tuples or lists."""
    job_id, run, ending, *rest = fields
    return Result(job_id, run, None if ending is None else AttemptResult(*ending), *rest)


def encode_report(running: int | None, results: Iterable[Result]) -> bytes:
    """Return the content of an outcome file: the current run, the results, and a checksum."""
    content = json.dumps({"running": running, "results": list(results)}).encode()
    return b"%b\n%08x" % (content, zlib.crc32(content))


def decode_report(data: bytes) -> WorkerReport:
    """Return the content of an outcome file. In the first format it has no checksum.

    The error means that the file is damaged.

    Raises: ValueError.
    """
    content, line, checksum = data.partition(b"\n")
    if line and checksum != b"%08x" % zlib.crc32(content):
        raise ValueError("its checksum is wrong")
    try:
        report = json.loads(content)
        return WorkerReport(report["running"], list(map(from_plain, report["results"])))
    except (TypeError, KeyError, RecursionError) as fault:
        raise ValueError(f"its content is invalid ({fault})") from None


def read_report(home: Home, instance: str) -> WorkerReport | None:
    """Return the report in the outcome file of a worker, or None if there is no such file.

    The file is missing if the worker had a supervisor to the end, or was killed. If the file is damaged or not ours,
    the function sets it aside and returns None.

    Raises: OSError.
    """
    path = home.outcome(instance)
    try:
        with open(path, "rb", opener=file_io.open_owned) as file:
            return decode_report(file_io.read_from(file))
    except FileNotFoundError:
        return None
    except ValueError:
        pass
    except PermissionError as fault:
        if fault.strerror != file_io.NOT_OURS:  # NOT_OURS: a folder, a link, or a FIFO has its name
            raise
    os.replace(path, home.damaged_outcome(instance))
    return None
