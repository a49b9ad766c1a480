"""Flat: the cost of everything with many waiting or finished jobs, compared with an empty home.

All rounds use the same homes, because the measurements change them only a little.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from time import perf_counter

from tests.bench import filling, proc
from tests.bench.api import enqueues_s
from tests.bench.contest import Bench, Contest, Readings, Turn, median_ms
from tests.bench.homes import BenchHome, bare_python, jobs_file, new_home, scratch, taken_s
from tests.homes import is_alive, until

EMPTY = "an empty home"
MEBIBYTE = 1024 * 1024


def contests(bench: Bench) -> Iterator[Contest]:
    sizes = [size for size in (bench.pick(300, 10_000, 100_000), bench.pick(0, 100_000, 1_000_000)) if size]
    base_bytes: dict[str, int] = {}
    with ExitStack() as stack:
        folder = stack.enter_context(scratch(bench.folder))
        python = bare_python(os.path.join(folder, "python"))

        def turn(waiting: int, finished: int) -> Turn:
            home = stack.enter_context(new_home(bench.folder, python=python))
            filling.add_finished(home.home, finished, dead=bench.rounds * _calls(bench) + 1)
            if waiting:
                home.load(jobs_file(folder, waiting))
            return partial(_measure, bench, home, waiting + finished, base_bytes)

        turns = {EMPTY: turn(0, 0)}
        for size in sizes:
            turns[f"{size} waiting"] = turn(size, 0)
            turns[f"{size} finished"] = turn(0, size)
        yield Contest("flat", EMPTY, turns)


def _calls(bench: Bench) -> int:
    """Return how often a round measures each call of the command line."""
    return bench.pick(1, 10, 20)


def _measure(bench: Bench, home: BenchHome, size: int, base_bytes: dict[str, int]) -> Readings:
    """Measure one round in one home, which is cleanly closed before and after.

    `base_bytes` is the size of the empty home.
    """
    times = _calls(bench)
    readings = {"opening: first status, ms": 1000 * taken_s(home.words("status"), home.environ)}
    readings["command-line enqueue, no supervisor, ms"] = _call_ms(home, times, "enqueue", "--", "true")
    readings["supervisor start after a clean stop, ms"] = _start_ms(home)
    home.scale_to_none()
    readings["API enqueue, ms"] = median_ms(enqueues_s(home, bench.pick(5, 100, 300)))
    readings.update(_calls_with_supervisor(home, times))
    readings["dispatch, jobs/s"] = _dispatch_rate(home, bench.pick(20, 1000, 3000))
    readings.update(_sizes(home, size, base_bytes))
    os.kill(home.supervisor_pid(), signal.SIGKILL)
    until(lambda: not is_alive(home.supervisor_pid()), lambda: "the supervisor to end")
    readings["supervisor start after kill -9, ms"] = _start_ms(home)
    home.scale_to_none()
    home.ok("worker", "stop")
    return readings


def _call_ms(home: BenchHome, times: int, *words: str) -> float:
    return median_ms([taken_s(home.words(*words), home.environ) for _ in range(times)])


def _start_ms(home: BenchHome) -> float:
    """Return the time from the start of the command line to a supervisor that is ready and
    dispatches.
    """
    return 1000 * taken_s(home.words("worker", "start"), home.environ)


def _calls_with_supervisor(home: BenchHome, times: int) -> Readings:
    with home.queue() as queue:
        dead = [job["id"] for job in queue.list("dead", limit=times)]
    return {
        "command-line enqueue, supervisor, ms": _call_ms(home, times, "enqueue", "--", "true"),
        "status, ms": _call_ms(home, times, "status"),
        "list --limit 50, ms": _call_ms(home, times, "list", "--limit", "50"),
        "show, ms": _call_ms(home, times, "show", dead[0]),
        "dlq retry, ms": median_ms([taken_s(home.words("dlq", "retry", id), home.environ) for id in dead]),
    }


def _dispatch_rate(home: BenchHome, jobs: int) -> float:
    """Return the rate of two workers from the first to the last of `jobs`, whatever waits behind
    them.
    """
    with home.queue() as queue:
        queue.enqueue_many({"command": "true"} for _ in range(jobs))
        *_, last = queue.list("pending", limit=jobs)
        started_s = perf_counter()
        queue.scale(2)
        queue.wait([last["id"]])
        rate = jobs / (perf_counter() - started_s)
    home.scale_to_none()
    return rate


def _sizes(home: BenchHome, size: int, base_bytes: dict[str, int]) -> Readings:
    disk = _disk_bytes(home.home)
    readings: Readings = {}
    if proc.IS_THERE:
        memory = proc.memory_bytes(home.supervisor_pid())
        readings = {f"supervisor memory, {kind}, MiB": taken / MEBIBYTE for kind, taken in memory.items()}
        base_bytes.update({} if size else memory)
        if size:
            readings["supervisor memory (Uss) over the empty home, bytes a job"] = (
                memory["Uss"] - base_bytes["Uss"]
            ) / size
    if size:
        readings["disk over the empty home, bytes a job"] = (disk - base_bytes["disk"]) / size
    else:
        base_bytes["disk"] = disk
    return readings


def _disk_bytes(path: str) -> int:
    return sum(
        os.lstat(os.path.join(folder, name)).st_blocks * 512 for folder, _, files in os.walk(path) for name in files
    )
