"""Responsive: how long other clients wait while a large file of jobs goes into the running
supervisor.

It also measures how evenly jobs start meanwhile.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator

from tests.bench.contest import Bench, Contest, Readings, percentiles
from tests.bench.homes import BenchHome, jobs_file, new_home, scratch
from tests.bench.stream import Stream

ALONE = "a stream of jobs alone"
PAUSE_S = 0.002


def contests(bench: Bench) -> Iterator[Contest]:
    jobs, during_s = bench.pick(500, 20_000, 100_000), bench.pick(1, 2, 5)
    with scratch(bench.folder) as folder:
        path = jobs_file(folder, jobs)
        turns = {
            ALONE: lambda: _measure(bench, None, during_s),
            f"the same while {jobs} are enqueued": lambda: _measure(bench, path, during_s),
        }
        yield Contest("responsive", ALONE, turns)


def _measure(bench: Bench, path: str | None, during_s: float) -> Readings:
    """Measure until the load is complete; without a load, or until one stream job ran, for
    `during_s`.
    """
    with new_home(bench.folder, workers=0) as home, Stream(home) as stream:
        stream.enqueue(bench.pick(100, 4000, 12_000))
        home.ok("worker", "scale", "2")
        stream.begin()
        end_s = time.perf_counter() + during_s
        load = None if path is None else _loading(home, path)
        try:
            asked = _ask_until(home, lambda: load.poll() is not None if load else time.perf_counter() > end_s)
        finally:
            if load is not None:
                load.wait()
        gaps_s = stream.gaps_s()
    readings = {**percentiles("API enqueue", asked["enqueue"]), **percentiles("API status", asked["status"])}
    return {**readings, **percentiles("gap between job starts", gaps_s)}


def _loading(home: BenchHome, path: str) -> subprocess.Popen[bytes]:
    return home.popen("enqueue", "--file", path, stdout=subprocess.DEVNULL)


def _ask_until(home: BenchHome, is_over: Callable[[], bool]) -> dict[str, list[float]]:
    """Return the seconds of each request, at least one of each kind."""
    asked: dict[str, list[float]] = {"enqueue": [], "status": []}
    with home.queue() as queue:
        requests = {"enqueue": lambda: queue.enqueue("true"), "status": queue.status}
        while True:
            for name, request in requests.items():
                started_s = time.perf_counter()
                request()
                asked[name].append(time.perf_counter() - started_s)
            if is_over():
                return asked
            time.sleep(PAUSE_S)
