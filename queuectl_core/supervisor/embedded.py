"""Embedded: a supervisor as a child process of a program that embeds queuectl.

A fresh interpreter, not a fork, so that the program may have threads. Knows how to start and stop it, nothing else.
The trap: whoever holds the writing end of its stdin keeps it alive; a forked child of the program must let go of it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

from ..errors import InvalidInput
from ..home import Home
from ..model.settings import MAX_WORKERS
from ..system import interpreter
from . import daemon

_MAIN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "__main__.py")
_BOOT = """import sys, __future__
sys.path.insert(0, sys.argv.pop(1))
import queuectl_core
del sys.path[0]
from queuectl_core.cli.main import main
main()"""
"""The same as `_MAIN` where that is no file: in a zip, or another Python has the package."""

_held: set[int] = set()
"""The writing ends by which this process keeps supervisors alive."""


def _let_go() -> None:
    """In a forked child: the supervisor is to end with the program, not with the last process that came of it."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


def command_line(home: Home, workers: int, ready: int, python: str | None) -> list[str]:
    """What starts the supervisor; it writes to the descriptor `ready`. Raises InvalidInput."""
    words = interpreter.command(python)
    words += [_MAIN] if os.path.isfile(_MAIN) else ["-c", _BOOT, os.path.dirname(os.path.dirname(_MAIN))]
    words += ["--home", home.path, "worker", "start", "--foreground", "--until-eof"]
    return [*words, "--count", str(workers), "--ready-fd", str(ready)]


def start_child(home: Home, workers: int, python: str | None) -> tuple[subprocess.Popen[bytes], int]:
    """Returns once the supervisor is ready: its process, and the descriptor that keeps it alive until it is closed.

    Raises InvalidInput, and the QueueError that the supervisor ended with.
    """
    home.prepare()
    alive, held = os.pipe()
    _held.add(held)
    ready, writable = os.pipe()
    try:
        process = _spawn(home, command_line(home, workers, writable, python), alive, writable)
    except BaseException:
        release(held)
        os.close(ready)
        raise
    finally:
        os.close(alive)
        os.close(writable)
    try:
        with open(ready, "rb") as pipe:
            daemon.parse_answer(home, pipe.read())
    except BaseException:
        release(held)
        process.wait()
        raise
    return process, held


def _spawn(home: Home, command: list[str], alive: int, ready: int) -> subprocess.Popen[bytes]:
    """In a session of its own, for Ctrl-C at the program's terminal is not for the supervisor; in the root folder, for
    a Python that it starts would import from its working folder. Raises InvalidInput.
    """
    log = daemon.open_log(home)
    try:
        return subprocess.Popen(
            command, pass_fds=[ready], stdin=alive, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    except OSError as fault:
        raise InvalidInput(what=f"cannot start {command[0]}: {fault.strerror}") from fault
    finally:
        os.close(log)


def release(held: int) -> None:
    """The supervisor stops as after SIGTERM."""
    _held.discard(held)
    os.close(held)


class Running:
    """A supervisor that runs within a block; `ending` is called when it is about to be stopped.

    A child that is forked within the block has no part in it: its end of the block ends nothing.
    """

    def __init__(self, home: Home, workers: int, python: str | None, ending: Callable[[], None]) -> None:
        """Raises InvalidInput."""
        if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= MAX_WORKERS:
            raise InvalidInput(what=f"workers must be a whole number from 1 to {MAX_WORKERS}, not {workers!r:.40}")
        self._python = None if python is None else os.fspath(python)
        interpreter.command(self._python)
        self._home = home
        self._workers = workers
        self._ending = ending
        self._owner = 0
        self._held = -1
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> int:
        self._owner = os.getpid()
        self._process, self._held = start_child(self._home, self._workers, self._python)
        return self._process.pid

    def __exit__(self, *exc: object) -> None:
        """Lets running jobs finish, and waits for it. Warns when the supervisor had ended otherwise."""
        if os.getpid() != self._owner:
            return
        self._ending()
        release(self._held)
        status = self._process.wait()
        if status:
            import warnings

            how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            what = f"the supervisor of {self._home.path} {how}; see {self._home.supervisor_log}"
            warnings.warn(what, RuntimeWarning, stacklevel=2)
