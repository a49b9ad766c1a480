"""Command line: the program, arguments, and input of a job's command, and the reason if it cannot start.

It knows options and files, but no queue and no process.

Invariant: a job without options costs nothing here.
"""

from __future__ import annotations

import errno
import math
import os
from typing import TYPE_CHECKING

from ..system import file_io
from .messages import Run

if TYPE_CHECKING:
    from ..model.records import Options

SHELL = b"/bin/sh"


def command_line(command: str, options: Options) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the program and its arguments, in UTF-8 for every locale.

    A job with limits or a nice value starts through a shell, which sets them and then becomes the job's shell. A job
    without them starts directly, and pays nothing.
    """
    shell = options["shell"].encode() if "shell" in options else SHELL
    words = []
    if "limit_mem" in options:
        words.append(f"ulimit -v {options['limit_mem'] // 1024} || exit 126")
    if "limit_cpu" in options:
        words.append(f"ulimit -t {math.ceil(options['limit_cpu'])} || exit 126")
    if not words and "nice" not in options:
        return shell, (os.path.basename(shell), b"-c", command.encode())
    nice = f"nice -n {options['nice']} " if "nice" in options else ""
    script = "; ".join([*words, f'exec {nice}"$0" -c "$1"'])
    return SHELL, (b"sh", b"-c", script.encode(), shell, command.encode())


def open_input(options: Options, draft: str) -> int | None:
    """Return a descriptor of the command's input, or None if the job has none.

    The input is a named file, or an unnamed file with the given text. `draft` is a path where the unnamed file can be
    until it loses its name.

    Raises: OSError.
    """
    if "stdin" in options:
        return _open_blocking(options["stdin"].encode())
    if "input" not in options:
        return None
    file = _open_nameless(draft)
    try:
        file_io.write_all(file, options["input"].encode())
        os.lseek(file, 0, os.SEEK_SET)
    except BaseException:
        os.close(file)
        raise
    return file


def _open_blocking(path: bytes) -> int:
    """Open a file for reading; a FIFO without a writer does not block the call.

    Raises: OSError.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        os.set_blocking(file, True)
    except BaseException:
        os.close(file)
        raise
    return file


def _open_nameless(draft: str) -> int:
    """Return an empty file in memory, which needs no room on any disk.

    If the system has no such file, return one that was created as `draft` and then unlinked.

    Raises: OSError.
    """
    if hasattr(os, "memfd_create"):
        try:
            return os.memfd_create("queuectl-input")
        except OSError as fault:
            if fault.errno not in (errno.ENOSYS, errno.EPERM):
                raise
    file = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.unlink(draft)
    return file


def start_failure(run: Run, fault: Exception) -> str:
    """Return a clause for people that says why the run did not start.

    It names a file only if the job itself names it.
    """
    name = getattr(fault, "filename", None)
    path = name.decode() if isinstance(name, bytes) else name
    why = getattr(fault, "strerror", None) or fault
    if path is not None and path == run.cwd:
        return f"cannot enter its folder {path}: {why}"
    options = run.options or {}
    if path is not None and path in (options.get("stdin"), options.get("shell")):
        return f"could not be started: {path}: {why}"
    return f"could not be started: {why}"
