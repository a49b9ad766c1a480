"""Job spec: the fields of a request for a job: their valid values, and the form in which they are kept.

`check_spec` converts durations to seconds, sizes to bytes, and times to milliseconds.

Pure. Knows no Job and no queue: the engine checks whether an ID is taken or a dependency exists.

Invariant: a field that journals contain keeps its meaning forever.
"""

from __future__ import annotations

from ..errors import InvalidJob
from ..light_types import partial
from . import retry_policy, validators
from .validators import kind, shortened

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .records import CheckedSpec

MAX_COMMAND_BYTES = 131_071
"""Linux accepts no argument longer than 128 KiB with its final NUL (MAX_ARG_STRLEN in execve(2))."""

DEFAULT_QUEUE = "default"
MAX_PRIORITY = 999
MAX_WAIT_S = 10 * 365 * 86_400
MAX_AFTER = 100
MAX_TAGS = 32
MAX_ENV_BYTES = 128 * 1024
MAX_INPUT_BYTES = 64 * 1024

HOOKS = ("on-success", "on-failure", "on-dead", "on-end", "on-batch-end")
"""The hooks of a job, as settings name them. A field of a job has `_` for `-`."""

max_retries = partial(validators.whole, low=0, high=retry_policy.MAX_RETRIES)
backoff_base = partial(validators.number, low=0, high=retry_policy.MAX_BACKOFF_BASE, what="a number of seconds")
hook = partial(validators.text, max_bytes=4096)
niceness = partial(validators.whole, low=-20, high=19)
check_env = partial(
    validators.text_pairs, what="variable", most=10_000, max_bytes=MAX_ENV_BYTES, names=r"[^=\0]+"
)
_wait = partial(validators.seconds, low=0, high=MAX_WAIT_S)

BASIC: dict[str, Callable[[object], object]] = {
    "id": validators.job_id,
    "command": partial(validators.command, max_bytes=MAX_COMMAND_BYTES),
    "max_retries": max_retries,
    "backoff_base": backoff_base,
    "cwd": validators.path,
}
"""The basic fields of a new job. Their validators return the value itself."""

OPTIONS: dict[str, Callable[[object], object]] = {
    "batch": validators.name,
    "name": partial(validators.text, max_bytes=200),
    "queue": validators.name,
    "priority": partial(validators.whole, low=-MAX_PRIORITY, high=MAX_PRIORITY),
    "tags": partial(
        validators.text_pairs, what="tag", most=MAX_TAGS, max_bytes=4096, names=r"[A-Za-z0-9._-]{1,64}"
    ),
    "delay": _wait,
    "at": validators.time,
    "after": partial(validators.ids, most=MAX_AFTER),
    "after_batch": partial(validators.ids, most=MAX_AFTER),
    "after_any": validators.truth,
    "key": validators.name,
    "on_conflict": partial(validators.word, among=("refuse", "skip", "replace")),
    "slots": partial(validators.whole, low=1, high=1024),
    "timeout": _wait,
    "grace": partial(validators.seconds, low=0, high=3600),
    "env": check_env,
    "stdin": validators.path,
    "input": partial(validators.text, max_bytes=MAX_INPUT_BYTES),
    "shell": validators.path,
    "nice": niceness,
    "limit_mem": validators.size,
    "limit_cpu": partial(validators.seconds, low=1, high=MAX_WAIT_S),
    "backoff_max": partial(validators.seconds, low=0, high=retry_policy.MAX_DELAY_S),
    "jitter": partial(validators.number, low=0, high=1),
    "retry_on": validators.codes,
    "fail_on": validators.codes,
    "snooze_on": validators.codes,
    "snooze": _wait,
    **{name.replace("-", "_"): hook for name in HOOKS},
}
"""The optional fields of a new job."""

QUEUE_DEFAULTS = (
    "timeout", "grace", "max_retries", "backoff_base", "backoff_max", "jitter", "retry_on", "fail_on", "snooze_on",
    "snooze", "env", "shell", "nice", "limit_mem", "limit_cpu",
)  # fmt: skip
"""The fields for which a queue may have defaults."""

BASIC_FIELDS = frozenset(BASIC)
PASSING_OPTIONS = frozenset(("delay", "at", "on_conflict"))
"""The options that control the request, and that are not kept with the job."""

FIXED_FIELDS = frozenset(("id", "batch", "after", "after_batch", "after_any", "key", "on_conflict"))
"""The fields that cannot change after the job is added."""

OWN_FIELDS = frozenset(
    ("state", "attempts", "created_at", "updated_at", "next_run_at", "reason", "worker", "history", "number")
    + ("defaults",)
)
_UNCHANGED = {**BASIC, "batch": OPTIONS["batch"]}
"""The fields that a load of many jobs sets. Their validators return the value itself, so that nothing is copied."""

_EXCLUSIVE = (("delay", "at"), ("stdin", "input"))
_FIELDS = {**BASIC, **OPTIONS}


def check_spec(spec: object, index: int = 0) -> CheckedSpec:
    """Return the checked fields of one new job; absent fields stay absent.

    Return `spec` itself when all fields but the batch are basic. The error has `index`, the place of the job in its
    request, and names the field and its fault.

    Raises: InvalidJob.
    """
    if not isinstance(spec, dict):
        why = f'a job must be a JSON object like {{"command": "sleep 2"}}, not {kind(spec)}'
        raise InvalidJob(index=index, why=why)
    if "command" not in spec and not spec.keys() - _FIELDS.keys():
        raise InvalidJob(index=index, why='a job needs a "command"')
    kept: Any = spec
    try:
        for field, value in spec.items():
            validate = _UNCHANGED.get(field)
            if validate is not None:
                validate(value)
                continue
            if kept is spec:
                kept = dict(spec)
            kept[field] = check_field(field, value)
    except ValueError as fault:
        why = f"{field}: {fault}" if field in _UNCHANGED else str(fault)
        raise InvalidJob(index=index, why=why) from None
    if kept is not spec:
        _refuse_exclusive(kept, index)
    return kept  # type: ignore[no-any-return]  # the validators give each field its type


def _refuse_exclusive(kept: CheckedSpec, index: int) -> None:
    for field, other in _EXCLUSIVE:
        if field in kept and other in kept:
            raise InvalidJob(index=index, why=f"{field} and {other} cannot be used together")


def check_field(
    field: str, value: object, among: Mapping[str, Callable[[object], object]] = _FIELDS
) -> object:
    """Return the value of a field in the form in which it is kept.

    Raises: ValueError with a sentence.
    """
    validate = among.get(field)
    if validate is None:
        raise ValueError(_unknown_field(field))
    try:
        return validate(value)
    except ValueError as fault:
        raise ValueError(f"{field}: {fault}") from None


def _unknown_field(field: str) -> str:
    if field in OWN_FIELDS:
        return f"field {field!r} is read-only; queuectl sets it"
    from difflib import get_close_matches

    near = get_close_matches(field[:100], _FIELDS, n=1)
    meant = f"did you mean {near[0]!r}?" if near else "see `queuectl enqueue --help`"
    return f"unknown field {shortened(field)}; {meant}"
