"""Launch: what a job says of its start (shell, limits, input) as what the system is given; and why it could not start.

Knows options and files, no queue and no process. The trap: jobs that say nothing must cost nothing here.
"""

from __future__ import annotations

import math
import os

from .runs import Run

SHELL = "/bin/sh"


def command_line(command: str, options: dict[str, object]) -> tuple[str, tuple[str, ...]]:
    """Program and arguments. Limits are set by a shell that then becomes the job's: spawning the others, which have
    none, costs nothing more.
    """
    shell = str(options.get("shell", SHELL))
    words = []
    if "limit_mem" in options:
        words.append(f"ulimit -v {int(options['limit_mem']) // 1024} || exit 126")
    if "limit_cpu" in options:
        words.append(f"ulimit -t {math.ceil(options['limit_cpu'])} || exit 126")
    if not words and "nice" not in options:
        return shell, (os.path.basename(shell), "-c", command)
    nice = f"nice -n {options['nice']} " if "nice" in options else ""
    return SHELL, ("sh", "-c", "; ".join([*words, f'exec {nice}"$0" -c "$1"']), shell, command)


def open_input(options: dict[str, object]) -> int | None:
    """What the command reads: a file that is named, or a nameless one with the text that is given."""
    if "stdin" in options:
        file = os.open(options["stdin"], os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not hold us up
        os.set_blocking(file, True)
        return file
    if "input" not in options:
        return None
    import tempfile

    with tempfile.TemporaryFile() as file:
        file.write(options["input"].encode())
        file.seek(0)
        return os.dup(file.fileno())


def why_not_begun(run: Run, fault: Exception) -> str:
    if isinstance(fault, OSError) and fault.filename == run.cwd:
        return f"cannot enter its folder {run.cwd}: {fault.strerror}"
    if (
        isinstance(fault, OSError)
        and run.options
        and fault.filename in (run.options.get("stdin"), run.options.get("shell"))
    ):
        return f"could not be started: {fault.filename}: {fault.strerror}"
    return f"could not be started: {getattr(fault, 'strerror', None) or fault}"
