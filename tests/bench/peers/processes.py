"""Processes: the worker processes of a peer.

They are programs of the peer, or, if it has none, loops that take a job, run it, and report its
end.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Optional

from tests.bench.peers.job import run_command

Take = Callable[[], Optional[tuple[object, str]]]
"""Returns the next job as the argument of `done` and the command, or None if no job is ready."""

LOOK_S = 0.001


@contextmanager
def programs(commands: list[list[str]], **environ: str) -> Iterator[list[int]]:
    """Yield the PIDs of these programs, which end with the session of the driver at the latest."""
    null = subprocess.DEVNULL
    started = [
        subprocess.Popen(command, env={**os.environ, **environ}, stdin=null, stdout=null, stderr=null)
        for command in commands
    ]
    try:
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


@contextmanager
def loops(
    count: int, connect: Callable[[], tuple[Take, Callable[[object], object]]], ended: object
) -> Iterator[list[int]]:
    """Yield the PIDs of worker loops. Each calls `connect`, which returns its own `take` and
    `done`.
    """
    fork = multiprocessing.get_context("fork")
    started = [fork.Process(target=_loop, args=(connect, ended), daemon=True) for _ in range(count)]
    for process in started:
        process.start()
    try:
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
            process.join()


def counter() -> object:
    """Return a counter that the driver and its loops share."""
    return multiprocessing.get_context("fork").Value("l", 0)


def _loop(connect: Callable[[], tuple[Take, Callable[[object], object]]], ended: object) -> None:
    take, done = connect()
    while True:
        taken = take()
        if taken is None:
            time.sleep(LOOK_S)
            continue
        token, command = taken
        run_command(command)
        done(token)
        with ended.get_lock():
            ended.value += 1
