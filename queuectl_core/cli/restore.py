"""`queuectl restore`: a home from a backup."""

from __future__ import annotations

from ..api import Queue
from ..errors import InvalidInput
from .exported import parsed, portions
from .plain import path_of
from .render import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = """Fills a home that has no jobs yet with those of a file that `queuectl backup` has made, and with its
queues, schedules and settings. What was running then will wait."""
EXAMPLES = ["queuectl --home /var/lib/new restore queue.jsonl", "gunzip < queue.jsonl.gz | queuectl restore -"]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a file that backup has made; - is standard input")


def run(args: Namespace, screen: Screen) -> int:
    head, jobs = _read(args.file)
    with Queue(args.home, notice=screen.note) as queue:
        if any(queue.status()["counts"].values()):
            raise InvalidInput(what=f"{queue.home.path} has jobs already; restore into a new home: --home DIR")
        queue.set_queue("*", paused=True)  # nothing runs before the rules are in force
        for portion in portions(enumerate(jobs)):
            queue.import_jobs([job for _, job in portion])
        _restore_rest(queue, head)
        if "paused_ms" not in head["queues"].get("*", {}):  # type: ignore[operator]
            queue.set_queue("*", paused=False)
    if screen.json:
        screen.value({"count": len(jobs)})
    else:
        screen.line(f"{len(jobs)} {'job is' if len(jobs) == 1 else 'jobs are'} restored")
    return 0


def _read(path: str) -> tuple[dict[str, dict[str, object]], list[object]]:
    """What stands beside the jobs, and the jobs as they were last. Raises InvalidInput."""
    import sys

    found: dict[str, object] = {}
    count = 0
    try:
        with sys.stdin.buffer if path == "-" else open(path_of(path), "rb") as file:
            lines = (parsed(line) for line in file)
            head = next(lines, None)
            if not isinstance(head, dict) or head.get("queuectl_backup") != 1:
                raise InvalidInput(what=f"{path} is no backup that this version knows")
            _check_head(head)
            for line in lines:
                if "job" in line:
                    found.pop(line["job"]["id"], None)  # its place is that of the last time
                    found[line["job"]["id"]] = line["job"]
                elif "gone" in line:
                    found.pop(line["gone"], None)
                elif line.get("end") == count:
                    return head, list(found.values())
                count += 1
    except OSError as fault:
        raise InvalidInput(what=f"cannot read {path}: {fault.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise InvalidInput(what=f"{path} is damaged behind line {count + 1}: {fault}") from None
    raise InvalidInput(what=f"{path} ends in the middle; nothing was restored")


def _check_head(head: dict[str, dict[str, object]]) -> None:
    """Raises ValueError, KeyError, TypeError, AttributeError for what `_restore_rest` could not use."""
    rules = [*head["queues"].values(), *head["schedules"].values(), head["settings"]]
    if not all(isinstance(one, dict) for one in rules):
        raise ValueError("its settings, queues, or schedules are none")
    for one in head["schedules"].values():
        one["spec"], one["cwd"]  # type: ignore[index]


def _restore_rest(queue: Queue, head: dict[str, dict[str, object]]) -> None:
    for key, value in head["settings"].items():
        queue.configure(key, value)
    for name, rules in head["queues"].items():
        limits = {rule: rules[rule] for rule in ("limit", "rate") if rule in rules}  # type: ignore[index, operator]
        queue.set_queue(name, **limits, paused="paused_ms" in rules)  # type: ignore[operator]
    for name, one in head["schedules"].items():
        when = {field: one[field] for field in ("cron", "zone", "overlap") if field in one}  # type: ignore[index, operator]
        if "every_s" in one:  # type: ignore[operator]
            when["every"] = one["every_s"]  # type: ignore[index]
        queue.set_schedule(name, one["spec"], one["cwd"], **when)  # type: ignore[index]
        if one.get("paused_ms") is not None:  # type: ignore[attr-defined]
            queue.pause_schedule(name)
