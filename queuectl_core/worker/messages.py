"""Messages: what supervisor and worker tell each other of an attempt, and what a worker leaves when nobody listens.

Knows the file that is left, not the queues. The trap: a run is named by its number and by nothing else: the same job,
even the same attempt of it, may have been with the same worker before.
"""

from __future__ import annotations

import json
import os
import zlib
from signal import SIGTERM
from typing import TYPE_CHECKING, Any, NamedTuple

from ..home import Home
from ..model.events import Ending
from ..system import durable_files

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.queues import SimpleQueue

    from ..model.records import Options

    class Channel(SimpleQueue[Any]):
        """A SimpleQueue, with its two ends, which typeshed does not know."""

        _reader: Connection[Any, Any]
        _writer: Connection[Any, Any]


GONE = "the supervisor was gone before it began"


class Run(NamedTuple):
    """One attempt, as it is dispatched. `run` is a number that no other has: the sequence of the event of its
    start.
    """

    job_id: str
    run: int
    attempt: int
    command: str
    cwd: str
    max_output: int
    grace_s: float
    options: Options | None = None
    """Of the job's options, those of EXECUTION that it has, and its queue and name; None: none."""

    @property
    def slots(self) -> int:
        return 1 if self.options is None else self.options.get("slots", 1)

    @property
    def characters(self) -> int:
        """About how much room it takes up in a queue."""
        options = 0 if self.options is None else len(str(self.options))
        return len(self.command) + len(self.cwd) + options


EXECUTION = ("timeout", "env", "stdin", "input", "shell", "nice", "limit_mem", "limit_cpu", "queue", "name", "slots")
"""The options of a job that its worker must know."""


class Kill(NamedTuple):
    """End the run under way, with this signal first, and give the job back; `reason` goes into its history. None: the
    attempt counts.
    """

    job_id: str
    reason: str | None
    signal: int = SIGTERM


class Signal(NamedTuple):
    """Send this signal, SIGSTOP or SIGCONT, to the run of this number."""

    run: int
    signal: int


class Result(NamedTuple):
    """What became of a run. With a `reason` it is not counted, because of that; not `begun`: it was never started.
    `full`: the disk had no room for it, or for all of its output.
    """

    job_id: str
    run: int
    ending: Ending | None
    reason: str | None = None
    begun: bool = True
    full: bool = False


class Place(NamedTuple):
    """A run takes long: when it began, and where its output lies."""

    job_id: str
    run: int
    began_ms: int
    log_file: str
    log_offset: int


class Left(NamedTuple):
    """What a worker without a supervisor has left: the run it is at, and results of others."""

    running: int | None
    results: list[Result]

    def result_of(self, job_id: str, run: int) -> Result | None:
        """What became of this run; None while it is under way. One that is not mentioned was never read, nor
        begun.
        """
        if self.running == run:
            return None
        unread = Result(job_id, run, None, GONE, begun=False)
        return next((result for result in self.results if result.run == run), unread)


def plain(result: Result) -> tuple[Any, ...]:
    """As it crosses a queue: tuples of no class are pickled in half the time."""
    ending = result.ending
    return (*result[:2], None if ending is None else tuple(ending), *result[3:])


def plain_runs(given: list[Run]) -> list[tuple[Any, ...]]:
    return [tuple(run) for run in given]


def revive_runs(given: list[tuple[Any, ...]]) -> list[Run]:
    return [Run(*fields) for fields in given]


def revive(result: tuple[Any, ...]) -> Result:
    """A Result as it was before it crossed a queue or lay in a file."""
    job_id, run, ending, *rest = result
    return Result(job_id, run, None if ending is None else Ending(*ending), *rest)


def encode_left(running: int | None, results: list[tuple[Any, ...]]) -> bytes:
    """What a worker leaves: the run it is at, and results as `plain` gives them; with a checksum in its last line."""
    content = json.dumps({"running": running, "results": results}).encode()
    return b"%b\n%08x" % (content, zlib.crc32(content))


def decode_left(data: bytes) -> Left:
    """Return what a worker has left. The workers of the first format left no checksum.

    Raises:
        ValueError: it is damaged.
    """
    content, line, checksum = data.partition(b"\n")
    if line and checksum != b"%08x" % zlib.crc32(content):
        raise ValueError("its checksum is wrong")
    try:
        left = json.loads(content)
        return Left(left["running"], [revive(result) for result in left["results"]])
    except (TypeError, KeyError, RecursionError) as fault:
        raise ValueError(f"its content is invalid ({fault})") from None


def read_left(home: Home, instance: str) -> Left | None:
    """What the worker has left, or None when it has left nothing: it had a supervisor to the end, or was killed.

    What is damaged is set aside, and the worker has then left nothing. Raises OSError.
    """
    path = home.outcome(instance)
    try:
        with open(path, "rb", opener=durable_files.owned) as file:
            return decode_left(file.read())
    except FileNotFoundError:
        return None
    except ValueError:
        pass
    except PermissionError as fault:
        if fault.strerror != durable_files.NOT_OURS:  # a folder, a link, or a FIFO that lies in its place
            raise
    os.replace(path, home.damaged_outcome(instance))
    return None
