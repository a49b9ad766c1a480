"""Latency: the time from the enqueue of a job to its command when everything is idle; the command
writes into a FIFO.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from tests.bench import floors
from tests.bench.contest import Bench, Contest, Readings, Turn, median_ms
from tests.bench.fifo import Fifo
from tests.bench.homes import BenchHome, new_home
from tests.bench.peers import libraries, programs

FLOOR = "posix_spawn"
PAUSE_S = 0.02


def contests(bench: Bench) -> Iterator[Contest]:
    times = bench.pick(3, 50, 200)
    few = bench.pick(2, 10, 30)  # peers that poll take a tenth of a second each
    with new_home(bench.folder, 2) as home:
        fifo = Fifo(home.folder)
        try:
            turns: dict[str, Turn] = {
                FLOOR: lambda: _floor(fifo, times),
                "queuectl": lambda: _queuectl(home, fifo, times),
                "task-spooler": lambda: programs.latency_tsp(bench, fifo, few, PAUSE_S),
            }
            for peer in libraries.NAMES:
                turns[libraries.title(bench, peer)] = partial(
                    libraries.drive, bench, peer, "latency", times=few, pause_s=PAUSE_S
                )
            yield Contest("idle latency", FLOOR, turns)
        finally:
            fifo.close()


def _floor(fifo: Fifo, times: int) -> Readings:
    pids: list[int] = []
    taken_s = fifo.latencies_s(lambda command: pids.append(floors.spawn(command)), times, PAUSE_S)
    for pid in pids:
        os.waitpid(pid, 0)
    return {"ms": median_ms(taken_s)}


def _queuectl(home: BenchHome, fifo: Fifo, times: int) -> Readings:
    with home.queue() as queue:
        fifo.latencies_s(queue.enqueue, 1, PAUSE_S)
        return {"ms": median_ms(fifo.latencies_s(queue.enqueue, times, PAUSE_S))}
