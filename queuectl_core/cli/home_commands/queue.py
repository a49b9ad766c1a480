"""`queuectl queue`: named queues, with their limits, rates, and pauses."""

from __future__ import annotations

from ...api import Queue
from ...errors import InvalidInput, UnknownQueue
from ...timestamps import format_span, parse_duration_s
from ..fast_args import Action, Arguments
from ..screen import Screen
from ..value_args import PAUSE_OPTIONS, pause_of, until_clause, whole_number

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ...model.queue_records import QueueLimits, QueueRecord
    from ...model.records import PauseRecord
    from ..fast_args import Option

SUMMARY = """Manages named queues. A queue exists as soon as a job names it; `queue set --create` sets its rules before.
Across all queues, the job with the highest priority starts next; among equals, the oldest."""
EXAMPLES = [
    "queuectl queue list",
    "queuectl queue set gpu --create --limit 2",
    "queuectl queue set mail --rate 10/m",
    "queuectl queue pause gpu",
]
_NAME = ("queue", "NAME", "name of the queue")
_CREATE = ("--create", "", "create the queue if no job and no rule names it yet")


class _Set(Action):
    """The action that sets rules. Its job options are the defaults of the queue's jobs."""

    @property
    def JOB_FLAGS(self) -> tuple[Option, ...]:
        """Return the options of the job, whose import the other actions do not need."""
        from ...model.job_spec import QUEUE_DEFAULTS
        from ..job_options import JOB_FLAGS

        return tuple(flag for flag in JOB_FLAGS if flag[0][2:].replace("-", "_") in QUEUE_DEFAULTS)


