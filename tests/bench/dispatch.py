"""Dispatch: jobs a second that do nothing (`true`), from the enqueue to the last result, synced,
with output kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from tests.bench import floors
from tests.bench.contest import Bench, Contest, Readings, Turn
from tests.bench.homes import new_home
from tests.bench.peers import libraries, programs

XARGS = "xargs -P"
PEERS_AT = 2
"""The number of workers for the peers."""


def contests(bench: Bench) -> Iterator[Contest]:
    jobs = bench.pick(40, 1000, 4000)
    for workers in (1, 2, 4, 8):
        turns = {**_floors(jobs, workers), "queuectl": partial(_queuectl, bench, jobs, workers)}
        if workers == PEERS_AT:
            turns.update(_peers(bench, jobs))
        yield Contest(f"dispatch, {workers} workers" if workers > 1 else "dispatch, 1 worker", XARGS, turns)


def _floors(jobs: int, workers: int) -> dict[str, Turn]:
    return {
        XARGS: lambda: {"jobs/s": floors.xargs(jobs, workers)},
        "posix_spawn loops": lambda: {"jobs/s": floors.spawn_loops(jobs, workers)},
    }


def _queuectl(bench: Bench, jobs: int, workers: int) -> Readings:
    """Measure a supervisor that is idle when the jobs come."""
    with new_home(bench.folder, workers) as home, home.queue() as queue:
        started_s = time.perf_counter()
        queue.wait(queue.enqueue_many({"command": "true"} for _ in range(jobs)))
        taken_s = time.perf_counter() - started_s
        assert queue.status()["counts"]["completed"] == jobs
    return {"jobs/s": jobs / taken_s}


def _peers(bench: Bench, jobs: int) -> dict[str, Turn]:
    few = min(jobs, 200)  # each waiting job of nq takes two processes
    turns: dict[str, Turn] = {
        "task-spooler": partial(programs.dispatch_tsp, bench, min(jobs, 900), PEERS_AT),
        "GNU parallel": partial(programs.dispatch_parallel, bench, jobs, PEERS_AT),
        f"nq (one at a time, {few} jobs)": partial(programs.dispatch_nq, bench, few),
    }
    for peer in libraries.NAMES:
        turns[libraries.title(bench, peer)] = partial(
            libraries.drive, bench, peer, "dispatch", jobs=jobs, workers=PEERS_AT
        )
    return turns
