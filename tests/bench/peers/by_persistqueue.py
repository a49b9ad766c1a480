"""By persist-queue: an SQLite queue with acknowledgments; it has no workers, so loops take its
jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from persistqueue import Empty, SQLiteAckQueue

from tests.bench.peers.processes import Take, counter, loops


class Peer:
    def __init__(self, folder: str, port: int) -> None:
        self._folder = folder
        self._queue = self._open()
        self._ended = counter()

    def _open(self) -> SQLiteAckQueue:
        return SQLiteAckQueue(self._folder, auto_resume=False)

    def _connect(self) -> tuple[Take, Callable[[object], object]]:
        queue = self._open()

        def take() -> tuple[object, str] | None:
            try:
                taken = queue.get(block=False, raw=True)
            except Empty:
                return None
            return taken["pqid"], taken["data"]

        return take, lambda token: queue.ack(id=token)

    def workers(self, count: int) -> AbstractContextManager[list[int]]:
        return loops(count, self._connect, self._ended)

    def add(self, command: str) -> object:
        return self._queue.put(command)

    def add_many(self, commands: Iterable[str]) -> None:
        for command in commands:
            self._queue.put(command)

    def ended(self) -> int:
        return self._ended.value