ACTIONS = {
    "list": Action("list queues with their rules and job counts", "queuectl queue list"),
    "set": _Set(
        "set or unset rules of a queue, and defaults of its new jobs",
        "queuectl queue set gpu --limit 2 --timeout 1h --env MODE=fast --rate none",
        _NAME,
        ("--limit", "N", "maximum number of running jobs, from 1; none removes the limit"),
        ("--rate", "N/UNIT", "maximum starts per s, m, h, d or time, like 10/m or 3/10s; none removes the rate"),
        ("--limit-load", "LOAD", "start no job while the load average of the machine is higher; none removes it"),
        ("--min-free-mem", "SIZE", "start no job while less memory is free, like 4G; none removes it"),
        _CREATE,
    ),
    "rm": Action("remove the rules of a queue without unfinished jobs", "queuectl queue rm gpu", _NAME),
    "pause": Action(
        "stop starting jobs of a queue",
        "queuectl queue pause gpu --for 2h --reason 'new driver'",
        _NAME,
        *PAUSE_OPTIONS,
        _CREATE,
        FOR_A_WORD="to set how long, use `--for {0}`",
    ),
    "resume": Action("start jobs of a queue again", "queuectl queue resume gpu", _NAME),
}
_DONE = {"set": "changed", "pause": "paused", "resume": "resumed"}
_PERIODS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print or change the rules of queues."""
    if args.action == "list":
        records = queue.queues()
        columns = {**_COLUMNS, "MORE RULES": _shown_rules} if any(map(_shown_rules, records)) else _COLUMNS
        all_queues = None if screen.json else _shown_pause(queue.status())
        if all_queues:
            columns = {**columns, "PAUSED SINCE": lambda record: _both(_shown_pause(record), all_queues)}
        return screen.records(columns, records)
    if args.action == "rm":
        queue.remove_queue(args.queue)
        return screen.done({"queue": args.queue, "removed": True}, f"removed the rules of queue {args.queue}")
    rules: QueueLimits = {"paused": False}
    if args.action != "resume":
        rules = _rules(args) if args.action == "set" else pause_of(args)
    if args.action == "resume" or not args.create:
        _check_exists(queue, args.queue)
    queue.set_queue(args.queue, **rules)
    record = next(iter(queue.queues(args.queue)), None) if screen.json or "pause_for" in rules else None
    end = until_clause(record["paused_until"]) if record else ""
    more = f"{end}; running jobs continue" if args.action == "pause" else ""
    screen.done(record, f"{_DONE[args.action]} queue {args.queue}{more}")


def _rules(args: Arguments) -> QueueLimits:
    rules: QueueLimits = {}
    if args.limit is not None:
        rules["limit"] = None if args.limit == "none" else whole_number(args.limit, "--limit")
    if args.rate is not None:
        rules["rate"] = None if args.rate == "none" else _rate(args.rate)
    if args.limit_load is not None:
        rules["limit_load"] = None if args.limit_load == "none" else _load(args.limit_load)
    if args.min_free_mem is not None:
        rules["min_free_mem"] = None if args.min_free_mem == "none" else _memory(args.min_free_mem)
    defaults = _defaults(args)
    if defaults:
        rules["defaults"] = defaults
    if not rules:
        raise InvalidInput(what="use --limit, --rate or a default like --timeout; to stop it, use `queue pause`")
    return rules


def _defaults(args: Arguments) -> dict[str, object]:
    """Return the defaults that the options set. An empty value and `none` remove one."""
    from ..job_options import job_fields

    others = dict.fromkeys(("tag", "stdin", "queue", "env_file", "inherit_env"))
    fields = job_fields(Arguments(**{**args.__dict__, **others}))
    return {name: None if value in ("", "none") else value for name, value in fields.items()}


def _load(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInput(what=f"--limit-load must be a number like 8 or 3.5, not {text[:40]!r}") from None


def _memory(text: str) -> str:
    from ...system.load import free_memory

    if free_memory() is None:
        raise InvalidInput(what="--min-free-mem: this system does not tell how much memory is free")
    return text


def _check_exists(queue: Queue, name: str) -> None:
    """Refuse a name that no queue has, because it may be a typo.

    Raises: UnknownQueue.
    """
    if name == "default" or queue.queues(name):
        return
    from difflib import get_close_matches

    near = get_close_matches(name, [record["queue"] for record in queue.queues()], n=1)
    raise UnknownQueue(queue=name, meant=f"; did you mean {near[0]}?" if near else "")


def _rate(text: str) -> list[float]:
    count, sign, unit = text.partition("/")
    period_s = _PERIODS_S.get(unit) or parse_duration_s(unit)
    if not sign or not period_s:
        raise InvalidInput(what=f"--rate must be a count per time, like 10/m or 3/10s, not {text[:40]!r}")
    return [whole_number(count, "--rate"), period_s]


def _shown_rate(queue: QueueRecord) -> str | None:
    rate = queue["rate"]
    return None if rate is None else f"{rate['jobs']} in {format_span(round(rate['per_s'] * 1000))}"


def _shown_rules(queue: QueueRecord) -> str | None:
    """Return the rules that few queues have, of which an older supervisor knows none."""
    from ..screen import shown

    rules = {name: queue.get(name) for name in ("limit_load", "min_free_mem")}
    given = {**{name: value for name, value in rules.items() if value is not None}, **queue.get("defaults", {})}
    return " ".join(name if name == "env" else f"{name}={shown(value)}" for name, value in given.items()) or None


def _both(pause: str | None, of_all: str) -> str:
    """Return the pause of a queue, if it has one, and that of all queues."""
    return f"{pause}; all queues: {of_all}" if pause else f"{of_all} (all queues)"


def _shown_pause(queue: PauseRecord) -> str | None:
    until, why = queue.get("paused_until"), queue.get("pause_reason")
    more = [f"until {until}"] if until else []
    return queue["paused_since"] and ", ".join([queue["paused_since"], *more, *([why] if why else [])])


_COLUMNS = {
    "QUEUE": "queue",
    "RUNNING": lambda queue: queue["counts"]["processing"],
    "WAITING": lambda queue: queue["counts"]["pending"] + queue["counts"]["failed"],
    "DEAD": lambda queue: queue["counts"]["dead"],
    "LIMIT": "limit",
    "RATE": _shown_rate,
    "PAUSED SINCE": _shown_pause,
}
