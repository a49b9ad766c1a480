"""Queue rules: what users set for a queue, or for all queues: limits, a rate, defaults of its jobs, and pauses.

Pure. Changes nothing itself.

Invariant: the end of a pause is a time in its rules. So nothing happens at that time but a look at the queue.
"""

from __future__ import annotations

import math

from ..errors import InvalidInput, NothingToDo
from ..light_types import partial
from ..model import commands, events
from ..model.events import Event
from ..model.job import FAILED, PENDING, PROCESSING, STATES
from ..model.job_spec import DEFAULT_QUEUE, MAX_WAIT_S, QUEUE_DEFAULTS, check_field
from ..model.validators import is_id, number, seconds, size, text, whole
from ..table.index_keys import ALL_QUEUES
from ..table.job_table import JobTable

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ..model.records import Rules


def paused_until_ms(rules: Rules, unshifted_ms: float) -> float | None:
    """Return when the pause in these rules ends, in ms without the clock shift.

    It is infinity for a pause without an end, and None without a pause.
    """
    if rules.get("paused_ms") is None:
        return None
    until_ms = rules.get("paused_until_ms")
    if until_ms is None:
        return math.inf
    return until_ms if until_ms > unshifted_ms else None


def change(table: JobTable, command: commands.ChangeQueue, now_ms: int) -> tuple[Sequence[Event], object]:
    """Change the rules of a queue.

    Raises: InvalidInput.
    """
    name = command.name
    if name != ALL_QUEUES and not is_id(name):
        raise InvalidInput(what=f"invalid queue name {name[:60]!r}")
    now: Rules = table.queues.get(name, {})
    fields: dict[str, Any] = {}
    try:
        for rule, value in command.fields.items():
            if rule in _RULES and name != ALL_QUEUES:
                fields[rule] = None if value is None else _checked(rule, value)
            elif rule == "defaults" and name != ALL_QUEUES:
                fields["defaults"] = _defaults(now.get("defaults", {}), value)
            elif rule not in ("paused", *_OF_A_PAUSE):
                raise InvalidInput(what=f"a queue has only {_known(name)}, not {rule[:40]!r}")
    except ValueError as fault:
        raise InvalidInput(what=str(fault)) from None
    fields.update(_pause(now, command.fields, now_ms, table.clock_shift_ms))
    changed: Any = {rule: value for rule, value in fields.items() if value != now.get(rule)}
    return ([events.QueueChanged(name, now_ms, changed)] if changed else []), None


def remove(table: JobTable, command: commands.RemoveQueue, now_ms: int) -> tuple[Sequence[Event], object]:
    """Remove all rules of a queue that has no unfinished job.

    Raises: NothingToDo, InvalidInput.
    """
    name = command.name
    if not is_id(name) or not is_known(table, name):
        raise NothingToDo(what=f"queue {name[:60]!r} has no rules and no jobs; `queuectl queue list` shows the queues")
    waiting = sum(table.count_of(name, state) for state in (PENDING, FAILED, PROCESSING))
    if waiting:
        moved = f"finish or cancel them, or move them with `queuectl edit --queue {name} --set queue=NAME`"
        raise InvalidInput(what=f"queue {name} has unfinished jobs: {waiting}; {moved}")
    gone: Any = dict.fromkeys(table.queues.get(name, {}))
    return ([events.QueueChanged(name, now_ms, gone)] if gone else []), None


def is_known(table: JobTable, name: str) -> bool:
    """Return whether a queue has a job or a rule; the default queue always exists."""
    if name in (DEFAULT_QUEUE, ALL_QUEUES):
        return name == DEFAULT_QUEUE
    return name in table.queues or any(table.count_of(name, state) for state in STATES)


def _checked(rule: str, value: object) -> object:
    try:
        return _RULES[rule](value)
    except ValueError as fault:
        raise ValueError(f"a queue's {rule} {fault}") from None


def _defaults(now: Mapping[str, object], wanted: object) -> Mapping[str, object] | None:
    """Return the defaults of a queue after a change, in which None removes a default.

    Raises: ValueError.
    """
    if not isinstance(wanted, dict):
        raise ValueError("the defaults of a queue must be an object with fields of a job")
    for name in wanted:
        if name not in QUEUE_DEFAULTS:
            raise ValueError(f"a queue has no default for {str(name)[:40]!r}; it has {', '.join(QUEUE_DEFAULTS)}")
    checked = {name: None if value is None else check_field(name, value) for name, value in wanted.items()}
    return {name: value for name, value in {**now, **checked}.items() if value is not None} or None


def _pause(now: Rules, wanted: Mapping[str, object], now_ms: int, clock_shift_ms: int) -> dict[str, object]:
    """Return the changed rules of a pause.

    Raises: InvalidInput.
    """
    if not wanted.get("paused"):
        if any(wanted.get(name) is not None for name in _OF_A_PAUSE):
            raise InvalidInput(what="the time and the reason of a pause need a pause")
        return dict.fromkeys(("paused_ms", "paused_until_ms", "pause_reason")) if "paused" in wanted else {}
    unshifted_ms = now_ms - clock_shift_ms
    is_paused = paused_until_ms(now, unshifted_ms) is not None
    try:
        for_s, why = wanted.get("pause_for"), wanted.get("pause_reason")
        until_ms = None if for_s is None else unshifted_ms + round(seconds(for_s, 1, MAX_WAIT_S) * 1000)
        reason = now.get("pause_reason") if why is None and is_paused else why and text(why, 200)
    except ValueError as fault:
        raise InvalidInput(what=f"the time or the reason of a pause {fault}") from None
    since_ms = now.get("paused_ms") if is_paused else now_ms
    return {"paused_ms": since_ms, "paused_until_ms": until_ms, "pause_reason": reason or None}


def _known(name: str) -> str:
    rules = () if name == ALL_QUEUES else (*_RULES, "defaults")
    return f"{', '.join(rules)} and paused" if rules else "paused"


def _rate(value: object) -> object:
    if isinstance(value, list) and len(value) == 2:
        count, period_s = value
        is_count = type(count) is int and 1 <= count <= 10**6
        if is_count and type(period_s) in (int, float) and 0 < period_s <= MAX_WAIT_S:
            return value
    raise ValueError("must be a number of jobs per time, like 10/m")


_OF_A_PAUSE = ("pause_for", "pause_reason")
_RULES: dict[str, Callable[[object], object]] = {
    "limit": partial(whole, low=1, high=100_000),
    "rate": _rate,
    "limit_load": partial(number, low=0.01, high=100_000),
    "min_free_mem": size,
}
