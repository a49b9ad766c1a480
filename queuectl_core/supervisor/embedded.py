"""Embedded: a supervisor as a child process of a program that embeds queuectl.

It is a new interpreter and not a fork, so that the program may have threads.
Knows how to start and stop it. Does not know what it does.

Invariant: the supervisor lives as long as a process holds the writing end of its standard input.
So a forked child of the program must close its copy.
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
from .foreground import Foreground
from .invocation import words_of

_held: set[int] = set()
"""The writing ends that keep supervisors of this process alive."""


def _close_held() -> None:
    """Close the writing ends in a forked child.

    The supervisor must end with the program, not with the program's last child.
    """
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_held)


def start_child(home: Home, workers: int, python: str | None) -> tuple[subprocess.Popen[bytes], int]:
    """Start a supervisor, and return its process and a descriptor when it is ready.

    The supervisor lives until that descriptor is closed.

    Raises: InvalidInput, QueueError.
    """
    words = words_of(home, workers, Foreground(until_eof=True), python)
    home.prepare()
    alive, held = os.pipe()
    _held.add(held)
    process = None
    try:
        ready, writable = os.pipe()
        with open(ready, "rb") as pipe:
            try:
                process = _spawn(home, [*words, "--ready-fd", str(writable)], alive, writable)
            finally:
                os.close(writable)
            daemon.parse_answer(home, pipe.read())
    except BaseException:
        release(held)
        if process is not None:
            process.wait()
        raise
    finally:
        os.close(alive)
    return process, held


def _spawn(home: Home, command: list[str], alive: int, ready: int) -> subprocess.Popen[bytes]:
    """Start the process in its own session and in the root folder.

    Ctrl-C at the program's terminal must not reach the supervisor.
    A Python that the supervisor starts must not import from the program's working folder.

    Raises: InvalidInput.
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
    """Stop the supervisor that this descriptor keeps alive, as SIGTERM does."""
    _held.discard(held)
    os.close(held)


class Running:
    """A supervisor that runs within a `with` block.

    It calls `ending` just before the supervisor stops.
    In a child that is forked within the block, the end of the block does nothing.
    """

    def __init__(self, home: Home, workers: int, python: str | None, ending: Callable[[], None]) -> None:
        """Check the arguments. The supervisor starts with the block.

        Raises: InvalidInput.
        """
        if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= MAX_WORKERS:
            raise InvalidInput(what=f"workers must be a whole number from 1 to {MAX_WORKERS}, not {workers!r:.40}")
        self._python = None if python is None else os.fspath(python)
        interpreter.command(self._python)
        self._home = home
        self._workers = workers
        self._ending = ending

    def __enter__(self) -> int:
        """Start the supervisor, and return its PID."""
        self._owner = os.getpid()
        self._process, self._held = start_child(self._home, self._workers, self._python)
        return self._process.pid

    def __exit__(self, *exc: object) -> None:
        """Let running jobs finish, and wait for the supervisor. Warn if it failed."""
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
