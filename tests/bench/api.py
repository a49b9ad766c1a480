"""Api: the time of `Queue.enqueue`, including the sync, in a program that already runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from tests.bench import floors
from tests.bench.contest import Bench, Contest, Readings, Turn, median_ms
from tests.bench.homes import BenchHome, new_home, scratch
from tests.bench.peers import libraries

FLOOR = "one append, synced"
WARM_UP = 5


def contests(bench: Bench) -> Iterator[Contest]:
    times = bench.pick(10, 200, 500)
    with new_home(bench.folder, 0) as waiting, new_home(bench.folder, 2) as running, scratch(bench.folder) as folder:
        turns: dict[str, Turn] = {
            FLOOR: lambda: {"ms": median_ms(floors.sync_s(folder, times))},
            "queuectl, no worker": lambda: _queuectl(waiting, times),
            "queuectl, 2 workers run them": lambda: _queuectl(running, times),
        }
        for peer in libraries.NAMES:
            turns[libraries.title(bench, peer)] = partial(libraries.drive, bench, peer, "api", times=times)
        yield Contest("enqueue in a warm process", FLOOR, turns)


def _queuectl(home: BenchHome, times: int) -> Readings:
    return {"ms": median_ms(enqueues_s(home, times))}


def enqueues_s(home: BenchHome, times: int) -> list[float]:
    with home.queue() as queue:
        taken = []
        for _ in range(WARM_UP + times):
            started_s = time.perf_counter()
            queue.enqueue("true")
            taken.append(time.perf_counter() - started_s)
    return taken[WARM_UP:]
