"""Stream: many jobs that each write to a FIFO when they run, and the gaps between them."""

from __future__ import annotations

import threading

from tests.bench.fifo import Fifo
from tests.bench.homes import BenchHome


class Stream:
    def __init__(self, home: BenchHome) -> None:
        self._home = home
        self._fifo = Fifo(home.folder)
        self._over = threading.Event()
        self._started_s: list[float] = []
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc: object) -> None:
        self._home.end()  # otherwise its jobs would wait for a reader
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._fifo.close()

    def enqueue(self, jobs: int) -> list[str]:
        with self._home.queue() as queue:
            return queue.enqueue_many({"command": self._fifo.command} for _ in range(jobs))

    def begin(self) -> None:
        """Wait for the first job to run; jobs from then on count."""
        self._started_s += self._fifo.next()
        self._thread.start()

    def gaps_s(self) -> list[float]:
        """Return the gaps between the starts of all jobs so far; at least one gap."""
        self._over.set()
        self._thread.join()
        times_s = self._started_s
        return [after - before for before, after in zip(times_s, times_s[1:])] or [0.0]

    def _read(self) -> None:
        while not self._over.is_set():
            self._started_s += self._fifo.next(within_s=0.05, must=False)
