"""A queue for a benchmark: a home of its own, a supervisor that is up, and nothing left afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.homes import SCRIPT, short_folder


@contextmanager
def running_queue(workers: int) -> Iterator[str]:
    """The home of a running supervisor with so many workers."""
    with short_folder() as folder:
        home = os.path.join(folder, "home")
        call(home, "worker", "start", "--count", str(workers))
        try:
            yield home
        finally:
            call(home, "worker", "stop", "--now")


def call(home: str, *words: str) -> None:
    command = [sys.executable, SCRIPT, "--home", home, *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
