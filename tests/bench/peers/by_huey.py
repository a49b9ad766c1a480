"""By huey: jobs in SQLite, its own consumer with worker processes; results, the exit codes, are kept. Also the module
that the consumer imports, which finds the database by the environment.
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

huey = SqliteHuey(filename=os.path.join(os.environ[FOLDER], "huey.db")) if FOLDER in os.environ else None
run = huey.task()(run_command) if huey is not None else None


class Peer:
    def __init__(self, folder: str, port: int) -> None:
        self._folder = folder
        self._huey = SqliteHuey("by_huey", filename=os.path.join(folder, "huey.db"))
        os.environ[FOLDER] = folder
        del sys.modules[__name__]  # imported anew as the consumer does it, now that the folder is known
        import tests.bench.peers.by_huey as tasks

        self._tasks = tasks

    def workers(self, count: int) -> AbstractContextManager[list[int]]:
        consumer = [sys.executable, "-m", "huey.bin.huey_consumer", f"{__name__}.huey"]
        return programs([[*consumer, "-k", "process", "-w", str(count), "-q"]])

    def add(self, command: str) -> object:
        return self._tasks.run(command)

    def add_many(self, commands: Iterable[str]) -> None:
        for command in commands:
            self._tasks.run(command)

    def ended(self) -> int:
        return self._tasks.huey.result_count()
