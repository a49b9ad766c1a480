"""Events: the facts of a queue, in the past tense, and their form in the journal.

In the journal an event is a JSON list: its name, then its fields in order.

Pure. Knows neither the engine nor the frames of the journal.

Invariant: an event has all that the engine needs to apply it, so that a replay gives exactly the live state.
Invariant: journals outlive versions. A released field keeps its place; a new one goes to the end, with a default.
"""

from __future__ import annotations

from .. import fast_json
from ..light_types import NamedTuple
from .attempt import AttemptResult
from .job import NO_OPTIONS

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Union

    from .records import Options, Rules, Schedule, StoredJob


class UnknownFact(ValueError):
    """An event, or a field of one, that this version does not know. The text names it."""


class Enqueued(NamedTuple):
    """A job was added."""

    id: str
    number: int
    at_ms: int
    command: str
    cwd: str
    max_retries: int
    backoff_base: float
    options: Options = NO_OPTIONS
    due_ms: int | None = None
    blockers: Sequence[str] = ()
    wall_ms: int | None = None
    """The earliest start by the wall clock, if the request gave one; `due_ms` is this time without the clock shift."""


class Imported(NamedTuple):
    """A job of another home was added. `fields` are those of `Job`, without its ID and number."""

    id: str
    number: int
    at_ms: int
    fields: StoredJob


class Started(NamedTuple):
    """A job was dispatched to a worker with this instance name.

    `slot` is unique among the running jobs of a queue with a limit.
    """

    id: str
    at_ms: int
    worker: str
    slot: int | None = None


class OutputLocated(NamedTuple):
    """A long attempt began at `at_ms`; its output begins at this offset of this segment."""

    id: str
    at_ms: int
    log_file: str
    log_offset: int


class Succeeded(NamedTuple):
    """A run succeeded: the job is completed."""

    id: str
    at_ms: int
    ending: AttemptResult


class Failed(NamedTuple):
    """A run failed, and a retry is left: the next run is due at `due_ms`."""

    id: str
    at_ms: int
    ending: AttemptResult
    reason: str
    due_ms: int


class DeadLettered(NamedTuple):
    """A run failed, and no retry is left: the job is in the dead letter queue."""

    id: str
    at_ms: int
    ending: AttemptResult
    reason: str


class Snoozed(NamedTuple):
    """A run asked by its exit code for a later run: the job is pending until `due_ms`; the attempt does not count."""

    id: str
    at_ms: int
    ending: AttemptResult
    reason: str
    due_ms: int


class CancelRequested(NamedTuple):
    """A user canceled a running job: the run receives this signal, and a later event says how it ended."""

    id: str
    at_ms: int
    signal: int


class Canceled(NamedTuple):
    """A job died without another run: by hand, replaced by another job, or because a job it waited for died.

    `ending` is how its run ended, if this ended one.
    """

    id: str
    at_ms: int
    reason: str
    ending: AttemptResult | None = None


class Unblocked(NamedTuple):
    """A job no longer waits for the job `by`. It waits for the jobs `then` instead: other jobs of the same batch."""

    id: str
    at_ms: int
    by: str
    then: Sequence[str] = ()


class MadeReady(NamedTuple):
    """A user made a job ready that waited for a time."""

    id: str
    at_ms: int


class Edited(NamedTuple):
    """A user changed fields of a job, in the form in which `job_spec` keeps them; None restores a default.

    `due_ms` is as in `Enqueued` if the time changed, else None. Its value 0 means now.
    """

    id: str
    at_ms: int
    fields: Mapping[str, object]
    due_ms: int | None = None
    wall_ms: int | None = None


class Moved(NamedTuple):
    """A user moved a waiting job to this place among those of its queue and priority (see `engine.places`)."""

    id: str
    at_ms: int
    place: str


class Suspended(NamedTuple):
    """A user suspended the run of a job."""

    id: str
    at_ms: int


class Continued(NamedTuple):
    """A user continued the suspended run of a job."""

    id: str
    at_ms: int


class Released(NamedTuple):
    """A run was taken back: the job is pending, and the attempt does not count. `reason` says why.

    Without `begun`, its command never started. Otherwise `ending` is how the run ended.
    """

    id: str
    at_ms: int
    reason: str
    begun: bool
    ending: AttemptResult | None = None


class Retried(NamedTuple):
    """A user took a job out of the dead letter queue; its attempts count from 0 again.

    `blockers` are the jobs that it waits for again.
    """

    id: str
    at_ms: int
    blockers: Sequence[str] = ()


class Purged(NamedTuple):
    """A job was removed for good."""

    id: str
    at_ms: int


class SettingChanged(NamedTuple):
    """A setting changed. The value None restores the default."""

    key: str
    value: object
    at_ms: int


class QueueChanged(NamedTuple):
    """Rules of a queue changed (`*` is all queues): `fields` has the changed ones, None for a removed one.

    `records.Rules` describes the rules.
    """

    name: str
    at_ms: int
    fields: Rules


class ScheduleChanged(NamedTuple):
    """A schedule changed. `fields` has all its fields (see `schedules`), or None if it was removed."""

    name: str
    at_ms: int
    fields: Schedule | None


