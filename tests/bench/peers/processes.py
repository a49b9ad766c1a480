"""Processes: worker processes of a peer: programs of its own, or, where it has none, loops that take a job, run it,
and say that it is done.
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
"""The next job, as what `done` is told of it and the command; None when there is none now."""

LOOK_S = 0.001


@contextmanager
def programs(commands: list[list[str]], **environ: str) -> Iterator[list[int]]:
    """The pids of these programs. They end with the driver's session at the latest."""
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
    """The pids of worker loops. `connect` is called in each, and gives its own `take` and `done`."""
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
    """Shared by the driver and its loops."""
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
