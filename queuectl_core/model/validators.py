"""Validators: functions that check one value of a request, a file, or a setting.

Each takes the value as JSON gives it, and returns the form in which it is kept. For an invalid value, each raises
ValueError with a clause for people, like "must be text, not null". `partial` sets bounds.

Pure. Knows no field of a job and no setting.
"""

from __future__ import annotations

import math

from ..light_types import partial
from ..timestamps import parse_duration_s, parse_rfc3339

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    Number = TypeVar("Number", int, float)

_ID_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-"
ID_RULE = "1 to 128 letters, digits and . _ : - , starting with a letter or digit"
MAX_CODES = 1000
"""There are 255 codes; a request may repeat some."""


def fault_in(value: object, validate: Callable[[object], object]) -> str | None:
    """Return why a validator refuses a value, as a clause, or None if it accepts it."""
    try:
        validate(value)
        return None
    except ValueError as fault:
        return str(fault)


def is_id(value: object) -> bool:
    """Return whether a value can be a job ID."""
    if not isinstance(value, str) or not 0 < len(value) <= 128 or not value.isascii():
        return False
    return value.isalnum() or (value[0].isalnum() and not value.strip(_ID_CHARACTERS))


def job_id(value: object) -> str:
    """Accept an ID of a job."""
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {kind(value)}")
    if len(value) > 128:
        raise ValueError(f"has {len(value)} characters; an ID has {ID_RULE}")
    if not is_id(value):
        raise ValueError(f"{value!r} cannot be an ID: {ID_RULE}")
    return value


def name(value: object) -> str:
    """Accept a name of a queue, a batch, or a key, which has the form of a job ID."""
    if isinstance(value, str) and is_id(value):
        return value
    try:
        return job_id(value)
    except ValueError as fault:
        raise ValueError(str(fault).replace("an ID", "a name")) from None


def ids(value: object, most: int) -> list[str]:
    """Accept a list of IDs, and drop repeated ones."""
    if not isinstance(value, list) or not 0 < len(value) <= most:
        raise ValueError(f"must be a list of 1 to {most} IDs, not {kind(value)}")
    return list(dict.fromkeys(map(job_id, value)))


def text(value: object, max_bytes: int, may_be_empty: bool = False) -> str:
    """Accept text of at most `max_bytes` bytes in UTF-8."""
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {kind(value)}")
    if not value and not may_be_empty:
        raise ValueError("must not be empty")
    if "\0" in value:
        raise ValueError("must not contain a NUL byte")
    try:
        size = len(value if value.isascii() else value.encode("utf-8"))
    except UnicodeEncodeError:
        raise ValueError("is not valid UTF-8") from None
    if size > max_bytes:
        raise ValueError(f"has {size} bytes; the maximum is {max_bytes}")
    return value


def command(value: object, max_bytes: int) -> str:
    """Accept text with more than spaces."""
    if isinstance(value, str) and not value.strip():
        raise ValueError("must not be empty")
    return text(value, max_bytes)


def path(value: object) -> str:
    """Accept an absolute path, whether it exists or not."""
    if isinstance(value, str) and not value.startswith("/"):
        raise ValueError("must be an absolute path")
    return text(value, 4095)


def text_pairs(value: object, what: str, most: int, max_bytes: int, names: str) -> dict[str, str]:
    """Accept an object with text values, whose names match the pattern `names`. `what` is the word for one of them.

    No message has a value, because a variable can be a secret, and messages reach logs.
    """
    if not isinstance(value, dict):
        raise ValueError(f"must be an object with text values, not {_type_name(value)}")
    if len(value) > most:
        raise ValueError(f"has {len(value)} {what}s; at most {most} are allowed")
    import re

    valid_text = partial(text, max_bytes=max_bytes, may_be_empty=True)
    for key, item in value.items():
        if not re.fullmatch(names, key, re.ASCII) or fault_in(key, valid_text):
            raise ValueError(f"{shortened(key)} cannot be the name of a {what}")
        why = fault_in(item, valid_text) if isinstance(item, str) else f"must be text, not {_type_name(item)}"
        if why:
            raise ValueError(f"{key} {why}")
    if sum(len(key) + len(item.encode()) for key, item in value.items()) > max_bytes:
        raise ValueError(f"has more than {max_bytes} bytes in total")
    return value


