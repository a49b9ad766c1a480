"""Job import: adds jobs of another home with their state and their history.

Pure. Checks every imported value that the rest of the code relies on.

Invariant: no run of an imported job is in progress here. A job that was running there waits again.
"""

from __future__ import annotations

from ..errors import DuplicateJob, InvalidJob, KeyTaken, RepeatedId
from ..light_types import partial
from ..model import reasons, validators
from ..model.attempt import FIELDS, STARTED_FIELDS, TEXT_FIELDS
from ..model.commands import Import
from ..model.events import Imported, encode
from ..model.job import DEAD, FAILED, FINAL_STATES, MAX_HISTORY, MAX_REASON, PENDING, PROCESSING, STATES
from ..model.job_spec import BASIC_FIELDS, MAX_AFTER, OPTIONS, check_env, check_field, check_spec
from ..table.job_table import JobTable
from ..timestamps import END_MS
from .admission import holder_of_key
from .transitions import due_at

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, TypeVar

    from .job_operations import Decision

    Id = TypeVar("Id")



def import_jobs(table: JobTable, command: Import, now_ms: int) -> Decision:
    """Add the jobs, and reply with their IDs. An error has the place of the job.

    A blocker must exist here or come earlier in the list; any other counts as finished. If a blocker is dead, the job
    dies too, unless it has after_any.

    Raises: InvalidJob, DuplicateJob, RepeatedId, KeyTaken.
    """
    new: dict[str, Imported] = {}
    keys: dict[str, str] = {}
    for n, raw in enumerate(command.jobs):
        fields = _checked(raw, n)
        id = str(fields.pop("id"))
        if id in new:
            raise RepeatedId(id=id, index=n)
        if table.get(id) is not None:
            if command.skip:
                continue
            raise DuplicateJob(id=id, index=n)
        if fields["state"] == PENDING and "blockers" in fields:
            _wait_or_die(fields, {other: _known(table, new, other) for other in fields["blockers"]})
        wall_ms = fields.get("wall_ms", fields.get("due_ms"))
        if wall_ms is not None:
            fields["due_ms"] = due_at(wall_ms, table.clock_shift_ms)
        key = fields.get("options", {}).get("key")
        if key is not None and fields["state"] not in FINAL_STATES:
            holder = keys.get(key) or holder_of_key(table, key)
            if holder is not None:
                raise KeyTaken(key=key, id=holder, index=n, runs=False)
            keys[key] = id
        new[id] = Imported(id, table.next_number + len(new), now_ms, fields)
    happened = list(new.values())
    try:
        encode(happened)
    except ValueError as fault:
        raise InvalidJob(index=0, why=f"one of these is not an exported job: {fault}") from None
    return happened, list(new)


def blockers_first(ids: Iterable[Id], blockers_of: Callable[[Id], object]) -> Iterator[Id]:
    """Yield each ID once, after those of its blockers that are in the list, and otherwise in the given order."""
    left = dict.fromkeys(ids, False)  # True: its blockers are on the stack
    for id in list(left):
        stack = [id]
        while stack:
            next_id = stack.pop()
            is_next = left.get(next_id)
            if is_next:
                del left[next_id]
                yield next_id
            elif is_next is not None:
                left[next_id] = True
                others = blockers_of(next_id)
                stack.append(next_id)
                stack += [other for other in _texts(others) if left.get(other) is False]


def _texts(others: object) -> list[Any]:
    return [other for other in others if isinstance(other, str)] if isinstance(others, list) else []


def _known(table: JobTable, new: Mapping[str, Imported], id: str) -> Mapping[str, Any]:
    """Return what is kept of a job that exists here or comes earlier in the list, or nothing."""
    job = table.get(id)
    if id in new:
        return new[id].fields
    return {} if job is None else job.fields()


