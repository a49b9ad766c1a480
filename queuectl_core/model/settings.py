"""Settings: the keys of `queuectl config`, their defaults and bounds, and the values a home has set.

Pure. Knows neither where values are kept (journal and store) nor who asks.

Warning: a stored value can be damaged by hand. So it is checked at use, and `set` and `unset` still work meanwhile.
"""

from __future__ import annotations

import math

from ..errors import DamagedSetting, InvalidInput, InvalidSetting
from ..light_types import NamedTuple, partial
from ..timestamps import parse_duration_s
from . import retry_policy, validators
from .job_spec import MAX_WAIT_S, backoff_base, check_env, hook, max_retries, niceness

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Union

    Value = Union[int, float, str, list[int], dict[str, str]]

MAX_WORKERS = 1024


class Setting(NamedTuple):
    """One key: `parse` turns text into a value, and `validate` a value into the form in which it is kept."""

    default: Value
    parse: Callable[[str], Value]
    validate: Callable[[object], Value]
    help: str


def _is_whole(text: str) -> bool:
    """Return whether text is an optional sign and up to 19 digits."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    return digits.isdigit() and digits.isascii() and len(digits) <= 19


def _whole(text: str) -> int:
    if not _is_whole(text):
        raise ValueError("must be a whole number")
    return int(text)


def _number(text: str) -> int | float:
    if _is_whole(text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or "_" in text:
        raise ValueError("must be a number")
    return number


def _seconds(text: str) -> int | float:
    seconds = parse_duration_s(text)
    if seconds is None:
        raise ValueError("must be seconds or a time like 90s or 2h")
    return seconds


def _bytes(text: str) -> int:
    number = validators.parse_size(text)
    if number is None:
        raise ValueError("must be a number of bytes or a size like 512M or 2G")
    return number


def _optional(validate: Callable[[object], Any], none: Value) -> Callable[[object], Any]:
    """Return a validator that also accepts `none`."""
    return lambda value: none if value == none and type(value) is type(none) else validate(value)


def _variables(text: str) -> dict[str, str]:
    """Return the variables in text like `A=1 B=2`, or in a JSON object."""
    if text.lstrip().startswith("{"):
        import json

        try:
            return check_env(json.loads(text))
        except ValueError as fault:
            raise ValueError(f"must be NAME=VALUE or a JSON object with texts; it {fault}") from None
    pairs = [word.partition("=") for word in text.split()]
    if not all(name and sign for name, sign, _ in pairs):
        raise ValueError("must be NAME=VALUE, several with spaces between, or a JSON object")
    return {name: value for name, _, value in pairs}


def _command(value: object) -> str:
    if value == "":
        return ""
    try:
        return hook(value)
    except ValueError as fault:
        raise ValueError(f"must be a command or empty; it {fault}") from None


def _at_most(high: int, default: int, parse: Callable[[str], Value], help: str) -> Setting:
    """Return a setting whose value is a number from 0 to `high`."""
    return Setting(default, parse, partial(validators.number, low=0, high=high), help)


def _hook(help: str) -> Setting:
    return Setting("", _command, _command, help)


_codes = validators.codes
_environment = partial(validators.word, among=("worker", "submit"))
_WEEK_S = 7 * 86_400
_YEAR_S = retry_policy.MAX_DELAY_S
SETTINGS: dict[str, Setting] = {
    "max-retries": Setting(3, _whole, max_retries, "retries after the first run, 0 to 1000"),
    "backoff-base": Setting(2, _number, backoff_base, "base of the retry wait, 0 to 3600: base ^ attempts seconds"),
    "backoff-max": _at_most(_YEAR_S, _YEAR_S, _seconds, "longest retry wait in seconds"),
    "jitter": _at_most(1, 0, _number, "share by which a retry wait is randomly shortened, 0 to 1"),
    "retry-on": Setting([], _codes, _codes, "exit codes to retry, like 75,111; empty: all"),
    "fail-on": Setting([], _codes, _codes, "exit codes not to retry, like 2,64"),
    "timeout": _at_most(MAX_WAIT_S, 0, _seconds, "seconds until a run is ended; 0 is no limit"),
    "max-output": _at_most(2**40, 64 * 1024 * 1024, _bytes, "bytes of output kept per attempt"),
    "retention": _at_most(10**10, _WEEK_S, _seconds, "seconds to keep a completed job; 0 keeps it forever"),
    "retention-jobs": _at_most(10**9, 10**6, _whole, "maximum number of completed jobs kept; 0 is no limit"),
    "log-retention": _at_most(10**10, _WEEK_S, _seconds, "seconds to keep output; 0 keeps it forever"),
    "log-retention-bytes": _at_most(2**50, 2**30, _bytes, "maximum bytes of output kept; 0 is no limit"),
    "on-success": _hook("command to run after each completed job; empty: none"),
    "on-failure": _hook("command to run after each failed attempt; empty: none"),
    "on-dead": _hook("command to run after each job that dies, except canceled ones; empty: none"),
    "on-end": _hook("command to run after each job that completes, dies or is canceled; empty: none"),
    "on-batch-end": _hook("command to run when no job of a batch is unfinished any more; empty: none"),
    "on-idle": _hook("command to run when no job waits or runs; empty: none"),
    "limit-mem": Setting(0, _bytes, _optional(validators.size, 0), "address space of each process; 0 is no limit"),
    "nice": Setting(0, _whole, niceness, "niceness of each job, -20 to 19; 0 is that of the worker"),
    "env": Setting({}, _variables, check_env, "variables of each job, like LANG=C TZ=UTC"),
    "shell": Setting("", str, _optional(validators.path, ""), "shell of each job; empty: /bin/sh"),
    "environment": Setting("worker", str, _environment, "whose environment a job gets: worker or submit"),
    "limit-load": _at_most(100_000, 0, _number, "load average above which no job starts; 0 is no limit"),
    "min-free-mem": Setting(0, _bytes, _optional(validators.size, 0), "free memory below which no job starts; 0: any"),
    "grace": _at_most(3600, 10, _seconds, "seconds from TERM to KILL when a run is ended"),
}


class Settings:
    """The values set in one home; a key without a value has its default."""

    def __init__(self, values: dict[str, object] | None = None) -> None:
        self.values = dict(values or {})

    def __getitem__(self, key: str) -> Any:
        """Return the value of a setting that applies.

        Raises: DamagedSetting.
        """
        if key not in self.values:
            return SETTINGS[key].default
        try:
            return SETTINGS[key].validate(self.values[key])
        except ValueError as fault:
            raise DamagedSetting(key=key, why=str(fault)) from None

    def usable(self, key: str) -> Any:
        """Return the value that applies, or the default for a damaged one, where no user can be told."""
        try:
            return self[key]
        except DamagedSetting:
            return SETTINGS[key].default

    def shown(self, key: str) -> str:
        """Return the value that applies as text, also if it is damaged."""
        try:
            value = self[key]
            if isinstance(value, dict):
                return " ".join(f"{name}={text}" for name, text in value.items())
            return ",".join(map(str, value)) if isinstance(value, list) else str(value)
        except DamagedSetting:
            return f"damaged: {self.values[key]!r}"


def parse_setting(key: str, text: str) -> Value:
    """Parse the text of a value; refuse an unknown key or a value out of bounds.

    Raises: InvalidSetting.
    """
    setting = check_key(key)
    try:
        value = setting.parse(text)
    except ValueError as fault:
        said = str(fault)
        if ", not " not in said and setting.parse is not _variables:  # which may hold a secret
            said = f"{said}, not {text[:40]!r}"
        raise InvalidSetting(key=key, why=said) from None
    return check_setting(key, value)


def check_setting(key: str, value: object) -> Value:
    """Return `value` in the form in which it is kept, if it is valid for `key`.

    Raises: InvalidSetting.
    """
    try:
        return check_key(key).validate(value)
    except ValueError as fault:
        raise InvalidSetting(key=key, why=str(fault)) from None


def of_variables(environ: Mapping[str, str]) -> dict[str, Value]:
    """Return the settings of a new home that variables like QUEUECTL_MAX_RETRIES give.

    Raises: InvalidInput.
    """
    found: dict[str, Value] = {}
    for key in SETTINGS:
        name = f"QUEUECTL_{key.upper().replace('-', '_')}"
        if name in environ:
            try:
                found[key] = parse_setting(key, environ[name])
            except InvalidSetting as refusal:
                raise InvalidInput(what=f"{name}: {refusal.fields['why']}") from None
    return found


def check_key(key: str) -> Setting:
    """Return the setting of this name; the error suggests a similar name.

    Raises: InvalidSetting.
    """
    if key in SETTINGS:
        return SETTINGS[key]
    from difflib import get_close_matches

    near = get_close_matches(key.replace("_", "-"), SETTINGS, n=1, cutoff=0.6)
    meant = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(SETTINGS)}"
    raise InvalidSetting(key=repr(key)[1:-1][:60], why=f"no such key; {meant}")
