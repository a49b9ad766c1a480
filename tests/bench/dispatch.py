"""Dispatch: how many jobs that do nothing (`true`) a second, from the enqueue to the last outcome, journal on,
output kept.
"""

from __future__ import annotations

import os
import subprocess
import time

from queuectl_core import Queue
from tests.bench.homes import running_queue


def queuectl(jobs: int, workers: int) -> float:
    """Seconds for `jobs` jobs, with a supervisor that is up and idle when they come."""
    with running_queue(workers) as home, Queue(home, deadline_s=600) as queue:
        started_s = time.perf_counter()
        ids = queue.enqueue_many({"command": "true"} for _ in range(jobs))
        queue.wait(ids)
        taken_s = time.perf_counter() - started_s
        assert queue.status()["counts"]["completed"] == jobs
    return taken_s


def xargs(jobs: int, workers: int) -> float:
    """Seconds for the same with `xargs -P`, which keeps nothing."""
    numbers = "\n".join(map(str, range(jobs))).encode()
    started_s = time.perf_counter()
    subprocess.run(["xargs", f"-P{workers}", "-I{}", "sh", "-c", "true"], input=numbers, check=True)
    return time.perf_counter() - started_s


def spawn_loops(jobs: int, workers: int) -> float:
    """Seconds for bare posix_spawn loops, one process a worker: the floor for anything written in Python."""
    started_s = time.perf_counter()
    pids = [os.fork() or _spawn_loop(jobs // workers) for _ in range(workers)]
    for pid in pids:
        os.waitpid(pid, 0)
    return time.perf_counter() - started_s


def _spawn_loop(count: int) -> int:
    for _ in range(count):
        os.waitpid(os.posix_spawn("/bin/sh", ("sh", "-c", "true"), os.environ), 0)
    os._exit(0)
