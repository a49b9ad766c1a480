"""Homes for benchmarks: a home on the measured disk, its command line, and a supervisor that runs.

Nothing keeps running afterwards. Does not know what is measured.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager

from queuectl_core import Queue
from tests.homes import SCRIPT, CommandLine, until

KEEP_FINISHED: dict[str, str] = {}
"""Settings of a new home, so that retention removes no finished job during the measurement."""


def environment() -> dict[str, str]:
    """Return the environment of all measured programs: they write and use .pyc files, as for normal
    users.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def bare_python(folder: str) -> str:
    """Return a new Python without packages.

    Packages of an interpreter may run code at each start (.pth files). Then any command line would
    look cheap next to an empty program, and equally fast in an empty and a full home.
    """
    venv.create(folder, symlinks=True)
    return os.path.join(folder, "bin", "python")


class BenchHome(CommandLine):
    """The command line on one home."""

    def __init__(self, folder: str, python: str) -> None:
        super().__init__(os.path.join(folder, "home"), python)
        self.folder = folder
        self.environ = {**environment(), "QUEUECTL_HOME": self.home, "NO_COLOR": "1"}

    def words(self, *words: str) -> list[str]:
        return [self.python, SCRIPT, *words]

    def load(self, path: str) -> None:
        """Run `enqueue --file` without a time limit."""
        subprocess.run(self.words("enqueue", "--file", path), env=self.environ, stdout=subprocess.DEVNULL, check=True)

    def queue(self) -> Queue:
        return Queue(self.home, deadline_s=600)

    def start(self, workers: int) -> None:
        """Start a supervisor with exactly `workers` workers."""
        self.ok("worker", "start", "--count", str(workers or 1))
        if not workers:
            self.scale_to_none()

    def scale_to_none(self) -> None:
        """Let the running supervisor continue without workers, and return when the last has ended."""
        self.ok("worker", "scale", "0")
        until(lambda: not self.json("status")["workers"], lambda: "the workers to end")


@contextmanager
def scratch(parent: str) -> Iterator[str]:
    """Yield a folder on the measured disk, with a path that is short enough for a socket."""
    folder = tempfile.mkdtemp(prefix="q", dir=parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_home(parent: str, workers: int | None = None, python: str = sys.executable) -> Iterator[BenchHome]:
    """Yield a new home, with a running supervisor if `workers` is not None."""
    with scratch(parent) as folder:
        home = BenchHome(folder, python)
        try:
            for key, value in KEEP_FINISHED.items():
                home.ok("config", "set", key, value)
            if workers is not None:
                home.start(workers)
            yield home
        finally:
            home.end()


def jobs_file(folder: str, count: int) -> str:
    """Write a file of `count` jobs that do nothing, for `enqueue --file`."""
    path = os.path.join(folder, f"{count}.jsonl")
    if not os.path.exists(path):
        with open(path, "w", encoding="utf-8") as file:
            file.writelines('{"command": "true"}\n' for _ in range(count))
    return path


def taken_s(command: list[str], environ: dict[str, str] | None = None) -> float:
    """Return the seconds from the spawn of a command to its end.

    The command must succeed; its output is discarded.
    """
    silence = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in (0, 1, 2)]
    path = shutil.which(command[0]) or command[0]
    started_s = time.perf_counter()
    pid = os.posix_spawn(path, command, environment() if environ is None else environ, file_actions=silence)
    _, status = os.waitpid(pid, 0)
    taken = time.perf_counter() - started_s
    if status:
        raise AssertionError(f"{command} ended with wait status {status}")
    return taken
