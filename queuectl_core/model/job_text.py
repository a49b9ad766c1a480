"""Job text: a job as JSON text, as people and files bring it, to the value that the text stands for.

Pure. Does not know what a job may say (`job_spec.check_spec`). The trap: parsers take NaN and Infinity, and end on text
that is nested very deeply with an error that is no ValueError.
"""

from __future__ import annotations

from .. import fast_json


def parse(text: str) -> object:
    """Raises ValueError, whose text is a clause that says what is wrong."""
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
    """What is wrong with it, and where, as the whole json module knows it, which takes time to import."""
    import json

    try:
        json.loads(text)
    except json.JSONDecodeError as fault:
        return f"{fault.msg} at character {fault.pos + 1}"
    except ValueError:  # an int of more digits than Python takes
        return "a number has too many digits"
    return None
