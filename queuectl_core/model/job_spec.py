"""Job spec: the fields of a request for a job: their valid values, and the form in which they are kept.

`check_spec` converts durations to seconds, sizes to bytes, and times to milliseconds.

Pure. Knows no Job and no queue: the engine checks whether an ID is taken or a dependency exists.

Invariant: a field that journals contain keeps its meaning forever.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from ..errors import InvalidJob
from ..timestamps import parse_duration_s, parse_rfc3339
from . import retry_policy

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import Any

    from .records import CheckedSpec

ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)
ID_RULE = "1 to 128 letters, digits and . _ : - , starting with a letter or digit"
MAX_COMMAND_BYTES = 131_071
"""Linux accepts no argument longer than 128 KiB with its final NUL (MAX_ARG_STRLEN in execve(2))."""

DEFAULT_QUEUE = "default"
MAX_PRIORITY = 999
MAX_WAIT_S = 10 * 365 * 86_400
MAX_AFTER = 100
MAX_CODES = 1000
"""There are 255 codes; a request may repeat some."""

MAX_TAGS = 32
MAX_ENV_BYTES = 128 * 1024
MAX_INPUT_BYTES = 64 * 1024
CONFLICTS = ("refuse", "skip", "replace")

BASIC_FIELDS = frozenset(("id", "command", "max_retries", "backoff_base", "cwd"))
OWN_FIELDS = frozenset(
    ("state", "attempts", "created_at", "updated_at", "next_run_at", "reason", "worker", "history", "number")
)


def check_spec(spec: object, index: int = 0) -> CheckedSpec:
    """Return the checked fields of one new job; absent fields stay absent.

    Return `spec` itself when all fields are basic. The error has `index`, the place of the job in its request, and
    names the field and its fault.

    Raises: InvalidJob.
    """
    if not isinstance(spec, dict):
        raise InvalidJob(
            index=index, why=f'a job must be a JSON object like {{"command": "sleep 2"}}, not {kind(spec)}'
        )
    if "command" not in spec and not spec.keys() - _BASIC_CHECKS.keys() - OPTIONS.keys():
        raise InvalidJob(index=index, why='a job needs a "command"')
    kept: Any = spec
    for field, value in spec.items():
        check = _BASIC_CHECKS.get(field)
        if check is not None:
            why = check(value)
            if why:
                raise InvalidJob(index=index, why=f"{field}: {why}")
            continue
        if kept is spec:
            kept = dict(spec)
        try:
            kept[field] = check_option(field, value)
        except ValueError as fault:
            raise InvalidJob(index=index, why=str(fault)) from None
    if kept is not spec:
        _refuse_exclusive(kept, index)
    checked: CheckedSpec = kept
    return checked


def _refuse_exclusive(kept: dict[str, object], index: int) -> None:
    """Check that no two fields exclude each other.

    Raises: InvalidJob.
    """
    for one, other in _EXCLUSIVE:
        if one in kept and other in kept:
            raise InvalidJob(index=index, why=f"{one} and {other} cannot be used together")


def check_option(field: str, value: object) -> object:
    """Return the value of an optional field in the form in which it is kept.

    Raises: ValueError with a sentence.
    """
    option = OPTIONS.get(field)
    if option is None:
        raise ValueError(_unknown_field(field))
    try:
        return option(value)
    except (ValueError, OverflowError) as fault:
        raise ValueError(f"{field}: {fault}") from None


def check_field(field: str, value: object) -> object:
    """Return the value of any field but the ID in the form in which it is kept.

    Raises: ValueError with a sentence.
    """
    if field not in _BASIC_CHECKS:
        return check_option(field, value)
    why = _BASIC_CHECKS[field](value)
    if why:
        raise ValueError(f"{field}: {why}")
    return value


def check_id(value: object) -> str | None:
    """Return why `value` cannot be a job ID, as a clause, or None if it can."""
    if not isinstance(value, str):
        return f"must be text, not {kind(value)}"
    if len(value) > 128:
        return f"has {len(value)} characters; an ID has {ID_RULE}"
    return None if ID_PATTERN.fullmatch(value) else f"{value!r} cannot be an ID: {ID_RULE}"


def check_max_retries(value: object) -> str | None:
    """Return why `value` cannot be a number of retries, as a clause, or None if it can."""
    if isinstance(value, bool) or not isinstance(value, int):
        return f"must be a whole number from 0 to {retry_policy.MAX_RETRIES}, not {kind(value)}"
    if 0 <= value <= retry_policy.MAX_RETRIES:
        return None
    return f"must be from 0 to {retry_policy.MAX_RETRIES}, not {shortened(value)}"


def check_backoff_base(value: object) -> str | None:
    """Return why `value` cannot be a backoff base in seconds, as a clause, or None if it can."""
    limit = f"{retry_policy.MAX_BACKOFF_BASE:g}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"must be a number of seconds from 0 to {limit}, not {kind(value)}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be a number of seconds from 0 to {limit}, not {value}"
    return None if 0 <= value <= retry_policy.MAX_BACKOFF_BASE else f"must be from 0 to {limit}, not {shortened(value)}"


def check_cwd(value: object) -> str | None:
    """Return why `value` cannot be a folder, as a clause, or None if it can; whether it exists is not checked."""
    if not isinstance(value, str):
        return f"must be text, not {kind(value)}"
    if not value.startswith("/"):
        return "must be an absolute path"
    return _check_bytes(value, 4095)


def _check_command(value: object) -> str | None:
    if not isinstance(value, str):
        return f"must be text, not {kind(value)}"
    if not value.strip():
        return "must not be empty"
    return _check_bytes(value, MAX_COMMAND_BYTES)


def _check_bytes(value: str, max_bytes: int) -> str | None:
    if "\0" in value:
        return "must not contain a NUL byte"
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    return None if size <= max_bytes else f"has {size} bytes; the maximum is {max_bytes}"


_BASIC_CHECKS: dict[str, Callable[[object], str | None]] = {
    "id": check_id,
    "command": _check_command,
    "max_retries": check_max_retries,
    "backoff_base": check_backoff_base,
    "cwd": check_cwd,
}


# The optional fields: each function returns the value that is kept, or raises ValueError with a clause


def parse_codes(value: object) -> list[int]:
    """Return the sorted exit codes in a list, one number, or text like "75,111".

    Raises: ValueError with a clause.
    """
    wanted = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    if len(wanted) > MAX_CODES:
        raise ValueError(f"has {len(wanted)} exit codes; at most {MAX_CODES} are allowed")
    codes = [_code(item) for item in wanted]
    if not all(type(code) is int and 1 <= code <= 255 for code in codes) or not codes:
        raise ValueError(f"must be exit codes from 1 to 255, like 75,111, not {shortened(value)}")
    return sorted(set(codes))


def _code(item: Any) -> Any:
    """Return text of digits as a number, and any other item unchanged."""
    is_number = isinstance(item, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", item, re.ASCII)
    return int(item) if is_number else item


def parse_codes_or_none(value: object) -> list[int]:
    """Return the sorted exit codes; empty text or an empty list means none.

    Raises: ValueError with a clause.
    """
    return [] if value in ("", []) else parse_codes(value)


def parse_seconds(low: float, high: float) -> Callable[[object], float | int]:
    """Return a parser of seconds from `low` to `high`, given as a number or as text like "90s" or "1h30m"."""

    def parse(value: object) -> float | int:
        found = parse_duration_s(value) if isinstance(value, str) else value
        if found is None or isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found):
            raise ValueError(f"must be seconds or a time like 90s, 2h or 1d, not {shortened(value)}")
        if not low <= found <= high:
            raise ValueError(f"must be from {low:g} to {high:g} seconds, not {shortened(value)}")
        return found

    return parse


def parse_bytes(value: object) -> int:
    """Return a number of bytes, given as a number or as text like "512M" (powers of 1024).

    Raises: ValueError.
    """
    found = value
    if isinstance(value, str):
        match = re.fullmatch(r"([0-9]{1,15})([kKmMgGtT]?)i?[bB]?", value, re.ASCII)
        found = int(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " ") if match else None
    if type(found) is not int or not 1024 * 1024 <= found <= 2**60:
        raise ValueError(f"must be a size from 1M, like 512M or 2G, not {shortened(value)}")
    return found


def _whole(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {kind(value)}")
        return value

    return parse


def _share(value: object) -> float | int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"must be a number from 0 to 1, not {kind(value)}")
    return value


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {kind(value)}")
    return value


def text_of(max_bytes: int) -> Callable[[object], str]:
    """Return a parser that accepts nonempty text of at most `max_bytes` bytes in UTF-8."""
    def parse(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"must be text, not {kind(value)}")
        why = _check_bytes(value, max_bytes)
        if why or not value:
            raise ValueError(why or "must not be empty")
        return value

    return parse


def parse_name(value: object) -> str:
    """Return a name of a queue or a key, which has the form of a job ID.

    Raises: ValueError with a clause.
    """
    why = check_id(value)
    if why:
        raise ValueError(why.replace("an ID", "a name"))
    return str(value)


def _path(value: object) -> str:
    why = check_cwd(value)
    if why:
        raise ValueError(why)
    return str(value)


def _pairs(what: str, most: int, max_bytes: int, pattern: str) -> Callable[[object], dict[str, str]]:
    def parse(value: object) -> dict[str, str]:
        if not isinstance(value, dict):
            raise ValueError(f"must be an object with text values, not {kind(value)}")
        if len(value) > most:
            raise ValueError(f"has {len(value)} {what}s; at most {most} are allowed")
        for name, text in value.items():
            if not re.fullmatch(pattern, name, re.ASCII) or _check_bytes(name, max_bytes):
                raise ValueError(f"{shortened(name)} cannot be the name of a {what}")
            why = _check_bytes(text, max_bytes) if isinstance(text, str) else f"must be text, not {kind(text)}"
            if why:
                raise ValueError(f"{name} {why}")
        if sum(len(name) + len(text.encode()) for name, text in value.items()) > max_bytes:
            raise ValueError(f"has more than {max_bytes} bytes in total")
        return value

    return parse


def _time(value: object) -> int:
    """Return an instant in RFC 3339 text as ms since 1970.

    Raises: ValueError with a clause.
    """
    found = parse_rfc3339(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"must be a time like 18:30, 2026-12-24T18:00 or 2026-12-24T18:00Z, not {shortened(value)}")
    return found


def _ids(value: object) -> list[str]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_AFTER:
        raise ValueError(f"must be a list of 1 to {MAX_AFTER} IDs, not {kind(value)}")
    for id in value:
        why = check_id(id)
        if why:
            raise ValueError(why)
    return list(dict.fromkeys(value))


def _conflict(value: object) -> str:
    if value not in CONFLICTS:
        raise ValueError(f"must be one of {', '.join(CONFLICTS)}, not {shortened(value)}")
    return str(value)


OPTIONS: dict[str, Callable[[object], object]] = {
    "name": text_of(200),
    "queue": parse_name,
    "priority": _whole(-MAX_PRIORITY, MAX_PRIORITY),
    "tags": _pairs("tag", MAX_TAGS, 4096, r"[A-Za-z0-9._-]{1,64}"),
    "delay": parse_seconds(0, MAX_WAIT_S),
    "at": _time,
    "after": _ids,
    "after_any": _yes_or_no,
    "key": parse_name,
    "on_conflict": _conflict,
    "slots": _whole(1, 1024),
    "timeout": parse_seconds(0, MAX_WAIT_S),
    "grace": parse_seconds(0, 3600),
    "env": _pairs("variable", 10_000, MAX_ENV_BYTES, r"[^=\0]+"),
    "stdin": _path,
    "input": text_of(MAX_INPUT_BYTES),
    "shell": _path,
    "nice": _whole(-20, 19),
    "limit_mem": parse_bytes,
    "limit_cpu": parse_seconds(1, MAX_WAIT_S),
    "backoff_max": parse_seconds(0, retry_policy.MAX_DELAY_S),
    "jitter": _share,
    "retry_on": parse_codes_or_none,
    "fail_on": parse_codes_or_none,
    "snooze_on": parse_codes_or_none,
    "snooze": parse_seconds(0, MAX_WAIT_S),
}
"""The optional fields of a new job, each with the function that returns the value that is kept."""

_EXCLUSIVE = (("delay", "at"), ("stdin", "input"))

PASSING_OPTIONS = frozenset(("delay", "at", "on_conflict"))
"""The options that control the request, and that are not kept with the job."""


def _unknown_field(field: str) -> str:
    if field in OWN_FIELDS:
        return f"field {field!r} is read-only; queuectl sets it"
    from difflib import get_close_matches

    known = [*_BASIC_CHECKS, *OPTIONS]
    near = get_close_matches(field[:100], known, n=1)
    meant = f"did you mean {near[0]!r}?" if near else "see `queuectl enqueue --help`"
    return f"unknown field {shortened(field)}; {meant}"


def kind(value: object) -> str:
    """Return what a JSON value is, in words for people who do not know Python."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    name = names.get(type(value), type(value).__name__)
    return f"{name} ({shortened(value)})" if isinstance(value, (str, int, float)) else name


def shortened(value: object) -> str:
    """Return the text of any value of a request for a message, at most 40 characters."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python will print
        return "a huge number"
    return text if len(text) <= 40 else text[:37] + "..."
