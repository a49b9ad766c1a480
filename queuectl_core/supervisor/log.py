"""Log: the messages of the supervisor for people, on standard error."""

from __future__ import annotations

import contextlib
import sys

from .. import timestamps
from ..escapes import visible
from ..system.clock import now_ms


def log(text: str) -> None:
    """Print a line to standard error, which is the supervisor's log or its terminal."""
    with contextlib.suppress(OSError):  # a full disk, a closed terminal: no reason to end
        print(f"{timestamps.utc(now_ms())} {visible(text)}", file=sys.stderr, flush=True)
