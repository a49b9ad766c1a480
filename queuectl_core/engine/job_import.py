"""Job import: adds jobs of another home with their state and their history.

Pure. Checks every imported value that the rest of the code relies on.

Invariant: no run of an imported job is in progress here. A job that was running there waits again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from ..errors import DuplicateJob, InvalidJob, KeyTaken, RepeatedId
from ..model import events, validators
from ..model.events import Imported
from ..model.job import DEAD, FINAL_STATES, MAX_HISTORY, MAX_REASON, PENDING, PROCESSING, STATES
from ..model.job_spec import BASIC_FIELDS, MAX_AFTER, OPTIONS, check_field, check_spec
from ..table.job_table import JobTable
from ..timestamps import END_MS
from .admission import holder_of_key
from .transitions import due_at

_TIMES = ("created_ms", "updated_ms", "due_ms", "wall_ms")
_COUNTS = ("attempts", "losses")
_KEPT = (*_TIMES, *_COUNTS, "state", "reason", "history", "options", "blockers")
_ATTEMPT_NUMBERS = (
    "attempt", "run", "started_ms", "ended_ms", "duration_ms", "exit_code", "signal", "log_offset", "output_bytes",
    "dropped_bytes", "cpu_ms", "peak_bytes",
)  # fmt: skip
_ATTEMPT_TEXTS = ("worker", "outcome", "reason", "log_file")
_MAX_COUNT = 10**6
Id = TypeVar("Id")


def imported(table: JobTable, jobs: list[object], skip: bool, now_ms: int) -> list[Imported]:
    """Return the events that add these jobs; an error has the place of the job.

    A blocker must exist here or come earlier in the list; any other counts as finished. If a blocker is dead, the job
    dies too, unless it has after_any.

    Raises: InvalidJob, DuplicateJob, RepeatedId, KeyTaken.
    """
    found: list[Imported] = []
    states: dict[str, object] = {}
    keys: dict[str, str] = {}
    for n, raw in enumerate(jobs):
        fields: Any = _checked(raw, n)
        id = str(fields.pop("id"))
        if id in states:
            raise RepeatedId(id=id, index=n)
        if table.get(id) is not None:
            if skip:
                continue
            raise DuplicateJob(id=id, index=n)
        if fields["state"] == PENDING and "blockers" in fields:
            _wait_or_die(fields, lambda other: states.get(other) or table.state_of(other))
        wall_ms = fields.get("wall_ms", fields.get("due_ms"))
        if wall_ms is not None:
            fields["due_ms"] = due_at(wall_ms, table.clock_shift_ms)
        states[id] = fields["state"]
        key = fields.get("options", {}).get("key")
        if key is not None and states[id] not in FINAL_STATES:
            holder = keys.get(key) or holder_of_key(table, str(key))
            if holder is not None:
                raise KeyTaken(key=key, id=holder, index=n, runs=False)
            keys[key] = id
        found.append(events.Imported(id, table.next_number + len(found), now_ms, fields))
    try:
        events.encode(found)
    except ValueError as fault:
        raise InvalidJob(index=0, why=f"one of these is not an exported job: {fault}") from None
    return found


def blockers_first(ids: Iterable[Id], blockers_of: Callable[[Id], object]) -> Iterator[Id]:
    """Yield each ID once, after those of its blockers that are in the list, and otherwise in the given order."""
    left = dict.fromkeys(ids, False)  # True: its blockers are on the stack
    for id in list(left):
        stack = [id]
        while stack:
            one = stack.pop()
            is_next = left.get(one)
            if is_next:
                del left[one]
                yield one
            elif is_next is not None:
                left[one] = True
                others = blockers_of(one)
                stack.append(one)
                stack += [other for other in _texts(others) if left.get(other) is False]


def _texts(others: object) -> list[Any]:
    return [other for other in others if isinstance(other, str)] if isinstance(others, list) else []


def _wait_or_die(fields: dict[str, Any], state_of: Callable[[str], object]) -> None:
    """Keep only the unfinished blockers of a job, or mark the job dead if one of them is dead."""
    states = {other: state_of(other) for other in fields["blockers"]}
    dead = next((other for other, state in states.items() if state == DEAD), None)
    if dead is None or fields["options"].get("after_any"):
        over = (None, *FINAL_STATES)
        fields["blockers"] = [other for other, state in states.items() if state not in over]
    else:
        fields.update(state=DEAD, reason=f"job {dead}, which it waited for, died")
        _forget_times(fields)


def _checked(raw: object, index: int) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise InvalidJob(index=index, why="an exported job must be a JSON object")
    basic = check_spec({name: raw[name] for name in BASIC_FIELDS if name in raw}, index)
    missing = next((name for name in (*BASIC_FIELDS, "created_ms", "state") if name not in raw), None)
    if missing is not None:
        raise InvalidJob(index=index, why=f"an exported job needs the field {missing!r}")
    try:
        kept = _kept({name: raw[name] for name in _KEPT if raw.get(name) is not None})
    except ValueError as fault:
        raise InvalidJob(index=index, why=f"not an exported job: {fault}") from None
    except (TypeError, AttributeError, KeyError):
        what = "not an exported job: a value is missing or has the wrong type"
        raise InvalidJob(index=index, why=what) from None
    return _at_rest({**basic, **kept}, bool(raw.get("cancel")))


def _kept(given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields in the form in which they are kept.

    Raises: ValueError, TypeError, AttributeError, KeyError.
    """
    _check_state(given)
    if not isinstance(given.get("reason", ""), str) or not isinstance(given.get("history", []), list):
        raise ValueError("reason must be text, and history a list")
    for attempt in given.get("history", []):
        _check_attempt(attempt)
    if "reason" in given:
        given["reason"] = given["reason"][:MAX_REASON]
    if "history" in given:
        given["history"] = [_shortened(attempt) for attempt in given["history"][-MAX_HISTORY:]]
    if "options" in given:
        given["options"] = {name: _option(name, value) for name, value in given["options"].items()}
    _check_blockers(given)
    return given


