"""Migration: jobs of another home come in as they were there, with their state and their history.

Pure. Checks what comes from outside as far as anything here relies on it. The trap: no run of an imported job is under
way here; one that was running there waits again.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import events
from .admission import holder_of_key
from .errors import DuplicateJob, InvalidJob, KeyTaken, RepeatedId
from .events import Imported
from .job import FINAL_STATES, PENDING, PROCESSING, STATES
from .jobtable import JobTable
from .spec import BASIC_FIELDS, check_option, check_spec

_NUMBERS = ("created_ms", "updated_ms", "due_ms", "attempts", "losses")
_KEPT = (*_NUMBERS, "state", "reason", "history", "options", "blockers")


def imported(table: JobTable, jobs: list[object], skip: bool, now_ms: int) -> list[Imported]:
    """Raises InvalidJob, DuplicateJob, RepeatedId, with the place of the job."""
    found: list[Imported] = []
    seen: set[str] = set()
    for n, raw in enumerate(jobs):
        fields = _checked(raw, n)
        id = str(fields.pop("id"))
        if id in seen:
            raise RepeatedId(id=id, index=n)
        seen.add(id)
        if table.get(id) is not None:
            if skip:
                continue
            raise DuplicateJob(id=id, index=n)
        key = fields.get("options", {}).get("key")  # type: ignore[attr-defined]
        holder = None if key is None or fields["state"] in FINAL_STATES else holder_of_key(table, str(key))
        if holder is not None:
            raise KeyTaken(key=key, id=holder, index=n, runs=False)
        found.append(events.Imported(id, table.next_number + len(found), now_ms, fields))
    try:
        events.encode(found)
    except ValueError as fault:
        raise InvalidJob(index=0, why=f"some of these is no exported job: {fault}") from None
    return found


def _checked(raw: object, index: int) -> dict[str, object]:
    if not isinstance(raw, Mapping):
        raise InvalidJob(index=index, why="an exported job is a JSON object")
    basic = check_spec({name: raw[name] for name in BASIC_FIELDS if name in raw}, index)
    missing = next((name for name in (*BASIC_FIELDS, "created_ms", "state") if name not in raw), None)
    if missing is not None:
        raise InvalidJob(index=index, why=f"an exported job has a field {missing!r}")
    kept = {name: raw[name] for name in _KEPT if raw.get(name) is not None}
    try:
        _check(kept)
    except (ValueError, TypeError, AttributeError, KeyError) as fault:
        raise InvalidJob(index=index, why=f"it is no exported job: {fault}") from None
    return _at_rest({**basic, **kept})


def _check(kept: dict[str, object]) -> None:
    if kept["state"] not in STATES:
        raise ValueError(f"state {kept['state']!r:.40}")
    for name in _NUMBERS:
        if name in kept and type(kept[name]) is not int:
            raise ValueError(f"{name} must be a whole number")
    if kept["state"] == "failed" and "due_ms" not in kept:
        raise ValueError("a failed job has a due_ms")
    if not isinstance(kept.get("reason", ""), str):
        raise ValueError("reason must be text")
    for attempt in kept.get("history", []):  # type: ignore[attr-defined]
        numbers = (attempt["started_ms"], attempt["attempt"], attempt["run"])
        if {type(number) for number in numbers} != {int} or not isinstance(attempt["worker"], str):
            raise ValueError("history must be attempts")
    for name, value in kept.get("options", {}).items():  # type: ignore[attr-defined]
        if name not in ("schedule", "at"):
            check_option(name, value)
    if not all(isinstance(id, str) for id in kept.get("blockers", [])):  # type: ignore[attr-defined]
        raise ValueError("blockers must be ids")


def _at_rest(fields: dict[str, object]) -> dict[str, object]:
    """Where it ran there, it waits here, its attempt not counted."""
    if fields["state"] == PROCESSING:
        fields["state"] = PENDING
        fields["attempts"] = max(0, int(str(fields.get("attempts", 1))) - 1)
        fields["history"] = list(fields.get("history", []))[:-1]  # type: ignore[call-overload]
    if fields["state"] in FINAL_STATES:
        fields.pop("due_ms", None)
    return fields
