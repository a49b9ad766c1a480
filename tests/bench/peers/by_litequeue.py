"""By litequeue: an SQLite queue that does not sync each commit; it has no workers, so loops take
its jobs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from litequeue import LiteQueue

from tests.bench.peers.processes import Take, counter, loops


class Peer:
    def __init__(self, folder: str, port: int) -> None:
        self._path = os.path.join(folder, "queue.db")
        self._queue = LiteQueue(self._path)
        self._ended = counter()

    def _connect(self) -> tuple[Take, Callable[[object], object]]:
        queue = LiteQueue(self._path)

        def take() -> tuple[object, str] | None:
            taken = queue.pop()
            return None if taken is None else (taken.message_id, taken.data)

        return take, queue.done

    def workers(self, count: int) -> AbstractContextManager[list[int]]:
        return loops(count, self._connect, self._ended)

    def add(self, command: str) -> object:
        return self._queue.put(command)

    def add_many(self, commands: Iterable[str]) -> None:
        with self._queue.transaction():
            for command in commands:
                self._queue.put(command)

    def ended(self) -> int:
        return self._ended.value
