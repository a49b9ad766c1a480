"""`queuectl restore`: a home from a backup."""

from __future__ import annotations

from ...api import Queue
from ...errors import Corrupt, InvalidInput, QueueError
from ...model.settings import check_setting
from ...repair.backup_image import Image
from ..fast_args import path_of
from ..job_export import parsed, portions
from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from typing import Any

    from ...model.records import QueueLimits

SUMMARY = """Fills a home without jobs from a `queuectl backup` file: jobs, queues, schedules and
settings. Jobs that were running or suspended wait. No job starts before all are restored; after an
interruption the home is paused, and the same call continues."""
EXAMPLES = ["queuectl --home /var/lib/new restore queue.jsonl", "gunzip < queue.jsonl.gz | queuectl restore -"]
VERSIONS = (1, 2)
SCHEDULE = ("spec", "cwd", "cron", "zone", "overlap", "next_ms", "last_id", "paused_ms", "problem")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="backup file; - is standard input")


def run(args: Namespace, screen: Screen) -> int:
    """Restore the backup, or continue an earlier restore, and return the exit status."""
    image, ids = _read(args.file)
    with Queue(args.home, notice=screen.note) as queue:
        goes_on = _goes_on(queue, image, set(ids))
        try:
            _restore(queue, image, ids, goes_on)
        except (QueueError, KeyboardInterrupt):
            screen.note("the restore is incomplete and the home is paused; repeat the same call to continue")
            raise
    if screen.json:
        screen.value({"count": len(ids)})
    else:
        screen.line(f"{len(ids)} {'job' if len(ids) == 1 else 'jobs'} restored")
    return 0


def _restore(queue: Queue, image: Image, ids: list[str], goes_on: bool) -> None:
    queue.set_queue("*", paused=True)
    _restore_rules(queue, image)
    for portion in portions((n, image.exported(id)) for n, id in enumerate(ids)):
        queue.import_jobs([job for _, job in portion], skip=goes_on)
    _restore_schedules(queue, image, goes_on)
    if "paused_ms" not in image.table.queues.get("*", {}):
        queue.set_queue("*", paused=False)


def _read(path: str) -> tuple[Image, list[str]]:
    """Return the home in a file, and the IDs of its jobs in their order.

    Raises: InvalidInput, NewerFormat.
    """
    import sys

    number = [0]
    try:
        with sys.stdin.buffer if path == "-" else open(path_of(path), "rb") as file:
            image = _image_of(_counted(file, number), path)
        _check_rest(image)
        return image, image.ids()
    except OSError as fault:
        raise InvalidInput(what=f"cannot read {path}: {fault.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Corrupt) as fault:
        what = f"{path} is damaged at or before line {number[0]}: {fault}"
        raise InvalidInput(what=what) from None


def _counted(lines: Iterator[bytes], number: list[int]) -> Iterator[bytes]:
    for line in lines:
        number[0] += 1
        yield line


def _image_of(lines: Iterator[bytes], path: str) -> Image:
    """Return the home that the lines after the last head describe.

    A damaged line raises other errors, too.

    Raises: InvalidInput.
    """
    image, count = None, 0
    for line in map(parsed, lines):
        if image is None and not isinstance(line, dict):
            break
        if line.get("queuectl_backup") in VERSIONS:
            image, count = Image(line), -1  # in version 1, the head holds the rest of the home
        elif image is None:
            break
        elif line.get("end") == count:
            return image
        else:
            _take(image, line)
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
    if not all(isinstance(one, dict) for one in rules):
        raise ValueError("its settings, queues or schedules are not valid")
    for one in table.schedules.values():
        one["spec"], one["cwd"]
    for key, value in table.settings.items():
        check_setting(key, value)


def _goes_on(queue: Queue, image: Image, ids: set[str]) -> bool:
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
    what = f"{queue.home.path} already has jobs; restore into a new home with --home DIR"
    raise InvalidInput(what=what)


def _restore_rules(queue: Queue, image: Image) -> None:
    """Restore the settings, and the rules of the queues.

    Call it before you import jobs, because settings limit how long a home keeps them.
    """
    for key, value in image.table.settings.items():
        queue.configure(key, value)
    for name, rules in image.table.queues.items():
        if name != "*":
            limits: QueueLimits = {"paused": "paused_ms" in rules}
            if "limit" in rules:
                limits["limit"] = rules["limit"]
            if "rate" in rules:
                limits["rate"] = rules["rate"]
            queue.set_queue(name, **limits)


def _restore_schedules(queue: Queue, image: Image, goes_on: bool) -> None:
    """Restore the schedules that are not there.

    Call it after you import jobs, because each schedule names its last one. A schedule from an
    earlier call may have added jobs since, so it stays as it is.
    """
    there = {one["schedule"] for one in queue.schedules()} if goes_on else ()
    for name, one in image.table.schedules.items():
        if name not in there:
            kept: dict[str, Any] = {field: one.get(field) for field in SCHEDULE}
            queue.set_schedule(name, kept.pop("spec"), kept.pop("cwd"), **kept, every=one.get("every_s"))
