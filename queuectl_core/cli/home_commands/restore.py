"""`queuectl restore`: a home from a backup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ...api import Queue
from ...errors import Corrupt, InvalidInput, QueueError
from ...model.settings import check_setting
from ...model.states import PROCESSING
from ...repair.backup_image import Image
from ...system.clock import now_ms
from ..fast_args import Arguments
from ..job_export import portions, read_lines
from ..screen import Screen, counted

if TYPE_CHECKING:
    from ...model.queue_records import QueueLimits

SUMMARY = """Fills a home without jobs from a `queuectl backup` file: jobs, queues, schedules and
settings. Jobs that were running or suspended wait. No job starts before all are restored; after an
interruption the home is paused, and the same call continues."""
EXAMPLES = ["queuectl --home /var/lib/new restore home.jsonl", "gunzip < home.jsonl.gz | queuectl restore -"]
OPTIONS = (("file", "FILE", "backup file; - is standard input"),)
VERSIONS = (1, 2, 3)
_RULES = ("limit", "rate", "limit_load", "min_free_mem", "defaults")
SCHEDULE = ("spec", "cwd", "cron", "zone", "overlap", "next_ms", "last_id", "paused_ms", "problem")
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, Corrupt)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Restore the backup, or continue an earlier restore."""
    image = _image_of(read_lines(args.file), args.file)
    try:
        _check_rest(image)
        ids = image.ids()
    except _DAMAGE as fault:
        raise InvalidInput(what=f"{args.file} is damaged: {fault}") from None
    is_repeat = _is_repeat(queue, image, set(ids))
    try:
        ran = _restore(queue, image, ids, is_repeat)
    except (QueueError, KeyboardInterrupt):
        screen.note("the restore is incomplete and the home is paused; repeat the same call to continue")
        raise
    screen.done({"count": len(ids)}, f"restored {counted(len(ids))}")
    if not (args.quiet or screen.json):
        screen.note("the output of jobs isn't part of a backup")
        if ran:
            which = "1 job was running" if len(ran) == 1 else f"{len(ran)} jobs were running"
            screen.note(f"{which} at the backup, and can run again here; don't run both homes")


def _restore(queue: Queue, image: Image, ids: list[str], is_repeat: bool) -> list[str]:
    """Restore the backup, and return the jobs that are pending because they ran when it was made."""
    ran: list[str] = []
    queue.set_queue("*", paused=True)
    _restore_rules(queue, image)
    for portion in portions(_jobs(image, ids, ran)):
        queue.import_jobs([job for _, job in portion], skip=is_repeat)
    _restore_schedules(queue, image, is_repeat)
    queue.set_queue("*", **_pause_of(image, "*"))
    return ran


def _jobs(image: Image, ids: list[str], ran: list[str]) -> Iterator[tuple[int, object]]:
    """Yield the numbered jobs, and add to `ran` those that will be pending because they ran."""
    for number, id in enumerate(ids):
        job = image.exported(id)
        if job["state"] == PROCESSING and not job.get("cancel"):
            ran.append(id)
        yield number, job


def _image_of(lines: Iterable[tuple[int, Any]], path: str) -> Image:
    """Return the home that the lines after the last head describe.

    Raises: InvalidInput, NewerFormat.
    """
    image, count = None, 0
    for number, line in lines:
        is_head = isinstance(line, dict) and line.get("queuectl_backup") in VERSIONS
        if image is None and not is_head:
            break
        try:
            if image is None or is_head:
                image, count = Image(line), -1  # in version 1, the head holds the rest of the home
            elif line.get("end") == count:
                return image
            else:
                _take(image, line)
        except _DAMAGE as fault:
            raise InvalidInput(what=f"{path} is damaged in line {number}: {fault}") from None
        count += 1
    if image is None:
        raise InvalidInput(what=f"{path} is not a backup that this version can read")
    raise InvalidInput(what=f"{path} is incomplete; nothing was restored")


def _take(image: Image, line: dict[str, Any]) -> None:
    """Apply one line after a head to the image."""
    if "job" in line:
        image.put(line["job"])
    elif "gone" in line:
        image.drop(line["gone"])
    elif "rest" in line:
        image.begin(line["rest"])
    elif "events" in line:
        image.replay(line["sequence"], line["events"])


def _check_rest(image: Image) -> None:
    """Check the settings, queues, and schedules before the restore begins.

    Raises: ValueError, KeyError, TypeError, AttributeError, InvalidSetting.
    """
    table = image.table
    rules = [*table.queues.values(), *table.schedules.values(), table.settings]
    if not all(isinstance(rule, dict) for rule in rules):
        raise ValueError("its settings, queues or schedules are not valid")
    for schedule in table.schedules.values():
        schedule["spec"], schedule["cwd"]
    for key, value in table.settings.items():
        check_setting(key, value)


def _is_repeat(queue: Queue, image: Image, ids: set[str]) -> bool:
    """Return whether an earlier call has begun this restore, and refuse a home with other jobs.

    After such a call, the home is paused, and all its jobs are from the backup or its schedules.

    Raises: InvalidInput.
    """
    status = queue.status()
    if not any(status["counts"].values()):
        return False
    if status["paused_since"] is not None:
        known = image.table.schedules
        if all(job["id"] in ids or job.get("schedule") in known for job in queue.list()):
            return True
    raise InvalidInput(what=f"{queue.home.path} already has jobs; restore into a new home with --home DIR")


def _restore_rules(queue: Queue, image: Image) -> None:
    """Restore the settings, and the rules of the queues.

    Call it before you import jobs, because settings limit how long a home keeps them. The new home can already have
    settings: those that variables of this call gave it.
    """
    for key, value in {**dict.fromkeys(queue.settings()), **image.table.settings}.items():
        queue.configure(key, value)
    for name, rules in image.table.queues.items():
        if name != "*":
            limits: Any = {rule: rules[rule] for rule in _RULES if rule in rules}  # type: ignore[literal-required]
            queue.set_queue(name, **limits, **_pause_of(image, name))


def _pause_of(image: Image, name: str) -> QueueLimits:
    """Return the pause of a queue, without the time that has passed since the backup."""
    rules = image.table.queues.get(name, {})
    until_ms = rules.get("paused_until_ms")
    rest_s = 0.0 if until_ms is None else (until_ms + image.table.clock_shift_ms - now_ms()) / 1000
    if "paused_ms" not in rules or (until_ms is not None and rest_s < 1):
        return {"paused": False}
    return {"paused": True, "pause_for": rest_s or None, "pause_reason": rules.get("pause_reason")}


def _restore_schedules(queue: Queue, image: Image, is_repeat: bool) -> None:
    """Restore the schedules that are not there.

    Call it after you import jobs, because each schedule names its last one. A schedule from an
    earlier call may have added jobs since, so it stays as it is.
    """
    there = {schedule["schedule"] for schedule in queue.schedules()} if is_repeat else ()
    for name, schedule in image.table.schedules.items():
        if name not in there:
            kept: dict[str, Any] = {field: schedule.get(field) for field in SCHEDULE}
            queue.set_schedule(name, kept.pop("spec"), kept.pop("cwd"), **kept, every=schedule.get("every_s"))
