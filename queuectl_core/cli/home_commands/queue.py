"""`queuectl queue`: named queues, with their limits, rates, and pauses."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ...api import Queue
from ...errors import InvalidInput
from ...timestamps import format_span, parse_duration_s
from ..arguments import add_action, add_actions
from ..screen import Screen

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ...model.records import QueueLimits

SUMMARY = """Manages named queues. A queue exists once a job names it. Across all queues, the job with the highest
priority starts next; among equals, the oldest."""
EXAMPLES = [
    "queuectl queue list",
    "queuectl queue set gpu --limit 2",
    "queuectl queue set mail --rate 10/m",
    "queuectl queue pause gpu",
]
_PERIODS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    actions = add_actions(parser, "actions")
    add_action(actions, "list", "list queues with their rules and job counts", "queuectl queue list")
    rules = add_action(
        actions, "set", "set or unset the rules of a queue", "queuectl queue set gpu --limit 2 --rate none"
    )
    rules.add_argument("queue", metavar="NAME", help="name of the queue")
    rules.add_argument("--limit", metavar="N", help="maximum number of running jobs, from 1; none removes the limit")
    rules.add_argument(
        "--rate",
        metavar="N/UNIT",
        help="maximum starts per s, m, h, d or time, like 10/m or 3/10s; none removes the rate",
    )
    for name, help in (("pause", "stop starting jobs of a queue"), ("resume", "start jobs of a queue again")):
        action = add_action(actions, name, help, f"queuectl queue {name} gpu")
        action.add_argument("queue", metavar="NAME", help="name of the queue")


def run(args: Namespace, screen: Screen) -> int:
    """Print or change the rules of queues, and return the exit status."""
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
        raise InvalidInput(what="use --limit or --rate; to stop a queue, run `queuectl queue pause`")
    return rules


def _count(text: str, flag: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10):
        raise InvalidInput(what=f"{flag} must be a whole number, 1 or more, or none, not {text[:40]!r}")
    return int(text)


def _rate(text: str) -> list[float]:
    count, sign, unit = text.partition("/")
    period_s = _PERIODS_S.get(unit) or parse_duration_s(unit)
    if not sign or not period_s:
        raise InvalidInput(what=f"--rate must be a count per time, like 10/m or 3/10s, not {text[:40]!r}")
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
            one["rate"] and f"{one['rate']['jobs']} in {format_span(round(one['rate']['per_s'] * 1000))}",
            one["paused_since"],
        ]
        for one in found
    ]
    screen.table(["QUEUE", "RUNNING", "WAITING", "DEAD", "LIMIT", "RATE", "PAUSED SINCE"], rows)
    return 0