class ScheduleFired(NamedTuple):
    """A schedule was due: it added the job `job_id`, or none (None). `next_ms` is its next time."""

    name: str
    at_ms: int
    job_id: str | None
    next_ms: int | None


class ClockShifted(NamedTuple):
    """The wall clock was set: all shifts so far add up to `shift_ms`. Waits are measured without them."""

    shift_ms: int
    at_ms: int


if TYPE_CHECKING:
    JobEvent = Union[
        Enqueued, Imported, Started, OutputLocated, Succeeded, Failed, DeadLettered, Snoozed, Released,
        CancelRequested, Canceled, Unblocked, MadeReady, Edited, Moved, Suspended, Continued, Retried, Purged,
    ]  # fmt: skip
    """The events of one job, which `id` names."""

    Event = Union[JobEvent, QueueChanged, ScheduleChanged, ScheduleFired, SettingChanged, ClockShifted]
else:
    JobEvent = Event = tuple

EVENT_NAMES: dict[str, type[Event]] = {
    "enqueued": Enqueued,
    "imported": Imported,
    "started": Started,
    "located": OutputLocated,
    "succeeded": Succeeded,
    "failed": Failed,
    "died": DeadLettered,
    "snoozed": Snoozed,
    "released": Released,
    "cancel-asked": CancelRequested,
    "canceled": Canceled,
    "unblocked": Unblocked,
    "hastened": MadeReady,
    "edited": Edited,
    "moved": Moved,
    "suspended": Suspended,
    "continued": Continued,
    "retried": Retried,
    "purged": Purged,
    "queue-changed": QueueChanged,
    "schedule-changed": ScheduleChanged,
    "schedule-fired": ScheduleFired,
    "setting-changed": SettingChanged,
    "clock-shifted": ClockShifted,
}
_NAME_OF: dict[type, str] = {kind: name for name, kind in EVENT_NAMES.items()}
_ENDING_AT: dict[type, int] = {Succeeded: 2, Failed: 2, DeadLettered: 2, Snoozed: 2, Released: 4, Canceled: 3}
_FIRST_ENDING_FIELDS = 10
_FIRST_FIELDS: dict[type, int] = {Started: 3, Retried: 2, Released: 4, Canceled: 3, Edited: 4, Unblocked: 3}
_OF_NO_JOB = (b"setting-changed", b"queue-changed", b"schedule-changed", b"schedule-fired")


def encode(events: Sequence[Event]) -> bytes:
    """Return the payload of a frame: a JSON list of events in UTF-8."""
    return fast_json.encode_text([_as_list(event) for event in events]).encode()


def name_of(event: Event) -> str:
    """Return the name of an event in the journal."""
    return _NAME_OF[type(event)]


def _as_list(event: Any) -> tuple[object, ...]:
    """Return an event as a list, without the fields of later versions when they have their defaults."""
    kind = type(event)
    if kind is Enqueued:
        return ("enqueued", *event[: _fields_of(event)])
    first = _FIRST_FIELDS.get(kind)
    if first is not None and not any(event[first:]):
        return (_NAME_OF[kind], *event[:first])
    at = _ENDING_AT.get(kind)
    if at is not None and event[at] is not None and event[at].cpu_ms is None:
        return (_NAME_OF[kind], *event[:at], event[at][:_FIRST_ENDING_FIELDS], *event[at + 1 :])
    return (_NAME_OF[kind], *event)


def _fields_of(event: Enqueued) -> int:
    """Return how many fields of the event differ from their defaults, up to the last one that does."""
    if event.wall_ms is not None:
        return 11
    if event.due_ms is not None or event.blockers:
        return 10
    return 8 if event.options else 7


def decode(payload: bytes) -> list[Event]:
    """Return the events in the payload of a frame.

    UnknownFact means that a newer version wrote the payload; the other errors mean that no version did.

    Raises: UnknownFact, ValueError, TypeError.
    """
    return [_revive(name, fields) for name, *fields in fast_json.decode(payload.decode())]


def ids_in(damaged: bytes) -> list[str]:
    """Return the IDs of jobs in a damaged frame, as far as they can be found."""
    import re

    heads = re.findall(rb'\["([^"]{1,20})","([A-Za-z0-9][A-Za-z0-9._:-]{0,127})"', damaged)
    return list(dict.fromkeys(id.decode() for name, id in heads if name not in _OF_NO_JOB))


def _revive(name: str, fields: list[Any]) -> Event:
    kind = EVENT_NAMES.get(name)
    if kind is None:
        raise UnknownFact(f"the event {name!r}")
    at = _ENDING_AT.get(kind)
    if at is not None and at < len(fields) and fields[at] is not None:
        fields[at] = _made(AttemptResult, name, fields[at])
    event: Event = _made(kind, name, fields)
    return event


def _made(kind: Any, name: str, fields: Sequence[object]) -> Any:
    try:
        return kind(*fields)
    except TypeError:
        if len(fields) > len(kind._fields):
            raise UnknownFact(f"a {name!r} event of {len(fields)} fields") from None
        raise
