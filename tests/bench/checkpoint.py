"""Checkpoint: the longest pause between job starts while the store takes in a large backlog, slice
by slice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.bench.contest import Bench, Contest, Readings, percentiles
from tests.bench.homes import jobs_file, new_home, scratch
from tests.bench.stream import Stream

ALONE = "no backlog"


def contests(bench: Bench) -> Iterator[Contest]:
    backlog, jobs = bench.pick(3000, 20_000, 100_000), bench.pick(60, 3000, 12_000)
    with scratch(bench.folder) as folder:
        path = jobs_file(folder, backlog)
        turns = {
            ALONE: lambda: _measure(bench, jobs, None),
            f"a backlog of {backlog}": lambda: _measure(bench, jobs, path),
        }
        yield Contest("checkpoint", ALONE, turns)


def _measure(bench: Bench, jobs: int, path: str | None) -> Readings:
    """Measure jobs that are older than the backlog, so that they run while it goes into the store."""
    with new_home(bench.folder, workers=0) as home, Stream(home) as stream, home.queue() as queue:
        ids = stream.enqueue(jobs)
        if path is not None:
            home.load(path)
        home.ok("worker", "scale", "2")
        stream.begin()
        started_s = time.perf_counter()
        queue.wait(ids)
        rate = jobs / (time.perf_counter() - started_s)
        return {**percentiles("gap between job starts", stream.gaps_s()), "dispatch, jobs/s": rate}
