"""Admission: turns requests for jobs into the events that add them, or refuses them.

It refuses invalid fields, IDs and keys that are taken, and dependencies that do not exist.

Pure. Knows the table and the settings. Changes nothing.

Invariant: within one request, a job may depend only on earlier jobs. So dependencies cannot form a cycle.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import BadDependency, DuplicateJob, KeyTaken, RepeatedId
from ..model.events import Enqueued
from ..model.job import DEAD, FAILED, FINAL_STATES, NO_OPTIONS, PENDING
from ..model.job_spec import BASIC_FIELDS, PASSING_OPTIONS, check_spec
from ..model.settings import Settings
from ..table.job_table import JobTable

if TYPE_CHECKING:
    from ..model.records import CheckedSpec, Options

_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _BASE32 for low in _BASE32]

SETTINGS_OF_JOBS = {
    "backoff_max": "backoff-max",
    "jitter": "jitter",
    "retry_on": "retry-on",
    "fail_on": "fail-on",
    "timeout": "timeout",
}
"""The fields that a job takes from the changed settings unless it sets them itself."""


class Admitted(NamedTuple):
    """The events that add the jobs of a request.

    `ids` is the reply, one ID for each requested job. `replaced` are the IDs of waiting jobs to cancel.
    """

    events: list[Enqueued]
    ids: list[str]
    replaced: list[str]


def admit(  # noqa: C901, PLR0913  # the hot loop of a load, which calls it once a part
    table: JobTable,
    settings: Settings,
    specs: list[object],
    cwd: str,
    now_ms: int,
    earlier: Collection[str] = (),
    keys: dict[str, str] | None = None,
    first_index: int = 0,
) -> Admitted:
    """Return the events that add these jobs, which may be one part of a request.

    `earlier` has the IDs of the earlier parts. `keys` has their keys with the IDs, and grows. `first_index` is the
    place of the first spec in the request.

    Raises: QueueError.
    """
    max_retries, backoff_base = settings["max-retries"], settings["backoff-base"]
    defaults = _defaults(settings) if settings.values else {}
    number = table.next_number
    time = base32(now_ms, 9)
    found = Admitted([], [], [])
    seen: set[str] = set()
    keys = {} if keys is None else keys
    for n, raw in enumerate(specs, first_index):
        spec = check_spec(raw, n)
        id = spec.get("id") or time + base32(number, 5)  # sorts by time
        if id in seen or id in earlier:
            if not _may_stand(spec):
                raise RepeatedId(id=id, index=n)
            found.ids.append(id)
            continue
        retries, base = spec.get("max_retries", max_retries), spec.get("backoff_base", backoff_base)
        event = Enqueued(id, number, now_ms, spec["command"], spec.get("cwd", cwd), retries, base)
        if defaults or spec is not raw:  # the job has more than basic fields
            taken = id if _stands(table, spec) else _holder_of_key(table, keys, spec, n, found.replaced)
            if taken is not None:
                found.ids.append(taken)
                continue
            event = _with_options(table, event, spec, defaults, seen, earlier, n)
            if "key" in spec:
                keys[spec["key"]] = id
        seen.add(id)
        found.ids.append(id)
        found.events.append(event)
        number += 1
    known = table.known([event.id for event in found.events])
    for event in found.events if known else ():
        if event.id in known:
            raise DuplicateJob(id=event.id, index=first_index + _index_of(event.id, specs))
    for event in found.events if found.replaced else ():
        given_way = next((other for other in event.blockers if other in found.replaced), None)
        if given_way is not None:
            why = f"after: job {given_way} is replaced by a job of this request"
            raise BadDependency(index=first_index + found.ids.index(event.id), why=why)
    return found


def _may_stand(spec: CheckedSpec) -> bool:
    """Return whether the request accepts an existing job with the same ID."""
    return spec.get("on_conflict") == "skip" and "id" in spec


def _stands(table: JobTable, spec: CheckedSpec) -> bool:
    """Return whether the request accepts a job with its ID that already exists, finished or not."""
    return _may_stand(spec) and bool(table.known([spec["id"]]))


def _index_of(id: str, specs: list[Any]) -> int:
    """Return the place of the job whose ID is taken. A generated ID never is."""
    return next((n for n, spec in enumerate(specs) if spec.get("id") == id and not _may_stand(spec)), 0)


def _defaults(settings: Settings) -> Options:
    values = {name: settings[key] for name, key in SETTINGS_OF_JOBS.items() if key in settings.values}
    defaults: Any = {name: value for name, value in values.items() if value or name == "backoff_max"}
    options: Options = defaults
    return options


def _with_options(  # noqa: PLR0913  # what `admit` knows
    table: JobTable,
    event: Enqueued,
    spec: CheckedSpec,
    defaults: Options,
    seen: Collection[str],
    earlier: Collection[str],
    index: int,
) -> Enqueued:
    given: Any = {
        name: value for name, value in spec.items() if name not in BASIC_FIELDS and name not in PASSING_OPTIONS
    }
    options: Options = {**defaults, **given}
    blockers = []
    for other in options.get("after", ()):
        if other in seen or other in earlier or _is_open(table, other, index, bool(options.get("after_any"))):
            blockers.append(other)
    return event._replace(
        options=options or NO_OPTIONS,
        due_ms=due_ms(spec, event.at_ms, table.clock_shift_ms),
        blockers=blockers or (),
        wall_ms=spec.get("at"),
    )


def due_ms(fields: Mapping[str, Any], now_ms: int, clock_shift_ms: int) -> int | None:
    """Return when the job may run first, in ms without the clock shift, or None if the fields give no time."""
    if fields.get("at") is not None:
        return max(1, int(fields["at"]) - clock_shift_ms)
    if fields.get("delay"):
        return now_ms - clock_shift_ms + round(float(fields["delay"]) * 1000)
    return None


def free_id(table: JobTable, wanted: str) -> str:
    """Return this ID for a job that the queue adds itself, or a longer one if a user has already used it."""
    id, n = wanted, 1
    while table.get(id) is not None:
        n += 1
        id = f"{wanted}.{n}"
    return id


def holder_of_key(table: JobTable, key: str) -> str | None:
    """Return the ID of the unfinished job with this key."""
    entries = table.scan(f"key/{key}", 1)
    return entries[0][1] if entries else None


def _holder_of_key(
    table: JobTable, keys: dict[str, str], spec: CheckedSpec, index: int, replaced: list[str]
) -> str | None:
    """Return the ID of the job for which this one is skipped, or None if the request adds it.

    Raises: KeyTaken.
    """
    if "key" not in spec:
        return None
    key, policy = spec["key"], spec.get("on_conflict", "refuse")
    holder = keys.get(key) or holder_of_key(table, key)
    if holder is None or holder in replaced:
        return None
    if policy == "skip":
        return holder
    job = table.get(holder)
    if policy == "replace" and job is not None and job.state in (PENDING, FAILED):
        replaced.append(holder)
        return None
    raise KeyTaken(key=key, id=holder, index=index, runs=policy == "replace")


def _is_open(table: JobTable, other: str, index: int, after_any: bool) -> bool:
    """Return whether the job `other` is unfinished, so that a dependant must wait for it.

    Raises: BadDependency.
    """
    job = table.get(other)
    if job is None:
        raise BadDependency(index=index, why=f"after: job {other} does not exist")
    if job.state == DEAD and not after_any:
        raise BadDependency(index=index, why=f"after: job {other} is dead; retry it first, or use after_any")
    return job.state not in FINAL_STATES


def base32(value: int, width: int) -> str:
    """Return a number in Crockford's base 32, with at least `width` digits."""
    if width == 5 and value < 32**5:  # a fast path: a load generates such an ID for each job
        return _PAIRS[value >> 15] + _PAIRS[value >> 5 & 1023] + _BASE32[value & 31]
    digits = ""
    while value or len(digits) < width:
        value, digit = divmod(value, 32)
        digits = _BASE32[digit] + digits
    return digits
