"""Fifo: when a command runs, as told by the command itself: it writes a line into a FIFO. Also used by the drivers of
peers, so it needs nothing but the standard library.
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
        # Open for writing, too: else it would be at its end whenever no command has it open.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.command = f"echo > {path}"

    def close(self) -> None:
        os.close(self._descriptor)

    def next(self, within_s: float = 60.0, must: bool = True) -> list[float]:
        """The time, once for every command that has run since the last call; waits for the first. Unless it `must`
        come, there may be none.
        """
        readable, _, _ = select.select([self._descriptor], [], [], within_s)
        if not readable:
            if must:
                raise AssertionError(f"no command has run within {within_s:g} s")
            return []
        return [time.perf_counter()] * len(os.read(self._descriptor, 4096))

    def latencies_s(self, start: Callable[[str], object], times: int, pause_s: float) -> list[float]:
        """From calling `start(command)` to the command running, again and again, with everything idle in between."""
        taken = []
        for _ in range(times):
            time.sleep(pause_s)
            started_s = time.perf_counter()
            start(self.command)
            taken.append(self.next()[0] - started_s)
        return taken
