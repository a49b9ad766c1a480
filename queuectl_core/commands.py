"""Commands: what can be asked of the engine. A command is a request and may be refused; events say what became of it.

Pure. Knows neither who asks (a socket, a worker, the command line) nor how it is decided.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Union

from .events import Ending


class Enqueue(NamedTuple):
    """`specs` are checked by the engine, all or nothing. `cwd` is for those that name no folder."""

    specs: list[object]
    cwd: str


class RetryDead(NamedTuple):
    ids: list[str]


class PurgeDead(NamedTuple):
    ids: list[str]


class Prune(NamedTuple):
    """Completed jobs that are older, or more, than the settings keep: at most so many of them, the oldest."""

    limit: int


class ChangeSetting(NamedTuple):
    """`value` None: unset."""

    key: str
    value: Optional[object]


class Dispatch(NamedTuple):
    """A worker has room: the job that is next, if any, becomes its."""

    worker: str


class Locate(NamedTuple):
    """A run takes long: when it began, and where its output lies. `run` is what `Job.running` says under that
    name.
    """

    id: str
    run: int
    began_ms: int
    log_file: str
    log_offset: int


class Finish(NamedTuple):
    """How a run of this job has ended."""

    id: str
    run: int
    ending: Ending


class Release(NamedTuple):
    """An attempt was stopped by hand, or did not even begin: it is not counted."""

    id: str
    run: int
    reason: str
    begun: bool


class ShiftClock(NamedTuple):
    """The wall clock has jumped by so much, forwards or (negative) back."""

    jump_ms: int


Command = Union[ShiftClock, Enqueue, RetryDead, PurgeDead, Prune, ChangeSetting, Dispatch, Locate, Finish, Release]
