"""Attempt: the fields of one attempt of a job, from its start to the record that users see.

This module has the only list of these fields, apart from their types in `records`.

Pure. Knows no Job.
"""

from __future__ import annotations

from ..light_types import NamedTuple
from ..timestamps import utc, utc_or_none

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import Any

    from .records import Attempt, AttemptRecord


class AttemptResult(NamedTuple):
    """How an attempt ended, and where its output lies.

    `outcome` is one of exit, signal, timeout, spawn-failed, worker-lost. `detail` is a clause for people.
    `cpu_ms` and `peak_bytes` (of memory) cover the shell and the processes that it waited for.
    """

    outcome: str
    exit_code: int | None
    signal: int | None
    ended_ms: int
    duration_ms: int
    log_file: str | None = None
    log_offset: int = 0
    output_bytes: int = 0
    dropped_bytes: int = 0
    detail: str | None = None
    cpu_ms: int | None = None
    peak_bytes: int | None = None


_ENDED_FIELDS = tuple("reason" if name == "detail" else name for name in AttemptResult._fields)
STARTED_FIELDS = ("attempt", "run", "worker", "started_ms")
FIELDS = (*STARTED_FIELDS, "slot", *_ENDED_FIELDS)
TEXT_FIELDS = ("worker", "outcome", "reason", "log_file")
"""The fields with text. All others are whole numbers, 0 or more."""

_RECORD_FIELDS = (
    "attempt", "worker", "started_at", "ended_at", "duration_ms", "outcome", "exit_code", "signal", "reason",
    "output_file", "output_offset", "output_bytes", "dropped_bytes", "cpu_ms", "peak_bytes",
)  # fmt: skip
_RENAMED = {
    "started_at": "started_ms",
    "ended_at": "ended_ms",
    "output_file": "log_file",
    "output_offset": "log_offset",
}
"""The fields that have other names in a record."""


def ended(attempt: Attempt, result: AttemptResult, reason: str | None, outcome: str | None) -> Attempt:
    """Return an attempt with its end. `outcome` is set when it differs from that of the result."""
    fields = dict(attempt)
    fields.update(zip(_ENDED_FIELDS, result))
    fields["started_ms"] = result.ended_ms - result.duration_ms
    fields["outcome"] = outcome or result.outcome
    fields["reason"] = reason
    return fields


def record_of(attempt: Attempt) -> AttemptRecord:
    """Return one attempt in the form for users; `outcome` is None while it runs."""
    record: Any = {name: attempt.get(_RENAMED.get(name, name)) for name in _RECORD_FIELDS}
    record["started_at"] = utc(record["started_at"])
    record["ended_at"] = utc_or_none(record["ended_at"])
    record["dropped_bytes"] = record["dropped_bytes"] or 0
    if "slot" in attempt:
        record["slot"] = attempt["slot"]
    return record  # type: ignore[no-any-return]  # the table above has its fields
