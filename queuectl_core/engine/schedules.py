"""Schedules: when recurring jobs are due, and the events that add them.

A schedule is a dict, which the table keeps by name:
    cron, zone  or every_s     its times
    spec, cwd                  its job as `job_spec` keeps it, and the folder of the job
    overlap                    whether it adds a job while its last one is unfinished; otherwise it skips that time
    paused_ms, next_ms         since when it is paused, and when it is due
    last_id                    the ID of the last job that it added
    problem                    why it stopped

After times that passed while no supervisor ran or the machine slept, a schedule adds one job.

Pure: the caller passes the time zones.

Invariant: `next_ms` is decided once, and the event has it. A replay needs no clock and no time zone.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput, InvalidJob, QueueError, UnknownSchedule
from ..model import events
from ..model.events import Event
from ..model.job import FINAL_STATES
from ..model.job_spec import check_cwd, check_id, check_spec, parse_seconds
from ..model.settings import Settings
from ..table.job_table import JobTable
from ..timestamps import END_MS
from .admission import admit, free_id

if TYPE_CHECKING:
    from ..model.records import Schedule

MAX_SCHEDULES = 1000
MAX_NAME = 64
_EVERY = parse_seconds(1, 10 * 365 * 86_400)
_STATE = ("last_id", "paused_ms", "problem")
Fired = tuple[list[events.Enqueued], events.ScheduleFired]
"""The job that a schedule added, if any, and the event that records this."""

_UNFIT = ("id", "delay", "at", "after", "after_any")


class Schedules:
    """The schedules of one table."""

    def __init__(self, table: JobTable, zone_of: Callable[[str], datetime.tzinfo | None]) -> None:
        self._table = table
        self._zone_of = zone_of
        self._next_ms: int | None = None
        self._has_changed = True

    def next_ms(self) -> int | None:
        """Return when the first schedule is due, in ms, or None."""
        if self._has_changed:
            self._next_ms, self._has_changed = self._first_ms(), False
        return self._next_ms

    def note_change(self) -> None:
        """Note that the schedules in the table changed."""
        self._has_changed = True

    def _first_ms(self) -> int | None:
        times = [one["next_ms"] for one in self._table.schedules.values() if one.get("paused_ms") is None]
        return min((at_ms for at_ms in times if at_ms is not None), default=None)

    def set(self, name: str, wanted: Mapping[str, object], now_ms: int) -> events.ScheduleChanged:
        """Return the event that adds or replaces a schedule.

        With `next_ms`, the schedule comes from another home, and continues as it was there.

        Raises: InvalidInput, InvalidJob.
        """
        why = check_id(name) or (f"has more than {MAX_NAME} characters" if len(name) > MAX_NAME else None)
        if why:
            raise InvalidInput(what=f"the name of the schedule {why.replace('an ID', 'a name')}")
        if name not in self._table.schedules and len(self._table.schedules) >= MAX_SCHEDULES:
            raise InvalidInput(what=f"at most {MAX_SCHEDULES} schedules are allowed; remove one first")
        fields = self._checked(wanted)
        if "next_ms" in wanted:
            continued: Any = {**fields, **_state_in(wanted)}
            return events.ScheduleChanged(name, now_ms, continued)
        before = self._table.schedules.get(name)
        if before is not None and before.get("paused_ms") is not None:
            fields["paused_ms"] = before["paused_ms"]
        if before is not None and before.get("last_id") is not None:
            fields["last_id"] = before["last_id"]
        fields["next_ms"] = self._next_after(fields, now_ms)
        if fields["next_ms"] is None:
            raise InvalidInput(what="this cron time does not occur in the next nine years")
        return events.ScheduleChanged(name, now_ms, fields)

    def remove(self, name: str, now_ms: int) -> Event:
        self._known(name)
        return events.ScheduleChanged(name, now_ms, None)

    def pause(self, name: str, paused: bool, now_ms: int) -> Event:
        """Return the event that pauses or resumes a schedule."""
        one: Schedule = {**self._known(name)}
        one["paused_ms"] = (one.get("paused_ms") or now_ms) if paused else None
        if not paused:
            one.pop("problem", None)
            one["next_ms"] = self._next_after(one, now_ms)  # do not make up for times during the pause
        return events.ScheduleChanged(name, now_ms, one)

    def run_now(self, name: str, settings: Settings, now_ms: int) -> Fired:
        """Return the events that add the job now, in addition to its times, even while an earlier one is unfinished."""
        return self._fire(name, self._known(name), settings, now_ms, self._known(name)["next_ms"])

    def tick(self, settings: Settings, now_ms: int) -> list[Event]:
        """Return the events of all schedules that are due."""
        found: list[Event] = []
        keys: dict[str, str] = {}
        for name, one in self._table.schedules.items():
            due_ms = one["next_ms"]
            if one.get("paused_ms") is not None or due_ms is None or due_ms > now_ms:
                continue
            try:
                next_ms = self._next_after(one, now_ms)
            except QueueError as fault:  # its time zone is no longer known
                stopped: Schedule = {**one, "paused_ms": now_ms, "problem": str(fault)}
                found.append(events.ScheduleChanged(name, now_ms, stopped))
                continue
            if not one.get("overlap") and self._is_live(one.get("last_id")):
                found.append(events.ScheduleFired(name, now_ms, None, next_ms))
            else:
                added, fired = self._fire(name, one, settings, now_ms, next_ms, len(found), keys)
                found += [*added, fired]
        return found

    def after_jump(self, jump_ms: int, now_ms: int) -> list[Event]:
        """Return the events after a jump of the clock: intervals move with it, cron times only when it went back."""
        found: list[Event] = []
        for name, one in self._table.schedules.items():
            next_ms = one.get("next_ms")
            if "cron" not in one and next_ms is not None:
                next_ms = next_ms + jump_ms
            elif jump_ms < 0:
                next_ms = self._next_or_none(one, now_ms)
            if next_ms != one.get("next_ms"):
                found.append(events.ScheduleChanged(name, now_ms, {**one, "next_ms": next_ms}))
        return found

    def _next_or_none(self, one: Schedule, now_ms: int) -> int | None:
        try:
            return self._next_after(one, now_ms)
        except QueueError:
            return None

    def _fire(  # noqa: PLR0913  # `tick` and `run_now` share it
        self,
        name: str,
        one: Schedule,
        settings: Settings,
        now_ms: int,
        next_ms: int | None,
        before: int = 0,
        keys: dict[str, str] | None = None,
    ) -> Fired:
        spec = {"name": name, **one["spec"]}
        try:
            admitted = admit(self._table, settings, [spec], one["cwd"], now_ms, (), keys).events
        except QueueError:  # for example, the key of the job is taken
            admitted = []
        if not admitted:
            return [], events.ScheduleFired(name, now_ms, None, next_ms)
        event = admitted[0]
        number = event.number + before  # the jobs of this tick are not in the table yet
        id = free_id(self._table, f"{name}.{now_ms // 1000}.{number}")
        event = event._replace(id=id, number=number, options={**event.options, "schedule": name})
        return [event], events.ScheduleFired(name, now_ms, event.id, next_ms)

    def _is_live(self, id: str | None) -> bool:
        job = None if id is None else self._table.get(id)
        return job is not None and job.state not in FINAL_STATES

    def _known(self, name: str) -> Schedule:
        if name not in self._table.schedules:
            raise UnknownSchedule(name=name[:60])
        return self._table.schedules[name]

    def _checked(self, wanted: Mapping[str, object]) -> Schedule:
        fields: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
        if ("cron" in fields) == ("every" in fields):
            raise InvalidInput(
                what="a schedule needs either a cron time, like '*/15 * * * *', or an interval, like every 10m"
            )
        spec = fields.get("spec")
        unfit = next((name for name in _UNFIT if isinstance(spec, dict) and name in spec), None)
        if unfit is not None:
            raise InvalidJob(index=0, why=f"{unfit} cannot be set for the job of a schedule")
        if isinstance(spec, dict) and spec.get("on_conflict") == "replace":
            raise InvalidJob(index=0, why="on_conflict cannot be replace for the job of a schedule; use skip")
        why = check_cwd(fields.get("cwd", "/"))
        if why:
            raise InvalidInput(what=f"the folder of a schedule {why}")
        if "every" in fields and "zone" in fields:
            raise InvalidInput(what="a time zone needs a cron time; an interval has none")
        found: Schedule = {"spec": check_spec(spec), "cwd": fields.get("cwd", "/")}
        try:
            if "cron" in fields:
                from ..model import cron

                cron.parse(str(fields["cron"]))
                found["cron"], found["zone"] = fields["cron"], fields.get("zone", "UTC")
                if "next_ms" not in wanted:  # else an unknown zone pauses it when it is due, as always
                    self._zone_of(str(found["zone"]))
            else:
                found["every_s"] = _EVERY(fields["every"])
        except (ValueError, OverflowError) as fault:
            raise InvalidInput(what=f"the time of a schedule {fault}") from None
        if fields.get("overlap") is True:
            found["overlap"] = True
        return found

    def _next_after(self, one: Schedule, now_ms: int) -> int | None:
        if "cron" in one:
            from ..model import cron

            return cron.next_after(cron.parse(str(one["cron"])), now_ms, self._zone_of(str(one["zone"])))
        every_ms = round(float(one["every_s"]) * 1000)
        last_ms = one.get("next_ms") or now_ms
        return last_ms + every_ms * ((now_ms - last_ms) // every_ms + 1)


def _state_in(wanted: Mapping[str, object]) -> dict[str, Any]:
    """Return the state of a schedule that continues from another home.

    Raises: InvalidInput.
    """
    found = {name: wanted[name] for name in _STATE if wanted.get(name) is not None}
    times = [ms for ms in (wanted["next_ms"], found.get("paused_ms")) if ms is not None]
    if not all(type(ms) is int and 0 <= ms < END_MS for ms in times):
        raise InvalidInput(what="next_ms and paused_ms of a schedule are times in milliseconds")
    if check_id(found.get("last_id", "a")) or not isinstance(found.get("problem", ""), str):
        raise InvalidInput(what="last_id of a schedule is the id of a job, and problem is text")
    return {**found, "next_ms": wanted["next_ms"]}
