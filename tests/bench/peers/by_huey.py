"""By huey: jobs in SQLite, its own consumer with worker processes; it keeps results, which are exit
codes.

The consumer imports this module too, and finds the database by the environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager

from huey import SqliteHuey

from tests.bench.peers.job import run_command
from tests.bench.peers.processes import programs

FOLDER = "BENCH_HUEY_FOLDER"


def _open(folder: str) -> SqliteHuey:
    return SqliteHuey(filename=os.path.join(folder, "huey.db"))


huey = _open(os.environ[FOLDER]) if FOLDER in os.environ else None
if huey is not None:
    huey.task()(run_command)


class Peer:
    def __init__(self, folder: str, port: int) -> None:
        self._folder = folder
        self._huey = _open(folder)
        self._run = self._huey.task()(run_command)

    def workers(self, count: int) -> AbstractContextManager[list[int]]:
        consumer = [sys.executable, "-m", "huey.bin.huey_consumer", f"{__name__}.huey"]
        return programs([[*consumer, "-k", "process", "-w", str(count), "-q"]], **{FOLDER: self._folder})

    def add(self, command: str) -> object:
        return self._run(command)

    def add_many(self, commands: Iterable[str]) -> None:
        for command in commands:
            self._run(command)

    def ended(self) -> int:
        return self._huey.result_count()
