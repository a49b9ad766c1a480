"""Job environment: the variables that queuectl sets for a job, which name that job and its worker.

They reach no other job, whatever the environment passes through: a job that enqueues, a supervisor that a job starts, a
program that embeds the queue. Pure.

Warning: a process with the mark of a worker is ended together with the processes of that worker's job.
"""

from __future__ import annotations

from collections.abc import Mapping

MARK = "QUEUECTL_WORKER"
HOME = "QUEUECTL_HOME"
JOB_ID = "QUEUECTL_JOB_ID"
ATTEMPT = "QUEUECTL_ATTEMPT"
QUEUE = "QUEUECTL_QUEUE"
JOB_NAME = "QUEUECTL_JOB_NAME"
SLOT = "QUEUECTL_SLOT"

HOOK = "QUEUECTL_HOOK_"
"""The first part of the names of the variables that tell a hook about the job that it follows."""

OWN = frozenset((MARK, HOME, JOB_ID, ATTEMPT, QUEUE, JOB_NAME, SLOT))
"""The variables that only queuectl sets."""


def submitted(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a job gets from the call that adds it: all that are text in UTF-8."""
    return {name: value for name, value in without_own(environ).items() if name and _is_text(name + value)}


def _is_text(text: str) -> bool:
    try:
        text.encode()
        return True
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return False


def without_own(environ: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of `environ` without the variables of the job that it belongs to."""
    return {name: value for name, value in environ.items() if name not in OWN and not name.startswith(HOOK)}
