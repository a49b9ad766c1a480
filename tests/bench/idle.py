"""Idle: how often the supervisor and workers wake, and how much processor time they take, without
work.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from tests.bench import proc
from tests.bench.contest import Bench, CannotTakePart, Contest, Readings, Turn
from tests.bench.homes import new_home
from tests.bench.peers import libraries

WORKERS = 2


def contests(bench: Bench) -> Iterator[Contest]:
    during_s, settle_s = bench.pick(1, 10, 60), bench.pick(0, 3, 3)
    turns: dict[str, Turn] = {"queuectl": lambda: _queuectl(bench, during_s, settle_s)}
    for peer in ("huey", "rq", "celery"):  # the others have no workers
        turns[libraries.title(bench, peer)] = partial(
            libraries.drive, bench, peer, "idle", workers=WORKERS, during_s=during_s, settle_s=settle_s
        )
    yield Contest(f"idle, {WORKERS} workers", "", turns)


def _queuectl(bench: Bench, during_s: float, settle_s: float) -> Readings:
    """Measure after some jobs, because earlier work may have effects; the first second syncs it."""
    if not proc.IS_THERE:
        raise CannotTakePart("needs /proc")
    with new_home(bench.folder, WORKERS) as home, home.queue() as queue:
        queue.wait(queue.enqueue_many({"command": "true"} for _ in range(4 * WORKERS)))
        queue.close()
        time.sleep(1.5 + settle_s)
        return proc.activity_a_minute([home.supervisor_pid()], during_s)