def _wait_or_die(fields: dict[str, Any], blockers: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep only the unfinished blockers of a job, or mark the job dead if one of them is dead."""
    dead = next((id for id, other in blockers.items() if other.get("state") == DEAD), None)
    if dead is None or fields["options"].get("after_any"):
        over = (None, *FINAL_STATES)
        fields["blockers"] = [id for id, other in blockers.items() if other.get("state") not in over]
    else:
        fields.update(state=DEAD, reason=reasons.dependency_ended(dead, blockers[dead].get("reason") or ""))
        _forget_times(fields)


def _checked(raw: object, index: int) -> dict[str, Any]:
    """Return the fields of a job in the form in which they are kept.

    Raises: InvalidJob.
    """
    if not isinstance(raw, dict):
        raise InvalidJob(index=index, why="an exported job must be a JSON object")
    basic = check_spec({name: raw[name] for name in BASIC_FIELDS if name in raw}, index)
    for name in (*BASIC_FIELDS, "created_ms", "state"):
        if name not in raw:
            raise InvalidJob(index=index, why=f"an exported job needs the field {name!r}")
    try:
        given = {name: raw[name] for name in _KEPT if raw.get(name) not in (None, [])}
        kept = {name: check_field(name, value, _KEPT) for name, value in given.items()}
        _check_state(kept)
    except ValueError as fault:
        raise InvalidJob(index=index, why=f"not an exported job: {fault}") from None
    return _at_rest({**basic, **kept}, bool(raw.get("cancel")))


def _check_state(kept: dict[str, Any]) -> None:
    """Check that the state goes with the other fields.

    Raises: ValueError.
    """
    if kept.get("state") == FAILED and "due_ms" not in kept:
        raise ValueError("a failed job needs due_ms")
    if kept.get("state") == PROCESSING and "wall_ms" in kept:
        raise ValueError("a running job cannot have wall_ms")
    if "created_ms" not in kept or "state" not in kept:
        raise ValueError("created_ms and state must have values")
    if "blockers" in kept and not kept.get("options", {}).keys() & {"after", "after_batch"}:
        raise ValueError("blockers must be IDs of jobs in after")


def _text(value: object) -> str:
    """Accept text, and cut it, so that a record stays small."""
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {validators.kind(value)}")
    return value[:MAX_REASON]


def _history(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"must be a list, not {validators.kind(value)}")
    return [_attempt(item) for item in value[-MAX_HISTORY:]]


def _attempt(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"an attempt must be an object, not {validators.kind(value)}")
    for name in STARTED_FIELDS:
        if value.get(name) is None:
            raise ValueError(f"an attempt needs {name}")
    if value.get("log_file") is not None and value.get("log_offset") is None:
        raise ValueError("an attempt with a log_file has a log_offset")
    return {name: item if item is None else check_field(name, item, _ATTEMPT) for name, item in value.items()}


def _options(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"must be an object, not {validators.kind(value)}")
    return {name: check_field(name, item, _OPTIONS) for name, item in value.items()}


def _hook(value: object) -> dict[str, object]:
    """Accept what a job tells a hook, with all its fields."""
    if not isinstance(value, dict) or value.keys() != _HOOK.keys():
        raise ValueError(f"must be an object with {', '.join(_HOOK)}")
    none = [name for name in ("exit_code", "reason", "log_file", "batch") if value[name] is None]
    return {name: None if name in none else check_field(name, item, _HOOK) for name, item in value.items()}


_time = partial(validators.whole, low=0, high=END_MS - 1)
_count = partial(validators.whole, low=0, high=10**6)
_KEPT: dict[str, Callable[[object], object]] = {
    **dict.fromkeys(("created_ms", "updated_ms", "due_ms", "wall_ms"), _time),
    **dict.fromkeys(("attempts", "losses"), _count),
    "state": partial(validators.word, among=STATES),
    "reason": _text,
    "history": _history,
    "options": _options,
    "blockers": partial(validators.ids, most=MAX_AFTER),
}
_HOOK: dict[str, Callable[[object], object]] = {
    **dict.fromkeys(("job_id", "state", "reason", "log_file", "batch"), _text),
    **dict.fromkeys(("exit_code", "attempt", "log_offset", "output_bytes", "completed", "dead"), _time),
}
_ATTEMPT = {name: _text if name in TEXT_FIELDS else _time for name in FIELDS}
_OPTIONS: dict[str, Callable[[object], object]] = {
    **OPTIONS,
    "schedule": validators.name,
    "hook": lambda value: _hook(value),
    "environ": check_env,
    "defaults": partial(validators.text_pairs, what="field", most=100, max_bytes=4096, names=r"[a-z_]{1,64}"),
    "at": lambda value: value if type(value) is int else validators.time(value),
}


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
    if fields["state"] not in (PENDING, DEAD):
        fields.pop("blockers", None)
    return fields


def _forget_times(fields: dict[str, object]) -> None:
    fields.pop("due_ms", None)
    fields.pop("wall_ms", None)
