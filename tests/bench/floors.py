"""Floors: the same work with no queue, no record, and no promise, which no real queue can beat.

Does not know queuectl.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from tests.bench.homes import taken_s

SHELL = "/bin/sh"


def xargs(jobs: int, workers: int) -> float:
    """Return jobs a second of `xargs -P`, which keeps nothing."""
    numbers = "\n".join(map(str, range(jobs))).encode()
    started_s = time.perf_counter()
    subprocess.run(["xargs", f"-P{workers}", "-I{}", "sh", "-c", "true"], input=numbers, check=True)
    return jobs / (time.perf_counter() - started_s)


def spawn_loops(jobs: int, workers: int) -> float:
    """Return jobs a second of bare posix_spawn loops, one process per worker.

    This is the limit for any program in Python.
    """
    share = max(1, jobs // workers)
    started_s = time.perf_counter()
    pids = [os.fork() or _spawn_loop(share) for _ in range(workers)]
    for pid in pids:
        os.waitpid(pid, 0)
    return share * workers / (time.perf_counter() - started_s)


def _spawn_loop(count: int) -> int:
    for _ in range(count):
        os.waitpid(spawn("true"), 0)
    os._exit(0)


def spawn(command: str) -> int:
    return os.posix_spawn(SHELL, ("sh", "-c", command), os.environ)


def empty_python_s(python: str) -> float:
    return taken_s([python, "-I", "-c", "pass"])


_COPY = """
import json, os, sys
with open(sys.argv[1], "rb") as file, open(sys.argv[2], "wb") as copy:
    copy.write("\\n".join([json.dumps(json.loads(line)) for line in file]).encode())
    copy.flush()
    os.fsync(copy.fileno())
"""


def parse_and_sync_s(path: str, folder: str) -> float:
    """Return the seconds to read a file of jobs as JSON in its own process, and to write it as
    JSON, synced.
    """
    return taken_s([sys.executable, "-I", "-c", _COPY, path, os.path.join(folder, "copy")])


def sync_s(folder: str, times: int) -> list[float]:
    """Return the seconds of one append of a line and its sync, several times."""
    line = json.dumps({"command": "true"}).encode() * 4
    sync = getattr(os, "fdatasync", os.fsync)
    descriptor = os.open(os.path.join(folder, "appended"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    taken = []
    for _ in range(times):
        started_s = time.perf_counter()
        os.write(descriptor, line)
        sync(descriptor)
        taken.append(time.perf_counter() - started_s)
    os.close(descriptor)
    return taken
