"""Job: one command and everything known of it; JobSpec rules: what a request for one may say.

Pure. Knows no storage and no clock; times are milliseconds since 1970, UTC. The trap: a Job is changed in place by
the engine and by nothing else; whoever wants to keep one beyond the current turn keeps `job.record()`.
"""

from __future__ import annotations

import math
import re

from . import retry
from .errors import InvalidJob
from .timestamps import utc

PENDING, PROCESSING, COMPLETED, FAILED, DEAD = STATES = ("pending", "processing", "completed", "failed", "dead")
FINAL_STATES = (COMPLETED, DEAD)

ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)
ID_RULE = "1 to 128 letters, digits and . _ : - , the first one a letter or digit"
MAX_COMMAND_BYTES = 131_071
"""Linux passes no single argument longer than 128 KiB with its final NUL (MAX_ARG_STRLEN in execve(2))."""

MAX_HISTORY = 100
"""Attempts kept in a record; older ones are dropped, so that a record stays small."""

SPEC_FIELDS = ("id", "command", "max_retries", "backoff_base", "cwd")
OWN_FIELDS = ("state", "attempts", "created_at", "updated_at", "next_run_at", "reason", "worker", "history", "number")


class Job:
    """A job as it is now. Units are in the names; `number` counts the jobs of this home in the order of their
    arrival.

    `revision` is the sequence of the last event applied: what lets replay meet a store that is ahead of its position.
    `history` holds one dict an attempt, newest last (see `engine`).
    """

    __slots__ = (
        "id", "number", "command", "cwd", "state", "attempts", "max_retries", "backoff_base", "created_ms",
        "updated_ms", "due_ms", "losses", "reason", "history", "revision",
    )  # fmt: skip

    def __init__(
        self,
        id: str,
        number: int,
        command: str,
        cwd: str,
        max_retries: int,
        backoff_base: float,
        created_ms: int,
        state: str = PENDING,
        attempts: int = 0,
        updated_ms: int | None = None,
        due_ms: int | None = None,
        losses: int = 0,
        reason: str | None = None,
        history: list[dict[str, object]] | None = None,
        revision: int = 0,
    ) -> None:
        self.id = id
        self.number = number
        self.command = command
        self.cwd = cwd
        self.max_retries = max_retries
        self.backoff_base = backoff_base
        self.created_ms = created_ms
        self.state = state
        self.attempts = attempts
        self.updated_ms = created_ms if updated_ms is None else updated_ms
        self.due_ms = due_ms
        self.losses = losses
        self.reason = reason
        self.history = [] if history is None else history
        self.revision = revision

    def fields(self) -> dict[str, object]:
        """The fields by name, without those that are as in a new job: `Job(**job.fields())` is the same job. What
        the store keeps.
        """
        known = {
            "id": self.id,
            "number": self.number,
            "command": self.command,
            "cwd": self.cwd,
            "max_retries": self.max_retries,
            "backoff_base": self.backoff_base,
            "created_ms": self.created_ms,
            "revision": self.revision,
            "state": self.state,
        }
        if self.updated_ms != self.created_ms:
            known["updated_ms"] = self.updated_ms
        if self.state != PENDING or self.attempts or self.history:
            known.update(attempts=self.attempts, history=self.history)
            if self.due_ms is not None:
                known["due_ms"] = self.due_ms
            if self.losses:
                known["losses"] = self.losses
            if self.reason is not None:
                known["reason"] = self.reason
        return known

    def running(self) -> dict[str, object]:
        """The attempt under way. Only for a job that is processing."""
        return self.history[-1]

    def record(self, clock_shift_ms: int = 0) -> dict[str, object]:
        """The job as users see it, in `--json` and in the embedding API; times as RFC 3339 text.

        `due_ms` is kept without the jumps that the wall clock has made; what they add up to comes on top here.
        """
        return {
            "id": self.id,
            "command": self.command,
            "state": self.state,
            "attempts": self.attempts,
            "max_retries": self.max_retries,
            "created_at": utc(self.created_ms),
            "updated_at": utc(self.updated_ms),
            "backoff_base": self.backoff_base,
            "cwd": self.cwd,
            "next_run_at": None if self.due_ms is None else utc(self.due_ms + clock_shift_ms),
            "reason": self.reason,
            "worker": self.running()["worker"] if self.state == PROCESSING else None,
            "history": [attempt_record(attempt) for attempt in self.history],
        }


