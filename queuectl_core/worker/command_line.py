"""Command line: what a job says of its start (shell, limits, input) as what the system is given; and why it could not
start.

Knows options and files, no queue and no process. The trap: jobs that say nothing must cost nothing here.
"""

from __future__ import annotations

import errno
import math
import os
from typing import TYPE_CHECKING

from ..system import durable_files
from .messages import Run

if TYPE_CHECKING:
    from ..model.records import Options

SHELL = b"/bin/sh"


def command_line(command: str, options: Options) -> tuple[bytes, tuple[bytes, ...]]:
    """Program and arguments, in UTF-8 whatever the locale. Limits are set by a shell that then
    becomes the job's: spawning the others, which have
    none, costs nothing more.
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
    """What the command reads: a file that is named, or a nameless one with the text that is given. Raises OSError.

    `draft` is where such a file may lie until it has lost its name.
    """
    if "stdin" in options:
        return _open_blocking(options["stdin"].encode())
    if "input" not in options:
        return None
    file = _open_nameless(draft)
    try:
        durable_files.write_all(file, options["input"].encode())
        os.lseek(file, 0, os.SEEK_SET)
    except BaseException:
        os.close(file)
        raise
    return file


def _open_blocking(path: bytes) -> int:
    """Open a file to read; a FIFO without a writer holds nothing up. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        os.set_blocking(file, True)
    except BaseException:
        os.close(file)
        raise
    return file


def _open_nameless(draft: str) -> int:
    """An empty file in memory, so that neither a full disk nor a full $TMPDIR matters; where the system has no such
    file, one that was `draft`. Raises OSError.
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


def why_not_begun(run: Run, fault: Exception) -> str:
    """The clause for people. It names a file if that is what the job itself has named."""
    name = getattr(fault, "filename", None)
    path = name.decode() if isinstance(name, bytes) else name
    why = getattr(fault, "strerror", None) or fault
    if path is not None and path == run.cwd:
        return f"cannot enter its folder {path}: {why}"
    options = run.options or {}
    if path is not None and path in (options.get("stdin"), options.get("shell")):
        return f"could not be started: {path}: {why}"
    return f"could not be started: {why}"
