"""Programs: task-spooler, nq and GNU parallel, if they are on the PATH.

This module knows how each runs a command, and how to wait for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.contest import Bench, CannotTakePart, Readings, median_ms
from tests.bench.fifo import Fifo
from tests.bench.homes import environment, scratch, taken_s

TRUE = ["sh", "-c", "true"]


def dispatch_tsp(bench: Bench, jobs: int, workers: int) -> Readings:
    with _tsp(bench, workers) as environ:
        started_s = time.perf_counter()
        for _ in range(jobs):
            taken_s(["tsp", *TRUE], environ)
        for id in range(max(0, jobs - workers), jobs):
            subprocess.run(["tsp", "-w", str(id)], env=environ, check=True, stdout=subprocess.DEVNULL)
        return {"jobs/s": jobs / (time.perf_counter() - started_s)}


def call_tsp(bench: Bench, times: int, words: list[str]) -> Readings:
    with _tsp(bench, 1) as environ:
        return {"ms": median_ms([taken_s(["tsp", *words], environ) for _ in range(times + 1)][1:])}


def latency_tsp(bench: Bench, fifo: Fifo, times: int, pause_s: float) -> Readings:
    with _tsp(bench, 2) as environ:
        taken = fifo.latencies_s(lambda command: taken_s(["tsp", "sh", "-c", command], environ), times, pause_s)
    return {"ms": median_ms(taken)}


def dispatch_nq(bench: Bench, jobs: int) -> Readings:
    with _nq(bench) as environ:
        started_s = time.perf_counter()
        for _ in range(jobs):
            taken_s(["nq", "-q", *TRUE], environ)
        subprocess.run(["nq", "-w"], env=environ, check=True)
        return {"jobs/s": jobs / (time.perf_counter() - started_s)}


def call_nq(bench: Bench, times: int) -> Readings:
    with _nq(bench) as environ:
        taken = [taken_s(["nq", "-q", "true"], environ) for _ in range(times + 1)]
        subprocess.run(["nq", "-w"], env=environ, check=True)
    return {"ms": median_ms(taken[1:])}


def dispatch_parallel(bench: Bench, jobs: int, workers: int) -> Readings:
    """Measure with a log of results, and with the output of each job kept together."""
    _require("parallel")
    version = subprocess.run(["parallel", "--version"], capture_output=True).stdout
    if not version.startswith(b"GNU parallel"):  # moreutils has another program of this name
        raise CannotTakePart("not installed")
    with scratch(bench.folder) as folder:
        command = ["parallel", "--will-cite", f"-j{workers}", "-n0", "--joblog", f"{folder}/log", *TRUE[:2], "true"]
        environ = {**environment(), "PARALLEL_HOME": folder, "TMPDIR": folder}
        numbers = "\n".join(map(str, range(jobs))).encode()
        started_s = time.perf_counter()
        subprocess.run(command, input=numbers, env=environ, check=True, stderr=subprocess.DEVNULL)
        return {"jobs/s": jobs / (time.perf_counter() - started_s)}


@contextmanager
def _tsp(bench: Bench, workers: int) -> Iterator[dict[str, str]]:
    """Yield the environment of a separate server."""
    _require("tsp")
    with scratch(bench.folder) as folder:
        environ = {**environment(), "TS_SOCKET": os.path.join(folder, "socket"), "TMPDIR": folder}
        taken_s(["tsp", "-S", str(workers)], environ)
        try:
            yield environ
        finally:
            taken_s(["tsp", "-K"], environ)


@contextmanager
def _nq(bench: Bench) -> Iterator[dict[str, str]]:
    _require("nq")
    with scratch(bench.folder) as folder:
        yield {**environment(), "NQDIR": folder}


def _require(program: str) -> None:
    if shutil.which(program) is None:
        raise CannotTakePart("not installed")