def attempt_record(attempt: dict[str, object]) -> dict[str, object]:
    """One attempt as users see it; `outcome` is None while it runs."""
    return {
        "attempt": attempt["attempt"],
        "worker": attempt["worker"],
        "started_at": utc(attempt["started_ms"]),
        "ended_at": utc(attempt.get("ended_ms")),
        "duration_ms": attempt.get("duration_ms"),
        "outcome": attempt.get("outcome"),
        "exit_code": attempt.get("exit_code"),
        "signal": attempt.get("signal"),
        "reason": attempt.get("reason"),
        "output_file": attempt.get("log_file"),
        "output_offset": attempt.get("log_offset"),
        "output_bytes": attempt.get("output_bytes"),
        "dropped_bytes": attempt.get("dropped_bytes", 0),
    }


def check_spec(spec: object, index: int = 0) -> dict[str, object]:
    """The fields of one wanted job, each checked; those not given are absent.

    Raises InvalidJob (with `index`, the place of this job in its request) naming the field and what is wrong with it.
    """

    def refuse(why: str) -> InvalidJob:
        return InvalidJob(index=index, why=why)

    if not isinstance(spec, dict):
        raise refuse(f'a job must be a JSON object like {{"command": "sleep 2"}}, not {_kind(spec)}')
    for field in spec:
        if field not in _CHECKS:
            raise refuse(_unknown_field(field))
    if "command" not in spec:
        raise refuse('a job needs a "command"')
    for field, value in spec.items():
        why = _CHECKS[field](value)
        if why:
            raise refuse(f"{field}: {why}")
    return spec


def check_id(value: object) -> str | None:
    """None, or the clause that says why `value` cannot be a job id."""
    if not isinstance(value, str):
        return f"must be text, not {_kind(value)}"
    if len(value) > 128:
        return f"has {len(value)} characters; an id has {ID_RULE}"
    return None if ID_PATTERN.fullmatch(value) else f"{value!r} cannot be an id: {ID_RULE}"


def check_max_retries(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return f"must be a whole number from 0 to {retry.MAX_RETRIES}, not {_kind(value)}"
    return None if 0 <= value <= retry.MAX_RETRIES else f"must be from 0 to {retry.MAX_RETRIES}, not {shortened(value)}"


def check_backoff_base(value: object) -> str | None:
    limit = f"{retry.MAX_BACKOFF_BASE:g}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"must be a number of seconds from 0 to {limit}, not {_kind(value)}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be a number of seconds from 0 to {limit}, not {value}"
    return None if 0 <= value <= retry.MAX_BACKOFF_BASE else f"must be from 0 to {limit}, not {shortened(value)}"


def _check_command(value: object) -> str | None:
    if not isinstance(value, str):
        return f"must be text, not {_kind(value)}"
    if not value.strip():
        return "must not be empty"
    return _check_bytes(value, MAX_COMMAND_BYTES)


def check_cwd(value: object) -> str | None:
    if not isinstance(value, str):
        return f"must be text, not {_kind(value)}"
    if not value.startswith("/"):
        return "must be an absolute path"
    return _check_bytes(value, 4095)


def _check_bytes(value: str, max_bytes: int) -> str | None:
    if "\0" in value:
        return "must not contain a NUL byte"
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    return None if size <= max_bytes else f"has {size} bytes; this system takes at most {max_bytes}"


_CHECKS = {
    "id": check_id,
    "command": _check_command,
    "max_retries": check_max_retries,
    "backoff_base": check_backoff_base,
    "cwd": check_cwd,
}


def _unknown_field(field: str) -> str:
    if field in OWN_FIELDS:
        return f"field {field!r} is set by queuectl, not by a request"
    from difflib import get_close_matches

    near = get_close_matches(field, SPEC_FIELDS, n=1)
    meant = f"did you mean {near[0]!r}?" if near else f"a job has {', '.join(SPEC_FIELDS)}"
    return f"unknown field {shortened(field)}; {meant}"


def _kind(value: object) -> str:
    """What a JSON value is, in words for people who do not write Python."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    name = names.get(type(value), type(value).__name__)
    return f"{name} ({shortened(value)})" if isinstance(value, (str, int, float)) else name


def shortened(value: object) -> str:
    """A value of a request, for a message, whatever it is."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python will print
        return "a huge number"
    return text if len(text) <= 40 else text[:37] + "..."
