"""By celery: jobs and results in Redis, its own worker with a pool of processes, acknowledged after
they ran.

The worker imports this module too, and finds Redis by the environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager

from celery import Celery
from redis import Redis

from tests.bench.peers.job import run_command
from tests.bench.peers.processes import programs

PORT = "BENCH_REDIS_PORT"


def _app(port: str) -> Celery:
    server = f"redis://127.0.0.1:{port}"
    app = Celery("bench", broker=f"{server}/0", backend=f"{server}/1")
    app.conf.task_acks_late = True
    app.task(name="run")(run_command)
    return app


app = _app(os.environ[PORT]) if PORT in os.environ else None


class Peer:
    def __init__(self, folder: str, port: int) -> None:
        self._port = port
        self._app = _app(str(port))
        self._results = Redis(port=port, db=1)

    def workers(self, count: int) -> AbstractContextManager[list[int]]:
        worker = [sys.executable, "-m", "celery", "-A", f"{__name__}:app", "worker", "-P", "prefork", "-c", str(count)]
        return programs([worker], **{PORT: str(self._port)})

    def add(self, command: str) -> object:
        return self._app.tasks["run"].delay(command)

    def add_many(self, commands: Iterable[str]) -> None:
        for command in commands:
            self.add(command)

    def ended(self) -> int:
        return self._results.dbsize()