def whole(value: object, low: int, high: int) -> int:
    """Accept a whole number from `low` to `high`."""
    if type(value) is not int:
        raise ValueError(f"must be a whole number from {low} to {high}, not {kind(value)}")
    return _within(value, low, high, "")


def number(value: object, low: float, high: float, what: str = "a number") -> float:
    """Accept a number from `low` to `high`."""
    if not isinstance(value, (int, float)) or not _is_finite(value):
        raise ValueError(f"must be {what} from {low:g} to {high:g}, not {kind(value)}")
    return _within(value, low, high, "")


def seconds(value: object, low: float, high: float) -> float:
    """Accept seconds from `low` to `high`, as a number or as text like "90s" or "1h30m"."""
    amount = parse_duration_s(value) if isinstance(value, str) else value
    if not isinstance(amount, (int, float)) or not _is_finite(amount):
        raise ValueError(f"must be seconds or a time like 90s, 2h or 1d, not {shortened(value)}")
    return _within(amount, low, high, " seconds")


def _is_finite(value: float) -> bool:
    """Return whether a value is neither a truth value nor infinite nor NaN."""
    return not isinstance(value, bool) and abs(value) < math.inf


def _within(value: Number, low: float, high: float, unit: str) -> Number:
    if not low <= value <= high:
        raise ValueError(f"must be from {low:g} to {high:g}{unit}, not {shortened(value)}")
    return value


def parse_size(text: str) -> int | None:
    """Return the bytes in text like "4096", "512M" or "2 GiB" (powers of 1024); None for other text."""
    import re

    match = re.fullmatch(r"([0-9]{1,15})([.][0-9]{1,3})? ?([kKmMgGtT]?)i?[bB]?", text.strip(), re.ASCII)
    if match is None:
        return None
    factor: int = 1024 ** " kmgt".index(match[3].lower() or " ")
    return round(float(match[1] + (match[2] or "")) * factor)


def size(value: object) -> int:
    """Accept a number of bytes, as a number or as text like "512M" (powers of 1024)."""
    amount = parse_size(value) if isinstance(value, str) else value
    if type(amount) is not int or not 1024 * 1024 <= amount <= 2**60:
        raise ValueError(f"must be a size from 1M, like 512M or 2G, not {shortened(value)}")
    return amount


def codes(value: object) -> list[int]:
    """Accept exit codes in a list, one number, or text like "75,111"; empty text or an empty list means none.

    Return them sorted.
    """
    given = value if isinstance(value, list) else [value]
    if isinstance(value, str):
        given = value.split(",") if value else []
    if len(given) > MAX_CODES:
        raise ValueError(f"has {len(given)} exit codes; at most {MAX_CODES} are allowed")
    numbers = [_code(item) for item in given]
    if not all(type(code) is int and 1 <= code <= 255 for code in numbers):
        raise ValueError(f"must be exit codes from 1 to 255, like 75,111, not {shortened(value)}")
    return sorted(set(numbers))


def _code(item: Any) -> Any:
    """Return text of digits as a number, and any other item unchanged."""
    digits = item.strip(" \t\n\r\f\v") if isinstance(item, str) else ""
    return int(digits) if digits.isdigit() and digits.isascii() and len(digits) <= 9 else item


def truth(value: object) -> bool:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {kind(value)}")
    return value


def time(value: object) -> int:
    """Accept an instant in RFC 3339 text, and return it in ms since 1970."""
    at_ms = parse_rfc3339(value) if isinstance(value, str) else None
    if at_ms is None:
        raise ValueError(f"must be a time like 18:30, 2026-12-24T18:00 or 2026-12-24T18:00Z, not {shortened(value)}")
    return at_ms


def word(value: object, among: Sequence[str]) -> str:
    """Accept one of some words."""
    if value not in among:
        raise ValueError(f"must be one of {', '.join(among)}, not {shortened(value)}")
    return str(value)


def kind(value: object) -> str:
    """Return the name of the type of a JSON value, and a short value, for people who do not know Python."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    named = _type_name(value)
    return f"{named} ({shortened(value)})" if isinstance(value, (str, int, float)) else named


def _type_name(value: object) -> str:
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def shortened(value: object) -> str:
    """Return the text of any value of a request for a message, at most 40 characters."""
    try:
        shown = repr(value)
    except ValueError:  # an int of more digits than Python will print
        return "a huge number"
    return shown if len(shown) <= 40 else shown[:37] + "..."
