"""JobText: a job as JSON text, as people and files bring it, to the value that the text stands for.

Pure. Does not know what a job may say (`job.check_spec`). The trap: Python's own parser takes NaN and Infinity, and
ends on text that is nested very deeply with an error that is no ValueError.
"""

from __future__ import annotations

import json


def parse(text: str) -> object:
    """Raises ValueError, whose text is a clause that says what is wrong."""
    try:
        return _decode(text)
    except json.JSONDecodeError as fault:
        raise ValueError(f"{fault.msg} at character {fault.pos + 1}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
