"""Child: a supervisor as a child process of a program that embeds queuectl.

A fresh interpreter, not a fork, so that the program may have threads. Knows how to start and stop it, nothing else.
The trap: the child must find this very package, wherever the program found it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from . import daemon
from .home import Home

_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from queuectl_core.cli.main import main; main()"


def start_child(home: Home, workers: int) -> subprocess.Popen[bytes]:
    """Returns once the supervisor is ready. Raises the QueueError it ended with.

    Its stdin is a pipe from us: when that ends, because we stop it or have died, it stops as after SIGTERM.
    """
    readable, writable = os.pipe()
    package_parent = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    command = [sys.executable, "-c", _BOOT, package_parent, "--home", home.path]
    command += ["worker", "start", "--foreground", "--count", str(workers), "--ready-fd", str(writable), "--until-eof"]
    null = subprocess.DEVNULL
    process = subprocess.Popen(command, pass_fds=[writable], stdin=subprocess.PIPE, stdout=null, stderr=null)
    os.close(writable)
    with open(readable, "rb") as pipe:
        said = pipe.read()
    try:
        daemon.parse_answer(home, said)
    except BaseException:
        process.wait()
        raise
    return process


class Running:
    """A supervisor that runs within a block; `ending` is called when it is about to be stopped."""

    def __init__(self, home: Home, workers: int, ending: Callable[[], None]) -> None:
        self._home = home
        self._workers = workers
        self._ending = ending
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> int:
        self._process = start_child(self._home, self._workers)
        return self._process.pid

    def __exit__(self, *exc: object) -> None:
        """Lets running jobs finish, and waits for it."""
        self._ending()
        self._process.stdin.close()
        self._process.wait()
