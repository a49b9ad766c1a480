"""Job: the work of a peer's worker for a job, equal for all: spawn a shell, and wait for it."""

from __future__ import annotations

import os


def run_command(command: str) -> int:
    pid = os.posix_spawn("/bin/sh", ("sh", "-c", command), os.environ)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
