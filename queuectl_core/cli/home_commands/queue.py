"""`queuectl queue`: named queues, with their limits, rates, and pauses."""

from __future__ import annotations

from ...api import Queue
from ...errors import InvalidInput
from ...timestamps import format_span, parse_duration_s
from ..fast_args import Action, Arguments
from ..screen import Screen
from ..value_args import whole_number

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ...model.records import QueueLimits, QueueRecord

SUMMARY = """Manages named queues. A queue needs no creation: name it in a job or in `queue set`. Across all queues, the
job with the highest priority starts next; among equals, the oldest."""
EXAMPLES = [
    "queuectl queue list",
    "queuectl queue set gpu --limit 2",
    "queuectl queue set mail --rate 10/m",
    "queuectl queue pause gpu",
]
_NAME = ("queue", "NAME", "name of the queue")
ACTIONS = {
    "list": Action("list queues with their rules and job counts", "queuectl queue list"),
    "set": Action(
        "set or unset the rules of a queue",
        "queuectl queue set gpu --limit 2 --rate none",
        _NAME,
        ("--limit", "N", "maximum number of running jobs, from 1; none removes the limit"),
        ("--rate", "N/UNIT", "maximum starts per s, m, h, d or time, like 10/m or 3/10s; none removes the rate"),
    ),
    "pause": Action("stop starting jobs of a queue", "queuectl queue pause gpu", _NAME),
    "resume": Action("start jobs of a queue again", "queuectl queue resume gpu", _NAME),
}
_PERIODS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print or change the rules of queues."""
    if args.action == "list":
        return screen.records(_COLUMNS, queue.queues())
    rules: QueueLimits = _rules(args) if args.action == "set" else {"paused": args.action == "pause"}
    queue.set_queue(args.queue, **rules)
    if screen.json:
        screen.value(next(iter(queue.queues(args.queue)), None))


def _rules(args: Arguments) -> QueueLimits:
    rules: QueueLimits = {}
    if args.limit is not None:
        rules["limit"] = None if args.limit == "none" else whole_number(args.limit, "--limit")
    if args.rate is not None:
        rules["rate"] = None if args.rate == "none" else _rate(args.rate)
    if not rules:
        raise InvalidInput(what="use --limit or --rate; to stop a queue, run `queuectl queue pause`")
    return rules


def _rate(text: str) -> list[float]:
    count, sign, unit = text.partition("/")
    period_s = _PERIODS_S.get(unit) or parse_duration_s(unit)
    if not sign or not period_s:
        raise InvalidInput(what=f"--rate must be a count per time, like 10/m or 3/10s, not {text[:40]!r}")
    return [whole_number(count, "--rate"), period_s]


def _shown_rate(queue: QueueRecord) -> str | None:
    rate = queue["rate"]
    return None if rate is None else f"{rate['jobs']} in {format_span(round(rate['per_s'] * 1000))}"


_COLUMNS = {
    "QUEUE": "queue",
    "RUNNING": lambda queue: queue["counts"]["processing"],
    "WAITING": lambda queue: queue["counts"]["pending"] + queue["counts"]["failed"],
    "DEAD": lambda queue: queue["counts"]["dead"],
    "LIMIT": "limit",
    "RATE": _shown_rate,
    "PAUSED SINCE": "paused_since",
}
