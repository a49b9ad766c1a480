"""`queuectl schedule`: jobs that recur."""

from __future__ import annotations

from ...api import Queue
from ...errors import InvalidInput, UnknownSchedule
from ...system.time_zones import local_name
from ...timestamps import format_span
from ..fast_args import Action, Arguments
from ..job_options import JOB_FLAGS, job_fields, join, variable_fields
from ..screen import Screen
from ..value_args import local_time

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...model.queue_records import ScheduleRecord, ScheduleTimes
    from ...model.records import JobFields
    from ..screen import Columns

TAKES_WORDS = True
SUMMARY = """Adds a job repeatedly while a supervisor runs; missed runs catch up once. A run is skipped while the
previous job is unfinished."""
EXAMPLES = [
    "queuectl schedule add nightly '30 2 * * *' -- ./backup.sh",
    "queuectl schedule add poll --every 10m --timeout 5m -- ./poll.sh",
    "queuectl schedule list",
]
_NAMED = {
    "remove": "remove a schedule; its jobs stay",
    "pause": "stop adding jobs",
    "resume": "add jobs again; runs missed during the pause are skipped",
    "run-now": "add its job now, in addition to its times",
}
_NAME = ("name", "NAME", "name of the schedule")
ACTIONS = {
    "add": Action(
        "add or change a schedule",
        EXAMPLES[0],
        _NAME,
        ("cron", "CRON?", "minute hour day-of-month month day-of-week, or @daily …"),
        ("--every", "TIME", "interval instead of CRON, like 10m or 2h"),
        ("--tz", "ZONE", "time zone of CRON, like Europe/Berlin (default: local)"),
        ("--overlap", "", "add a job even if the previous one is unfinished"),
        INSTEAD_OF={"--at": "for 02:30 each day, use CRON: queuectl schedule add NAME '30 2 * * *' -- ./backup.sh"},
        USAGE="queuectl schedule add NAME (CRON | --every TIME) [options] -- WORD …",
        JOB_FLAGS=[flag for flag in JOB_FLAGS if flag[0] not in ("--delay", "--at")],
    ),
    "list": Action("list schedules and their next times", "queuectl schedule list"),
    "show": Action(
        "show a schedule and all fields of its job",
        "queuectl schedule show nightly",
        ("name", "NAME?", "name of the schedule (default: list all)"),
    ),
    **{name: Action(help, f"queuectl schedule {name} nightly", _NAME) for name, help in _NAMED.items()},
}


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print or change schedules."""
    if args.words is not None and args.action != "add":
        raise InvalidInput(what=f"`queuectl schedule {args.action}` accepts nothing after --")
    if args.action in ("list", "show"):
        return _show(queue, vars(args).get("name"), screen)
    if args.action == "run-now":
        id = queue.run_schedule(args.name)
        return screen.result({"id": id}, id or "no job added: an unfinished job already has its key")
    done = _DONE[args.action]
    before = None
    if args.action == "add":
        before = _named(queue, args.name)
        done = "changed" if before else "added"
        _add(queue, args)
    elif args.action == "remove":
        queue.remove_schedule(args.name)
    else:
        queue.pause_schedule(args.name, args.action == "pause")
    schedule = _named(queue, args.name)
    less = _lost(before, schedule)
    next_at = schedule and not schedule["paused_since"] and schedule["next_run_at"]
    next_run = f"; next run: {local_time(next_at)}" if next_at else ""
    screen.done(schedule, f"{done} schedule {args.name}{less}{next_run}")


_DONE = {"add": "added", "remove": "removed", "pause": "paused", "resume": "resumed"}


def _add(queue: Queue, args: Arguments) -> None:
    if not args.words:
        raise InvalidInput(what="put a command after --: queuectl schedule add nightly @daily -- ./backup.sh")
    if (args.cron is None) == (args.every is None):
        raise InvalidInput(what="use a quoted cron time, like '*/15 * * * *', or --every 10m")
    fields: JobFields = {**variable_fields(), **job_fields(args)}
    cwd = fields.pop("cwd", None)
    when: ScheduleTimes = {"every": args.every, "overlap": args.overlap, "zone": args.tz}
    if args.cron is not None:
        when["cron"], when["zone"] = args.cron, local_name() if args.tz is None else args.tz
    queue.set_schedule(args.name, {"command": join(args.words), **fields}, cwd, **when)


def _named(queue: Queue, name: str) -> ScheduleRecord | None:
    return next(iter(queue.schedules(name)), None)


def _lost(before: ScheduleRecord | None, after: ScheduleRecord | None) -> str:
    """Return a clause with the fields that the new definition of a schedule no longer sets."""
    names = sorted(_settings(before).keys() - _settings(after).keys()) if before and after else []
    return f" (no longer set: {', '.join(names)})" if names else ""


def _settings(schedule: ScheduleRecord) -> dict[str, object]:
    """Return what a definition of a schedule sets beside its times."""
    fields = {**schedule["job"], "overlap": schedule["overlap"]}
    return {name: value for name, value in fields.items() if value}


def _show(queue: Queue, name: str | None, screen: Screen) -> None:
    """Print one schedule whole, or without a name all as a table; with --json, as JSON.

    Raises: UnknownSchedule.
    """
    if name is None:
        records = queue.schedules()
        return screen.records(_columns_for(records), records)
    schedule = _named(queue, name)
    if schedule is None:
        raise UnknownSchedule(name=name)
    if screen.json:
        return screen.value(schedule)
    from ..job_details import print_field

    told = {"schedule": name, "times": _times(schedule), "next": _next_run(schedule), "last job": schedule["last_job"]}
    for field, value in {**told, "overlap": schedule["overlap"] or None, **schedule["job"]}.items():
        print_field(field, value, screen)


def _next_run(schedule: ScheduleRecord) -> str | None:
    return schedule["problem"] or "paused" if schedule["paused_since"] else schedule["next_run_at"]


def _times(schedule: ScheduleRecord) -> str:
    if schedule["every_s"] is None:
        return f"{schedule['cron']} {schedule['zone']}"
    return f"every {format_span(round(schedule['every_s'] * 1000))}"


def _hooks(schedule: ScheduleRecord) -> str | None:
    return ", ".join(name[3:] for name in schedule["job"] if name.startswith("on_") and name != "on_conflict") or None


def _columns_for(records: Sequence[ScheduleRecord]) -> Columns:
    """Return the columns of the table; few homes have schedules with hooks."""
    hooks = {"HOOKS": _hooks} if any(map(_hooks, records)) else {}
    return {**_COLUMNS, **hooks, "COMMAND": lambda schedule: schedule["job"]["command"]}


_COLUMNS = {
    "SCHEDULE": "schedule",
    "TIMES": _times,
    "NEXT": _next_run,
    "LAST JOB": "last_job",
}
