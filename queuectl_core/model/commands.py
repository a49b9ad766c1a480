"""Commands: what can be asked of the engine. A command is a request and may be refused; events say what became of it.

Pure. Knows neither who asks (a socket, a worker, the command line) nor how it is decided.
Without the `annotations` of __future__: typing compiles each one that is text, and that costs every start 0.6 ms.
"""

from collections.abc import Mapping
from typing import NamedTuple, Optional, Union

from .events import Ending


class Enqueue(NamedTuple):
    """`specs` are checked by the engine, all or nothing. `cwd` is for those that name no folder."""

    specs: list[object]
    cwd: str


class RetryDead(NamedTuple):
    """`fields` change on the way; `dependants`: those that died with them are tried again, too; `lenient`: those whose
    keys are taken are passed over.
    """

    ids: list[str]
    fields: Mapping[str, object] = {}
    dependants: bool = False
    lenient: bool = False


class PurgeDead(NamedTuple):
    ids: list[str]


class Cancel(NamedTuple):
    """What waits is dead at once; what runs is ended with this signal. `lenient`, here and below: jobs to which this
    cannot be done are passed over.
    """

    ids: list[str]
    signal: int
    lenient: bool = False


class Remove(NamedTuple):
    """For good, whatever became of them; not those that run."""

    ids: list[str]
    lenient: bool = False


class Hasten(NamedTuple):
    """What waits for a time runs now; what is dead is tried again."""

    ids: list[str]
    lenient: bool = False


class Edit(NamedTuple):
    """Jobs that do not run: these fields become others; None: what they are when nothing is said."""

    ids: list[str]
    fields: Mapping[str, object]
    lenient: bool = False


class Suspend(NamedTuple):
    ids: list[str]
    lenient: bool = False


class Continue(NamedTuple):
    ids: list[str]
    lenient: bool = False


class ChangeQueue(NamedTuple):
    """The rules of a queue (`*`: of all): limit, rate, paused; None: unset."""

    name: str
    fields: Mapping[str, object]


class SetSchedule(NamedTuple):
    """New, or in the place of one of this name; see `schedules`."""

    name: str
    wanted: Mapping[str, object]


class RemoveSchedule(NamedTuple):
    name: str


class PauseSchedule(NamedTuple):
    name: str
    paused: bool


class RunSchedule(NamedTuple):
    """Now, beside its times."""

    name: str


class Import(NamedTuple):
    """Jobs as `Job.fields` gives them, of another home. `skip`: those whose ids are there already are passed over."""

    jobs: list[object]
    skip: bool


class Tick(NamedTuple):
    """Schedules that are due add their jobs."""


class Prune(NamedTuple):
    """Completed jobs that are older, or more, than the settings keep: at most so many of them, the oldest. Not
    `by_age`: only those that are too many.
    """

    limit: int
    by_age: bool = True


class ChangeSetting(NamedTuple):
    """`value` None: unset."""

    key: str
    value: Optional[object]


class Dispatch(NamedTuple):
    """A worker has room: the job that is next, if any, becomes its; but one of more slots than `room`, the workers that
    are idle, waits, unless it wants more than the `workers` there are and all are idle.
    """

    worker: str
    room: int = 1
    workers: int = 1


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
    ending: Optional[Ending] = None


class ShiftClock(NamedTuple):
    """The wall clock has jumped by so much, forwards or (negative) back."""

    jump_ms: int


Command = Union[
    ShiftClock, Enqueue, RetryDead, PurgeDead, Cancel, Remove, Hasten, Edit, Suspend, Continue, ChangeQueue, Prune,
    SetSchedule, RemoveSchedule, PauseSchedule, RunSchedule, Import, Tick,
    ChangeSetting, Dispatch, Locate, Finish, Release,
]  # fmt: skip
