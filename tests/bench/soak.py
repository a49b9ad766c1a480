"""Soak: many real jobs through two workers, with a restart of the supervisor and later a kill -9;
no job may be lost.

Stderr shows memory and disk space meanwhile.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator

from tests.bench import proc
from tests.bench.contest import Bench, Contest, Readings
from tests.bench.homes import BenchHome, jobs_file, new_home, scratch
from tests.homes import is_alive, until

WORKERS = 2
MEBIBYTE = 1024 * 1024
FOLDERS = ("journal", "store", "logs")


def contests(bench: Bench) -> Iterator[Contest]:
    jobs = bench.pick(150, 20_000, 1_000_000)
    yield Contest(f"soak, {jobs} jobs", "", {"queuectl": lambda: _soak(bench, jobs)})


def _soak(bench: Bench, jobs: int) -> Readings:
    with new_home(bench.folder, WORKERS) as home, scratch(bench.folder) as folder:
        seen = [_look(home)]
        started_s = time.perf_counter()
        home.load(jobs_file(folder, jobs))
        for part, disturb in ((1 / 3, _restart), (2 / 3, _kill_and_start), (1, None)):
            _watch(home, seen, int(jobs * part), started_s, bench.pick(0, 2, 10))
            if disturb is not None:
                disturb(home)
        taken_s = time.perf_counter() - started_s
        counts = home.counts()
        assert counts == {**dict.fromkeys(counts, 0), "completed": jobs}, f"not every job is completed once: {counts}"
        with home.queue() as queue:
            again = sum(job["attempts"] > 1 for job in queue.list("completed"))
    return {"jobs/s": jobs / taken_s, "jobs lost": 0, "jobs that ran again": again, **_summary(seen)}


def _watch(home: BenchHome, seen: list[Readings], completed: int, started_s: float, every_s: float) -> None:
    """Check at intervals until `completed` jobs are completed."""
    while True:
        done = home.counts()["completed"]
        seen.append(_look(home))
        sizes = ", ".join(f"{name} {value:.1f}" for name, value in seen[-1].items())
        print(f"soak: {time.perf_counter() - started_s:.0f} s, {done} completed, MiB: {sizes}", file=sys.stderr)
        if done >= completed:
            return
        time.sleep(every_s or 0.05)


def _look(home: BenchHome) -> Readings:
    """Return the MiB of the supervisor's memory and of the folders of its home."""
    taken = {folder: _folder_bytes(os.path.join(home.home, folder)) / MEBIBYTE for folder in FOLDERS}
    if proc.IS_THERE:
        taken["memory (Pss)"] = proc.memory_bytes(home.supervisor_pid())["Pss"] / MEBIBYTE
    return taken


def _folder_bytes(path: str) -> int:
    size = 0
    for name in os.listdir(path):
        try:
            size += os.stat(os.path.join(path, name)).st_blocks * 512
        except FileNotFoundError:  # a segment that was just removed
            pass
    return size


def _restart(home: BenchHome) -> None:
    home.ok("worker", "restart")


def _kill_and_start(home: BenchHome) -> None:
    pid = home.supervisor_pid()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), lambda: "the supervisor to end")
    home.ok("worker", "start", "--count", str(WORKERS))


def _summary(seen: list[Readings]) -> Readings:
    moments = {"at the start": seen[0], "at the end": seen[-1]}
    summary = {f"{name} {when}, MiB": taken[name] for when, taken in moments.items() for name in taken}
    return {**summary, **{f"{name} at most, MiB": max(taken[name] for taken in seen) for name in seen[0]}}
