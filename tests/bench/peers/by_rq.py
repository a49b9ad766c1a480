"""By rq: jobs in Redis, and its own workers, which fork for each job; it keeps results."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager

from redis import Redis
from rq import Queue
from rq.registry import FinishedJobRegistry

from tests.bench.peers.job import run_command
from tests.bench.peers.processes import programs

PART = 1000


class Peer:
    def __init__(self, folder: str, port: int) -> None:
        self._url = f"redis://127.0.0.1:{port}/0"
        self._queue = Queue(connection=Redis(port=port))
        self._finished = FinishedJobRegistry(queue=self._queue)

    def workers(self, count: int) -> AbstractContextManager[list[int]]:
        return programs([[sys.executable, "-m", "rq.cli", "worker", "--url", self._url]] * count)

    def add(self, command: str) -> object:
        return self._queue.enqueue(run_command, command)

    def add_many(self, commands: Iterable[str]) -> None:
        jobs = [Queue.prepare_data(run_command, (command,)) for command in commands]
        for begin in range(0, len(jobs), PART):
            self._queue.enqueue_many(jobs[begin : begin + PART])

    def ended(self) -> int:
        return self._finished.get_job_count(cleanup=False)
