"""Driver: measures one peer with the Python of the peers.

`driver.py MODULE VERB ARGUMENTS` prints its readings as JSON. Each module `by_MODULE` has a class
`Peer`, which drives its queue; this module knows none of them.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from tests.bench import fifo, proc
from tests.bench.contest import Readings, median_ms


class Peer(Protocol):
    def __init__(self, folder: str, port: int) -> None: ...

    def workers(self, count: int) -> AbstractContextManager[list[int]]:
        """Yield the PIDs of the processes that run jobs."""

    def add(self, command: str) -> object: ...

    def add_many(self, commands: Iterable[str]) -> None: ...

    def ended(self) -> int:
        """Return how many jobs have finished so far."""


WARM_UP_S = 0.3


def main() -> None:
    module, verb, arguments = sys.argv[1:]
    numbers = json.loads(arguments)
    folder, port = numbers.pop("folder"), numbers.pop("port", 0)
    peer = importlib.import_module(f"tests.bench.peers.by_{module}").Peer(folder, port)
    if verb == "latency":
        numbers["folder"] = folder
    print(json.dumps(VERBS[verb](peer, **numbers)), flush=True)


def dispatch(peer: Peer, jobs: int, workers: int) -> Readings:
    with peer.workers(workers):
        _warm_up(peer, workers)
        before = peer.ended()
        started_s = time.perf_counter()
        peer.add_many(["true"] * jobs)
        _wait(peer, before + jobs)
        return {"jobs/s": jobs / (time.perf_counter() - started_s)}


def bulk(peer: Peer, jobs: int) -> Readings:
    started_s = time.perf_counter()
    peer.add_many(["true"] * jobs)
    return {"jobs/s": jobs / (time.perf_counter() - started_s)}


def api(peer: Peer, times: int) -> Readings:
    taken = []
    for _ in range(5 + times):
        started_s = time.perf_counter()
        peer.add("true")
        taken.append(time.perf_counter() - started_s)
    return {"ms": median_ms(taken[5:])}


def latency(peer: Peer, folder: str, times: int, pause_s: float) -> Readings:
    command_times = fifo.Fifo(folder)
    with peer.workers(2):
        _warm_up(peer, 2)
        return {"ms": median_ms(command_times.latencies_s(peer.add, times, pause_s))}


def idle(peer: Peer, workers: int, during_s: float, settle_s: float) -> Readings:
    with peer.workers(workers) as pids:
        _warm_up(peer, workers)
        time.sleep(settle_s)
        return proc.activity_a_minute(pids, during_s)


def _warm_up(peer: Peer, workers: int) -> None:
    """Run jobs until all workers are up; each job is slow enough that one worker cannot take them
    all.
    """
    peer.add_many([f"sleep {WARM_UP_S}"] * 2 * workers)
    _wait(peer, 2 * workers)


def _wait(peer: Peer, ended: int) -> None:
    while peer.ended() < ended:
        time.sleep(0.005)


VERBS = {"dispatch": dispatch, "bulk": bulk, "api": api, "latency": latency, "idle": idle}

if __name__ == "__main__":
    main()
