"""Exported: jobs as the lines that `import` takes. What `export` and `dlq export` have in common."""

from __future__ import annotations

import json

from ..api import Queue
from .render import Screen


def print_exported(queue: Queue, chosen: dict[str, object], screen: Screen) -> int:
    """The jobs that `chosen` says (see `Queue.list`)."""
    for job in queue.export(**chosen):  # type: ignore[arg-type]
        screen.line(json.dumps(job, ensure_ascii=False, separators=(",", ":")))
    return 0
