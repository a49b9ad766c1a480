"""Commands: the requests to the engine; it may refuse a command, and events say what it did.

Pure. Knows neither who sends a command (a socket, a worker, the command line) nor how the engine decides.
"""

from __future__ import annotations

from ..light_types import NamedTuple
from .attempt import AttemptResult

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Union


class Enqueue(NamedTuple):
    """Add jobs, all or none. The engine checks `specs`. `cwd` is the folder of those that name none.

    `environ` is the environment that they get instead of that of their worker. `trace` has variables that `env` gets.
    """

    specs: list[object]
    cwd: str
    environ: Mapping[str, str] | None = None
    trace: Mapping[str, str] = {}


class RetryDead(NamedTuple):
    """Take jobs out of the dead letter queue, and run them again.

    `fields` change the jobs. With `dependants`, the jobs that died because of them return too.
    With `skip_ineligible`, skip jobs whose keys are taken.
    """

    ids: list[str]
    fields: Mapping[str, object] = {}
    dependants: bool = False
    skip_ineligible: bool = False


class PurgeDead(NamedTuple):
    """Remove dead jobs for good."""

    ids: list[str]


class Cancel(NamedTuple):
    """Cancel jobs: a waiting job becomes dead at once, and a running job receives `signal`.

    With `skip_ineligible`, skip unknown jobs and those in the wrong state.
    """

    ids: list[str]
    signal: int
    skip_ineligible: bool = False


class Remove(NamedTuple):
    """Remove jobs for good, in any state except processing. With `skip_ineligible`, skip running jobs."""

    ids: list[str]
    skip_ineligible: bool = False


class RunNow(NamedTuple):
    """Make jobs that wait for a time ready now, and retry dead jobs. With `skip_ineligible`, skip the others."""

    ids: list[str]
    skip_ineligible: bool = False


class Edit(NamedTuple):
    """Change fields of waiting or dead jobs; None restores a default. With `skip_ineligible`, skip the others."""

    ids: list[str]
    fields: Mapping[str, object]
    skip_ineligible: bool = False


class Move(NamedTuple):
    """Move a waiting job to `front`, to `back`, or to a place from 1, in its queue and priority."""

    id: str
    to: object


class Switch(NamedTuple):
    """Let two waiting jobs take each other's place."""

    id: str
    other: str


class Suspend(NamedTuple):
    """Suspend the runs of running jobs. With `skip_ineligible`, skip the others."""

    ids: list[str]
    skip_ineligible: bool = False


class Continue(NamedTuple):
    """Continue the runs of suspended jobs. With `skip_ineligible`, skip the others."""

    ids: list[str]
    skip_ineligible: bool = False


class ChangeQueue(NamedTuple):
    """Change the rules of a queue (`*` is all queues), as `QueueLimits` describes. None removes a rule."""

    name: str
    fields: Mapping[str, object]


class RemoveQueue(NamedTuple):
    """Remove all rules of a queue without unfinished jobs."""

    name: str


class SetSchedule(NamedTuple):
    """Add a schedule, or replace the one with this name; `schedules` describes the fields."""

    name: str
    wanted: Mapping[str, object]


class RemoveSchedule(NamedTuple):
    """Remove a schedule. Jobs that it has added stay."""

    name: str


class PauseSchedule(NamedTuple):
    """Pause a schedule, or resume it without making up for missed times."""

    name: str
    paused: bool


class RunSchedule(NamedTuple):
    """Add the job of a schedule now, in addition to its times."""

    name: str


class Import(NamedTuple):
    """Add jobs of another home in the form of `Job.fields`. With `skip`, skip jobs whose IDs exist here."""

    jobs: list[object]
    skip: bool


class FireSchedules(NamedTuple):
    """Add the jobs of the schedules that are due."""


class Prune(NamedTuple):
    """Remove the oldest completed jobs that the retention settings do not keep, at most `limit` of them.

    Without `by_age`, remove only those that exceed the setting retention-jobs.
    """

    limit: int
    by_age: bool = True


class ChangeSetting(NamedTuple):
    """Change a setting. The value None restores the default."""

    key: str
    value: object | None


class Dispatch(NamedTuple):
    """Give the next job, if any, to an idle worker.

    `room` is how many workers are idle, and `workers` how many there are. A job of more slots than `room` waits. A
    job of more slots than `workers` runs when all workers are idle.
    """

    worker: str
    room: int = 1
    workers: int = 1


class Locate(NamedTuple):
    """Record when a long run began and where its output lies. `run` is the `run` of `Job.running`."""

    id: str
    run: int
    began_ms: int
    log_file: str
    log_offset: int


class Finish(NamedTuple):
    """Record how a run of this job ended."""

    id: str
    run: int
    ending: AttemptResult


class Release(NamedTuple):
    """Take back an attempt that was ended by hand or never started: it does not count."""

    id: str
    run: int
    reason: str
    begun: bool
    ending: AttemptResult | None = None


class ShiftClock(NamedTuple):
    """Record that the wall clock jumped by `jump_ms`; a negative jump goes back."""

    jump_ms: int


if TYPE_CHECKING:
    Command = Union[
        ShiftClock, Enqueue, RetryDead, PurgeDead, Cancel, Remove, RunNow, Edit, Move, Switch, Suspend, Continue,
        ChangeQueue, RemoveQueue, Prune, SetSchedule, RemoveSchedule, PauseSchedule, RunSchedule, Import, FireSchedules,
        ChangeSetting, Dispatch, Locate, Finish, Release,
    ]  # fmt: skip
else:
    Command = tuple