def _check_state(given: dict[str, Any]) -> None:
    """Check the state, the times and the counts.

    Raises: ValueError, TypeError, KeyError.
    """
    if given["state"] not in STATES:
        raise ValueError(f"unknown state {given['state']!r:.40}")
    for name, limit in (*((name, END_MS) for name in _TIMES), *((name, _MAX_COUNT) for name in _COUNTS)):
        if name in given and not (type(given[name]) is int and 0 <= given[name] < limit):
            raise ValueError(f"{name} must be a whole number, 0 or more")
    if given["state"] == "failed" and "due_ms" not in given:
        raise ValueError("a failed job needs due_ms")
    if "wall_ms" in given and given["state"] == PROCESSING:
        raise ValueError("a running job cannot have wall_ms")


def _check_blockers(given: dict[str, Any]) -> None:
    """Check the blockers.

    Raises: ValueError, TypeError.
    """
    if len(given.get("blockers", [])) > MAX_AFTER:
        raise ValueError(f"at most {MAX_AFTER} blockers are allowed")
    for id in given.get("blockers", []):
        if not validators.is_id(id) or "after" not in given.get("options", {}):
            raise ValueError("blockers must be IDs of jobs in after")


def _option(name: str, value: object) -> object:
    if name == "schedule":
        return validators.name(value)
    return value if name == "at" and type(value) is int else check_field(name, value, OPTIONS)


def _check_attempt(attempt: dict[str, object]) -> None:
    for name in ("attempt", "run", "started_ms", "worker"):
        if attempt[name] is None:
            raise ValueError(f"an attempt needs {name}")
    for name, value in attempt.items():
        if name in _ATTEMPT_NUMBERS and value is not None and not (type(value) is int and 0 <= value < END_MS):
            raise ValueError(f"{name} of an attempt must be a whole number, 0 or more")
        if name in _ATTEMPT_TEXTS and value is not None and not isinstance(value, str):
            raise ValueError(f"{name} of an attempt must be text")
        if name not in _ATTEMPT_NUMBERS and name not in _ATTEMPT_TEXTS:
            raise ValueError(f"unknown field {name!r:.40} of an attempt")
    if attempt.get("log_file") is not None and attempt.get("log_offset") is None:
        raise ValueError("an attempt with a log_file has a log_offset")


def _shortened(attempt: dict[str, object]) -> dict[str, object]:
    """Return an attempt with its texts cut, so that a record stays small."""
    return {name: value[:MAX_REASON] if isinstance(value, str) else value for name, value in attempt.items()}


def _at_rest(fields: dict[str, Any], is_canceled: bool) -> dict[str, Any]:
    """Return the fields of a job that does not run: a running one becomes pending, or dead if it was canceled.

    Its last attempt does not count.
    """
    if fields["state"] == PROCESSING:
        fields["state"] = DEAD if is_canceled else PENDING
        if is_canceled:
            fields["reason"] = "canceled while it ran"
        fields["attempts"] = max(0, fields.get("attempts", 1) - 1)
        fields["history"] = fields.get("history", [])[:-1]
    if fields["state"] in FINAL_STATES:
        _forget_times(fields)
    return fields


def _forget_times(fields: dict[str, object]) -> None:
    fields.pop("due_ms", None)
    fields.pop("wall_ms", None)
