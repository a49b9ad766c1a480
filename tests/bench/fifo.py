"""Fifo: the time at which a command runs, which the command itself writes into a FIFO.

Drivers of peers also use this module, so it needs only the standard library.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable


class Fifo:
    def __init__(self, folder: str) -> None:
        path = os.path.join(folder, "fifo")
        os.mkfifo(path)
        # Also open for writing; otherwise it would end whenever no command has it open.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.command = f"echo > {path}"

    def close(self) -> None:
        os.close(self._descriptor)

    def next(self, within_s: float = 60.0, must: bool = True) -> list[float]:
        """Return the time once for each command that ran since the last call, and wait for the
        first.

        Unless `must` is true, the result may be empty.
        """
        readable, _, _ = select.select([self._descriptor], [], [], within_s)
        if not readable:
            if must:
                raise AssertionError(f"no command has run within {within_s:g} s")
            return []
        return [time.perf_counter()] * len(os.read(self._descriptor, 4096))

    def latencies_s(self, start: Callable[[str], object], times: int, pause_s: float) -> list[float]:
        """Return the seconds from each `start(command)` to the command; everything is idle in
        between.
        """
        taken = []
        for _ in range(times):
            time.sleep(pause_s)
            started_s = time.perf_counter()
            start(self.command)
            taken.append(self.next()[0] - started_s)
        return taken
