"""Job text: parses a job that people or files give as JSON text.

Pure. Does not know what a job may contain (`job_spec.check_spec`).

Warning: the json parser accepts NaN and Infinity. Very deep nesting raises RecursionError, which is no ValueError.
"""

from __future__ import annotations

from .. import fast_json


def parse(text: str) -> object:
    """Return the value of JSON text.

    Raises: ValueError with a clause that says what is wrong.
    """
    try:
        try:
            value = fast_json.decode_strictly(text)
            if isinstance(value, dict) and len(value) == text.count(":"):
                return value  # each key has a colon, so none occurs twice
            return fast_json.decode_unique(text)
        except ValueError as fault:
            raise ValueError(_fault_in(text) or str(fault)) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _fault_in(text: str) -> str | None:
    """Return what is wrong with the text, and where; only the whole json module knows, and its import takes time."""
    import json

    try:
        json.loads(text)
    except json.JSONDecodeError as fault:
        return f"{fault.msg} at character {fault.pos + 1}"
    except ValueError:  # an int of more digits than Python takes
        return "a number has too many digits"
    return None
