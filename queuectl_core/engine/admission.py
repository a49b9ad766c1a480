"""Admission: turns requests for jobs into the events that add them, or refuses them.

`Admission` refuses invalid fields, IDs and keys that are taken, and dependencies that do not exist.

Pure. Knows the table and the settings. Changes nothing.

Invariant: within one request, a job may depend only on earlier jobs. So dependencies cannot form a cycle.
"""

from __future__ import annotations

from ..errors import BadDependency, DuplicateJob, KeyTaken, RepeatedId
from ..model import reasons
from ..model.events import Enqueued
from ..model.job import DEAD, FAILED, FINAL_STATES, NO_OPTIONS, PENDING
from ..model.job_spec import BASIC_FIELDS, DEFAULT_QUEUE, PASSING_OPTIONS, check_spec
from ..table.job_table import JobTable
from .dependencies import newest_open, oldest_dead
from .job_defaults import DefaultsByQueue

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from ..model.records import CheckedSpec, Options

_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _BASE32 for low in _BASE32]

_REQUEST_FIELDS = BASIC_FIELDS | PASSING_OPTIONS


class Admission:
    """The jobs of one request, or of one part of it, checked one after another.

    `events` has the events that add them, by ID. `ids` is the reply, one ID for each requested job. `replaced` has the
    IDs of waiting jobs to cancel. `doomed` has, by ID, the reasons of the new jobs that die at once, because a job that
    they wait for is dead. `skippable` has the IDs and keys for which the request skips its job. `newest` has the ID of
    the newest job of each batch.
    For a later part, `earlier` has the IDs of the earlier parts, `keys` their keys with the IDs, `newest` theirs too,
    and `first_index` the place of the first spec in the request.
    """

    def __init__(self, table: JobTable, defaults: DefaultsByQueue, cwd: str, now_ms: int) -> None:
        self.events: dict[str, Enqueued] = {}
        self.ids: list[str] = []
        self.replaced: list[str] = []
        self.doomed: dict[str, str] = {}
        self.skippable: set[object] = set()
        self.earlier: Collection[str] = ()
        self.keys: dict[str, str] = {}
        self.newest: dict[str, str] = {}
        self.first_index = 0
        self._table = table
        self._cwd = cwd
        self._now_ms = now_ms
        self._defaults = defaults
        usual = defaults.of(DEFAULT_QUEUE)
        self._max_retries, self._backoff_base = usual.max_retries, usual.backoff_base
        self._usual = usual.usual
        self._has_basic = usual.has_basic
        self._environ: Any = {}
        self._trace: Mapping[str, str] = {}
        self._of_batches: dict[str, Options] = {}
        """The options of jobs that set only their batch; they share them."""
        self._first_number = table.next_number
        self._time = base32(now_ms, 9)

    def use_environ(self, environ: Mapping[str, str] | None, trace: Mapping[str, str]) -> None:
        """Give all jobs this environment instead of that of their worker, and the variables of a trace.

        With None and an empty trace, change nothing.
        """
        if trace:
            self._trace = trace
            self._usual = self._defaults.of(DEFAULT_QUEUE).with_env(trace)
        if environ is not None:
            self._environ = {"environ": environ}
            self._usual = {**self._usual, **self._environ}

    @property
    def number(self) -> int:
        """Return the number of the next job."""
        return self._first_number + len(self.events)

    def add_all(self, specs: list[Any]) -> None:
        """Add jobs, and check them against each other and those in the table.

        Raises: QueueError.
        """
        for spec in specs:
            self.add(spec)
        known = self._table.known(list(self.events))
        taken = next((id for id in self.events if id in known), None) if known else None
        if taken is not None:
            places = (n for n, spec in enumerate(specs) if spec.get("id") == taken and not _accepts_existing(spec))
            raise DuplicateJob(id=taken, index=self.first_index + next(places, 0))
        for event in self.events.values() if self.replaced else ():
            for other in event.blockers:
                if other in self.replaced:
                    why = f"after: job {other} is replaced by a job of this request"
                    raise BadDependency(index=self.first_index + self.ids.index(event.id), why=why)

    def add(self, raw: object) -> None:
        """Add one job, or skip it in favor of another one. A load calls this for every job.

        Raises: QueueError.
        """
        index = self.first_index + len(self.ids)
        spec = check_spec(raw, index)
        number = self._first_number + len(self.events)
        id = spec.get("id") or self._time + base32(number, 5)  # sorts by time
        if id in self.events or id in self.earlier:
            if not _accepts_existing(spec):
                raise RepeatedId(id=id, index=index)
            self.ids.append(id)
            return
        retries, base = spec.get("max_retries", self._max_retries), spec.get("backoff_base", self._backoff_base)
        batch = spec.get("batch")
        options = self._usual if batch is None else self._of_batches.get(batch) or self._options_in(batch)
        event = Enqueued(id, number, self._now_ms, spec["command"], spec.get("cwd", self._cwd), retries, base, options)
        if spec is not raw or (self._has_basic and ("max_retries" in spec or "backoff_base" in spec)):
            holder = self._holder(spec)
            if holder is not None:
                self.ids.append(holder)
                return
            event = self._with_options(event, spec)
        self.ids.append(id)
        self.events[id] = event
        if batch is not None:
            self.newest[batch] = id

    def _options_in(self, batch: str) -> Options:
        """Return the options of a job of this batch that sets no others."""
        options = self._of_batches[batch] = {**self._usual, "batch": batch}
        return options

    def _holder(self, spec: CheckedSpec) -> str | None:
        """Return the ID of the job for which this one is skipped, or None if the request adds it.

        Raises: KeyTaken.
        """
        policy, key = spec.get("on_conflict", "refuse"), spec.get("key")
        if policy == "skip":
            self.skippable.update((spec.get("id"), key))
            if "id" in spec and self._table.get(spec["id"]) is not None:
                return spec["id"]
        holder = None if key is None else self.keys.get(key) or holder_of_key(self._table, key)
        if holder is None or holder in self.replaced:
            return None
        if policy == "skip":
            return holder
        job = self._table.get(holder)
        if policy == "replace" and job is not None and job.state in (PENDING, FAILED):
            self.replaced.append(holder)
            return None
        raise KeyTaken(key=key, id=holder, index=self.first_index + len(self.ids), runs=policy == "replace")

    def _with_options(self, event: Enqueued, spec: CheckedSpec) -> Enqueued:
        given: Any = {name: value for name, value in spec.items() if name not in _REQUEST_FIELDS}
        if self._trace:
            given["env"] = {**self._trace, **given.get("env", {})}
        defaults = self._defaults.of(spec.get("queue", DEFAULT_QUEUE))
        options: Options = {**defaults.completed(given, spec), **self._environ}
        after_any = bool(options.get("after_any"))
        blockers = [other for other in options.get("after", ()) if self._blocks(other, after_any, event.id)]
        if "after_batch" in options:
            others = (self._newest_in(batch, after_any, event.id) for batch in options["after_batch"])
            blockers = list(dict.fromkeys([*blockers, *filter(None, others)]))
        at_ms = due_ms(spec, self._now_ms, self._table.clock_shift_ms)
        if "key" in spec:
            self.keys[spec["key"]] = event.id
        retries = spec.get("max_retries", defaults.max_retries)
        base = spec.get("backoff_base", defaults.backoff_base)
        return Enqueued(*event[:5], retries, base, options or NO_OPTIONS, at_ms, blockers or (), spec.get("at"))

    def _blocks(self, id: str, after_any: bool, dependant: str) -> bool:
        """Return whether a dependant must wait for a job, or dies because that job is dead.

        Raises: BadDependency.
        """
        if id in self.events or id in self.earlier:
            return True
        job = self._table.get(id)
        if job is None:
            raise BadDependency(index=self.first_index + len(self.ids), why=f"after: job {id} does not exist")
        if job.state == DEAD and not after_any:
            self.doomed.setdefault(dependant, reasons.dependency_ended(id, job.reason or ""))
            return True
        return job.state not in FINAL_STATES

    def _newest_in(self, batch: str, after_any: bool, dependant: str) -> str | None:
        """Return the job of a batch for which a dependant must wait first, or with which it dies, or None.

        Raises: BadDependency.
        """
        if batch in self.newest:
            return self.newest[batch]
        if not any(self._table.counts_of_batch(batch).values()):
            raise BadDependency(index=self.first_index + len(self.ids), why=f"after_batch: no job is in batch {batch}")
        dead = None if after_any else oldest_dead(self._table, batch)
        newest = newest_open(self._table, batch)
        if newest is not None or dead is None:
            return newest
        reason = self._table.existing(dead).reason or ""
        self.doomed.setdefault(dependant, reasons.dependency_ended(dead, reason))
        return dead


def _accepts_existing(spec: CheckedSpec) -> bool:
    """Return whether the request accepts an existing job with the same ID."""
    return spec.get("on_conflict") == "skip" and "id" in spec


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


def base32(value: int, width: int) -> str:
    """Return a number in Crockford's base 32, with at least `width` digits."""
    if width == 5 and value < 32**5:  # a fast path: a load generates such an ID for each job
        return _PAIRS[value >> 15] + _PAIRS[value >> 5 & 1023] + _BASE32[value & 31]
    digits = ""
    while value or len(digits) < width:
        value, pair = divmod(value, 1024)
        digits = _PAIRS[pair] + digits
    return digits[1:] if len(digits) > width and digits[0] == "0" else digits
