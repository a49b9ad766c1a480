"""`queuectl queue`: named queues, their limits and rates, and pausing them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..api import Queue
from ..errors import InvalidInput
from ..timestamps import parse_duration_s, span
from .parser import add_action, add_actions
from .render import Screen

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ..records import QueueLimits

SUMMARY = """Jobs wait in queues; one begins to exist when a job names it. Of the jobs of all queues that may begin, the
one of the highest priority does, the oldest of several."""
EXAMPLES = [
    "queuectl queue list",
    "queuectl queue set gpu --limit 2",
    "queuectl queue set mail --rate 10/m",
    "queuectl queue pause gpu",
]
_PERIODS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def add_arguments(parser: ArgumentParser) -> None:
    actions = add_actions(parser, "actions")
    add_action(actions, "list", "list the queues, with their rules and how many jobs", "queuectl queue list")
    rules = add_action(
        actions, "set", "set or unset the rules of a queue", "queuectl queue set gpu --limit 2 --rate none"
    )
    rules.add_argument("queue", metavar="NAME", help="the queue")
    rules.add_argument("--limit", metavar="N", help="so many of its jobs run at once; none: any number")
    rules.add_argument(
        "--rate", metavar="N/UNIT", help="so many begin a second, minute, hour, day: 10/m; none: any number"
    )
    for name, help in (("pause", "begin none of its jobs; those that run go on"), ("resume", "begin them again")):
        action = add_action(actions, name, help, f"queuectl queue {name} gpu")
        action.add_argument("queue", metavar="NAME", help="the queue")


def run(args: Namespace, screen: Screen) -> int:
    with Queue(args.home, notice=screen.note) as queue:
        if args.action == "list":
            return _list(queue, screen)
        if args.action == "set":
            rules = _rules(args)
            queue.set_queue(args.queue, **rules)
        else:
            queue.set_queue(args.queue, paused=args.action == "pause")
        if screen.json:
            screen.value(next(iter(queue.queues(args.queue)), None))
    return 0


def _rules(args: Namespace) -> QueueLimits:
    rules: QueueLimits = {}
    if args.limit is not None:
        rules["limit"] = None if args.limit == "none" else _count(args.limit, "--limit")
    if args.rate is not None:
        rules["rate"] = None if args.rate == "none" else _rate(args.rate)
    if not rules:
        raise InvalidInput(what="say --limit or --rate; `queuectl queue pause` stops a queue")
    return rules


def _count(text: str, flag: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10):
        raise InvalidInput(what=f"{flag} must be a whole number from 1 on, or none, not {text[:40]!r}")
    return int(text)


def _rate(text: str) -> list[float]:
    count, sign, unit = text.partition("/")
    period_s = _PERIODS_S.get(unit) or parse_duration_s(unit)
    if not sign or not period_s:
        raise InvalidInput(what=f"--rate must be so many in so long, like 10/m or 3/10s, not {text[:40]!r}")
    return [_count(count, "--rate"), period_s]


def _list(queue: Queue, screen: Screen) -> int:
    found = queue.queues()
    if screen.json:
        screen.value(found)
        return 0
    rows = [
        [
            one["queue"],
            one["counts"]["processing"],
            one["counts"]["pending"] + one["counts"]["failed"],
            one["counts"]["dead"],
            one["limit"],
            None if one["rate"] is None else f"{one['rate']['jobs']} in {span(round(one['rate']['per_s'] * 1000))}",
            one["paused_since"],
        ]
        for one in found
    ]
    screen.table(["QUEUE", "RUNNING", "WAITING", "DEAD", "LIMIT", "RATE", "PAUSED SINCE"], rows)
    return 0
