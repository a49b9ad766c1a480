"""Events: the facts of a queue, in the past tense, and how they stand in the journal.

An event says all that the engine needs to apply it, so that replaying events gives exactly the live state. In the
journal each is a JSON list: its name, then its fields in order. Pure; knows neither the engine nor the journal's
framing. The trap: journals outlive versions. A field, once released, keeps its place; new ones go to the end, with a
default.
Without the `annotations` of __future__: typing compiles each one that is text, and that costs every start 2 ms.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

from .job import NO_OPTIONS

if TYPE_CHECKING:
    from .records import ImportedFields, Options, Rules, Schedule
else:  # evaluated below, where text would cost more
    ImportedFields = Options = Rules = Schedule = Mapping


class UnknownFact(ValueError):
    """An event, or a field of one, that this version does not know; the text names it."""


class Ending(NamedTuple):
    """How one attempt ended, and where its output lies. `outcome` is one of exit, signal, timeout, spawn-failed,
    worker-lost; `detail` a clause for people. `cpu_ms` and `peak_bytes` (of memory) are the shell's and those of what
    it has waited for.
    """

    outcome: str
    exit_code: Optional[int]
    signal: Optional[int]
    ended_ms: int
    duration_ms: int
    log_file: Optional[str] = None
    log_offset: int = 0
    output_bytes: int = 0
    dropped_bytes: int = 0
    detail: Optional[str] = None
    cpu_ms: Optional[int] = None
    peak_bytes: Optional[int] = None


class Enqueued(NamedTuple):
    id: str
    number: int
    at_ms: int
    command: str
    cwd: str
    max_retries: int
    backoff_base: float
    options: Options = NO_OPTIONS
    due_ms: Optional[int] = None
    blockers: Sequence[str] = ()
    wall_ms: Optional[int] = None
    """What the wall clock is to say when it may run first; `due_ms` follows from it, and from how the clock is set."""


class Imported(NamedTuple):
    """A job as another home had it: `fields` are those of `Job`, but its id and number."""

    id: str
    number: int
    at_ms: int
    fields: ImportedFields


class Started(NamedTuple):
    """Handed to a worker, of this instance name."""

    id: str
    at_ms: int
    worker: str


class Located(NamedTuple):
    """An attempt that takes long began at `at_ms`; its output begins at this offset of this segment."""

    id: str
    at_ms: int
    log_file: str
    log_offset: int


class Succeeded(NamedTuple):
    id: str
    at_ms: int
    ending: Ending


class Failed(NamedTuple):
    """Failed, with a retry left: the next run is due at `due_ms`."""

    id: str
    at_ms: int
    ending: Ending
    reason: str
    due_ms: int


class Died(NamedTuple):
    """Failed with no retry left: into the dead letter queue."""

    id: str
    at_ms: int
    ending: Ending
    reason: str


class Snoozed(NamedTuple):
    """It asked for it by its exit code: pending again until `due_ms`, without the attempt being counted."""

    id: str
    at_ms: int
    ending: Ending
    reason: str
    due_ms: int


class CancelAsked(NamedTuple):
    """Its run is to be ended with this signal; `Canceled` follows once it has."""

    id: str
    at_ms: int
    signal: int


class Canceled(NamedTuple):
    """Into the dead letter queue without being tried (again): by hand, or because a job it waited for has died.
    `ending` is that of the run which this has ended.
    """

    id: str
    at_ms: int
    reason: str
    ending: Optional[Ending] = None


class Unblocked(NamedTuple):
    """It does not wait for the job `by` any more."""

    id: str
    at_ms: int
    by: str


class Hastened(NamedTuple):
    """A wait for a time was cut short by hand."""

    id: str
    at_ms: int


class Edited(NamedTuple):
    """Changed by hand: these fields, as `job_spec` keeps them; None: back to what is not given. `due_ms` as in
    `Enqueued` when that was changed, else None.
    """

    id: str
    at_ms: int
    fields: Mapping[str, object]
    due_ms: Optional[int] = None
    wall_ms: Optional[int] = None


class Suspended(NamedTuple):
    """Its run has been told to stop for a while."""

    id: str
    at_ms: int


class Continued(NamedTuple):
    id: str
    at_ms: int


class Released(NamedTuple):
    """Back to pending without the attempt being counted; `reason` says why. Not `begun`: its command was never
    started; else `ending` is how it was ended.
    """

    id: str
    at_ms: int
    reason: str
    begun: bool
    ending: Optional[Ending] = None


class Retried(NamedTuple):
    """Taken out of the dead letter queue by hand, its attempts counted from 0 again; `blockers` are what it waits for,
    once more.
    """

    id: str
    at_ms: int
    blockers: Sequence[str] = ()


class Purged(NamedTuple):
    id: str
    at_ms: int


class SettingChanged(NamedTuple):
    """`value` None: unset."""

    key: str
    value: object
    at_ms: int


class QueueChanged(NamedTuple):
    """The rules of a named queue: those fields that change (see `named_queue.RULES`); None: unset. `*` is all
    queues.
    """

    name: str
    at_ms: int
    fields: Rules


class ScheduleChanged(NamedTuple):
    """Its fields are these (see `schedules`); None: there is none of this name any more."""

    name: str
    at_ms: int
    fields: Optional[Schedule]


class ScheduleFired(NamedTuple):
    """Its time had come: the job `job_id` was added, or none (None); the next time is `next_ms`."""

    name: str
    at_ms: int
    job_id: Optional[str]
    next_ms: Optional[int]


class ClockShifted(NamedTuple):
    """The wall clock was set: all shifts so far add up to `shift_ms`. Waits are measured without them."""

    shift_ms: int
    at_ms: int


JobEvent = Union[
    Enqueued, Imported, Started, Located, Succeeded, Failed, Died, Snoozed, Released, CancelAsked, Canceled, Unblocked,
    Hastened, Edited, Suspended, Continued, Retried, Purged,
]  # fmt: skip
"""What happens to one job: its `id`."""

Event = Union[JobEvent, QueueChanged, ScheduleChanged, ScheduleFired, SettingChanged, ClockShifted]

EVENT_NAMES: dict[str, type[Event]] = {
    "enqueued": Enqueued,
    "imported": Imported,
    "started": Started,
    "located": Located,
    "succeeded": Succeeded,
    "failed": Failed,
    "died": Died,
    "snoozed": Snoozed,
    "released": Released,
    "cancel-asked": CancelAsked,
    "canceled": Canceled,
    "unblocked": Unblocked,
    "hastened": Hastened,
    "edited": Edited,
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
_ENDING_AT: dict[type, int] = {Succeeded: 2, Failed: 2, Died: 2, Snoozed: 2, Released: 4, Canceled: 3}
_FIRST_ENDING_FIELDS = 10
_FIRST_FIELDS: dict[type, int] = {Enqueued: 7, Retried: 2, Released: 4, Canceled: 3, Edited: 4}
_ENQUEUED_FIELDS = 10
_OF_NO_JOB = (b"setting-changed", b"queue-changed", b"schedule-changed", b"schedule-fired")
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))


def encode(events: Sequence[Event]) -> bytes:
    """The payload of a frame: a JSON list of events, UTF-8."""
    return _encoder.encode([_as_list(event) for event in events]).encode()


def name_of(event: Event) -> str:
    """As it is called in the journal."""
    return _NAME_OF[type(event)]


def _as_list(event: Any) -> tuple[object, ...]:
    """Fields that were added later are written when one of them says something."""
    kind = type(event)
    at = _ENDING_AT.get(kind)
    if at is not None and event[at] is not None and event[at].cpu_ms is None:
        return (_NAME_OF[kind], *event[:at], event[at][:_FIRST_ENDING_FIELDS], *event[at + 1 :])
    first = _FIRST_FIELDS.get(kind)
    if first is not None and not any(event[first:]):
        return (_NAME_OF[kind], *event[:first])
    if kind is Enqueued and event.wall_ms is None:
        return (_NAME_OF[kind], *event[:_ENQUEUED_FIELDS])
    return (_NAME_OF[kind], *event)


def decode(payload: bytes) -> list[Event]:
    """Return what `encode` was given.

    Raises:
        UnknownFact: a newer version has written it.
        ValueError, TypeError: nobody has.
    """
    return [_revive(name, fields) for name, *fields in json.loads(payload)]


def ids_in(damaged: bytes) -> list[str]:
    """The ids of the jobs that bytes which are no whole frame any more still speak of; as far as can be told."""
    found = re.findall(rb'\["([^"]{1,20})","([A-Za-z0-9][A-Za-z0-9._:-]{0,127})"', damaged)
    return list(dict.fromkeys(id.decode() for name, id in found if name not in _OF_NO_JOB))


def _revive(name: str, fields: list[Any]) -> Event:
    kind = EVENT_NAMES.get(name)
    if kind is None:
        raise UnknownFact(f"the event {name!r}")
    at = _ENDING_AT.get(kind)
    if at is not None and at < len(fields) and fields[at] is not None:
        fields[at] = _made(Ending, name, fields[at])
    event: Event = _made(kind, name, fields)
    return event


def _made(kind: Any, name: str, fields: Sequence[object]) -> Any:
    try:
        return kind(*fields)
    except TypeError:
        if len(fields) > len(kind._fields):
            raise UnknownFact(f"a {name!r} event of {len(fields)} fields") from None
        raise
