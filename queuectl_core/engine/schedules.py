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

from ..errors import InvalidInput, InvalidJob, QueueError, UnknownSchedule
from ..model import commands, events, validators
from ..model.events import Event
from ..model.job import FINAL_STATES
from ..model.job_spec import MAX_WAIT_S, check_spec
from ..table.job_table import JobTable
from ..timestamps import END_MS
from .admission import Admission, free_id
from .job_defaults import DefaultsByQueue

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import tzinfo
    from typing import Any, Optional

    from .job_operations import Decision

    ZoneOf = Callable[[str], Optional[tzinfo]]
    """A function that returns the time zone of a name."""

    from ..model.records import Schedule

MAX_SCHEDULES = 1000
MAX_NAME = 64
_STATE = ("last_id", "paused_ms", "problem")
_KEPT = ("paused_ms", "last_id")
"""The state that a schedule keeps when a user replaces it."""

_UNFIT = ("id", "delay", "at", "after", "after_batch", "after_any")


class Schedules:
    """The schedules of one table."""

    def __init__(self, table: JobTable, defaults: DefaultsByQueue, zone_of: ZoneOf) -> None:
        self._table = table
        self._defaults = defaults
        self._zone_of = zone_of
        self._next_ms: int | None = None
        self._has_changed = True

    def next_ms(self) -> int | None:
        """Return when the first schedule is due, in ms, or None."""
        if self._has_changed:
            schedules = self._table.schedules.values()
            times = [schedule["next_ms"] for schedule in schedules if schedule.get("paused_ms") is None]
            self._next_ms = min((at_ms for at_ms in times if at_ms is not None), default=None)
            self._has_changed = False
        return self._next_ms

    def note_change(self) -> None:
        """Note that the schedules in the table changed."""
        self._has_changed = True

    def set(self, command: commands.SetSchedule, now_ms: int) -> Decision:
        """Add or replace a schedule, and reply with its fields.

        With `next_ms`, the schedule comes from another home, and continues as it was there.

        Raises: InvalidInput, InvalidJob.
        """
        name, wanted = command
        self._check_name(name)
        fields = self._checked(wanted)
        if "next_ms" in wanted:
            fields.update(_state_in(wanted))
        else:
            before = self._table.schedules.get(name, {})
            fields.update({field: before[field] for field in _KEPT if before.get(field) is not None})
            fields["next_ms"] = self._next_after(fields, now_ms)
            if fields["next_ms"] is None:
                raise InvalidInput(what="this cron time does not occur in the next nine years")
        return [events.ScheduleChanged(name, now_ms, fields)], fields

    def remove(self, command: commands.RemoveSchedule, now_ms: int) -> Decision:
        """Remove a schedule.

        Raises: UnknownSchedule.
        """
        self._known(command.name)
        return [events.ScheduleChanged(command.name, now_ms, None)], None

    def pause(self, command: commands.PauseSchedule, now_ms: int) -> Decision:
        """Pause or resume a schedule.

        Raises: UnknownSchedule, InvalidInput.
        """
        schedule: Schedule = {**self._known(command.name)}
        schedule["paused_ms"] = (schedule.get("paused_ms") or now_ms) if command.paused else None
        if not command.paused:
            schedule.pop("problem", None)
            schedule["next_ms"] = self._next_after(schedule, now_ms)  # do not make up for times during the pause
        return [events.ScheduleChanged(command.name, now_ms, schedule)], None

    def run_now(self, command: commands.RunSchedule, now_ms: int) -> Decision:
        """Add the job now, in addition to its times, even while an earlier one is unfinished. Reply with its ID.

        Raises: UnknownSchedule.
        """
        next_ms = self._known(command.name)["next_ms"]
        fired = self._fire(self._admission(now_ms), command.name, now_ms, next_ms)
        return fired, fired[-1].job_id

    def fire_due(self, command: commands.FireSchedules, now_ms: int) -> Decision:
        """Add the jobs of all schedules that are due."""
        happened: list[Event] = []
        admission = self._admission(now_ms)
        for name, schedule in self._table.schedules.items():
            due_ms = schedule["next_ms"]
            if schedule.get("paused_ms") is not None or due_ms is None or due_ms > now_ms:
                continue
            try:
                next_ms = self._next_after(schedule, now_ms)
            except QueueError as fault:  # its time zone is no longer known
                stopped: Schedule = {**schedule, "paused_ms": now_ms, "problem": str(fault)}
                happened.append(events.ScheduleChanged(name, now_ms, stopped))
                continue
            if not schedule.get("overlap") and self._is_live(schedule.get("last_id")):
                happened.append(events.ScheduleFired(name, now_ms, None, next_ms))
            else:
                happened += self._fire(admission, name, now_ms, next_ms)
        return happened, None

    def after_jump(self, jump_ms: int, now_ms: int) -> list[Event]:
        """Return the events after a jump of the clock: intervals move with it, cron times only when it went back."""
        happened: list[Event] = []
        for name, schedule in self._table.schedules.items():
            old_ms = next_ms = schedule.get("next_ms")
            if "cron" not in schedule and old_ms is not None:
                next_ms = old_ms + jump_ms
            elif jump_ms < 0:
                try:
                    next_ms = self._next_after(schedule, now_ms)
                except QueueError:
                    next_ms = None
            if next_ms != old_ms:
                happened.append(events.ScheduleChanged(name, now_ms, {**schedule, "next_ms": next_ms}))
        return happened

    def _admission(self, now_ms: int) -> Admission:
        return Admission(self._table, self._defaults, "/", now_ms)

    def _fire(self, admission: Admission, name: str, now_ms: int, next_ms: int | None) -> Sequence[Any]:
        """Return the event that adds the job of a schedule, if any, and the one that says so."""
        schedule = self._table.schedules[name]
        id = free_id(self._table, f"{name}.{now_ms // 1000}.{admission.number}")
        try:
            admission.add({"name": name, "cwd": schedule["cwd"], **schedule["spec"], "id": id})
        except QueueError:  # for example, the key of the job is taken
            pass
        event = admission.events.get(id)
        if event is None:
            return [events.ScheduleFired(name, now_ms, None, next_ms)]
        event = event._replace(options={**event.options, "schedule": name})
        return [event, events.ScheduleFired(name, now_ms, id, next_ms)]

    def _check_name(self, name: str) -> None:
        """Check that a schedule may have this name.

        Raises: InvalidInput.
        """
        why = validators.fault_in(name, validators.name)
        if why is None and len(name) > MAX_NAME:
            why = f"has more than {MAX_NAME} characters"
        if why:
            raise InvalidInput(what=f"the name of the schedule {why}")
        if name not in self._table.schedules and len(self._table.schedules) >= MAX_SCHEDULES:
            raise InvalidInput(what=f"at most {MAX_SCHEDULES} schedules are allowed; remove one first")

    def _is_live(self, id: str | None) -> bool:
        job = None if id is None else self._table.get(id)
        return job is not None and job.state not in FINAL_STATES

    def _known(self, name: str) -> Schedule:
        if name not in self._table.schedules:
            raise UnknownSchedule(name=name[:60])
        return self._table.schedules[name]

    def _checked(self, wanted: Mapping[str, object]) -> Schedule:
        """Return the fields of a schedule in the form in which they are kept, without its state.

        Raises: InvalidInput, InvalidJob.
        """
        fields: Schedule = {name: value for name, value in wanted.items() if value is not None}
        if ("cron" in fields) == ("every" in fields):
            one_of = "a cron time, like '*/15 * * * *', or an interval, like every 10m"
            raise InvalidInput(what=f"a schedule needs either {one_of}")
        spec, cwd = fields.get("spec"), fields.get("cwd", "/")
        _check_job(spec)
        why = validators.fault_in(cwd, validators.path)
        if why:
            raise InvalidInput(what=f"the folder of a schedule {why}")
        if "every" in fields and "zone" in fields:
            raise InvalidInput(what="a time zone needs a cron time; an interval has none")
        checked: Schedule = {"spec": check_spec(spec), "cwd": cwd}
        try:
            checked.update(self._checked_time(fields, is_new="next_ms" not in wanted))
        except (ValueError, OverflowError) as fault:
            raise InvalidInput(what=f"the time of a schedule {fault}") from None
        if fields.get("overlap") is True:
            checked["overlap"] = True
        return checked

    def _checked_time(self, fields: Schedule, is_new: bool) -> Schedule:
        if "every" in fields:
            return {"every_s": validators.seconds(fields["every"], 1, MAX_WAIT_S)}
        from ..model import cron

        cron.parse(str(fields["cron"]))
        zone = fields.get("zone", "UTC")
        if is_new:  # else an unknown zone pauses it when it is due, as always
            self._zone_of(str(zone))
        return {"cron": fields["cron"], "zone": zone}

    def _next_after(self, schedule: Schedule, now_ms: int) -> int | None:
        if "cron" in schedule:
            from ..model import cron

            zone = self._zone_of(str(schedule["zone"]))
            return cron.next_after(cron.parse(str(schedule["cron"])), now_ms, zone)
        every_ms = round(float(schedule["every_s"]) * 1000)
        last_ms = schedule.get("next_ms") or now_ms
        return last_ms + every_ms * ((now_ms - last_ms) // every_ms + 1)


def _check_job(spec: object) -> None:
    """Check that a schedule may add this job.

    Raises: InvalidJob.
    """
    if isinstance(spec, dict):
        for name in _UNFIT:
            if name in spec:
                raise InvalidJob(index=0, why=f"{name} cannot be set for the job of a schedule")
        if spec.get("on_conflict") == "replace":
            raise InvalidJob(index=0, why="on_conflict cannot be replace for the job of a schedule; use skip")


def _state_in(wanted: Mapping[str, object]) -> Schedule:
    """Return the state of a schedule that continues from another home.

    Raises: InvalidInput.
    """
    state: Schedule = {name: wanted[name] for name in _STATE if wanted.get(name) is not None}
    times = [ms for ms in (wanted["next_ms"], state.get("paused_ms")) if ms is not None]
    if not all(type(ms) is int and 0 <= ms < END_MS for ms in times):
        raise InvalidInput(what="next_ms and paused_ms of a schedule are times in milliseconds")
    if not validators.is_id(state.get("last_id", "a")) or not isinstance(state.get("problem", ""), str):
        raise InvalidInput(what="last_id of a schedule is the id of a job, and problem is text")
    return {**state, "next_ms": wanted["next_ms"]}


DECISIONS: dict[type, Callable[..., Decision]] = {
    commands.SetSchedule: Schedules.set,
    commands.RemoveSchedule: Schedules.remove,
    commands.PauseSchedule: Schedules.pause,
    commands.RunSchedule: Schedules.run_now,
    commands.FireSchedules: Schedules.fire_due,
}
