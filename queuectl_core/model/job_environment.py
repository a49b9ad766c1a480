"""Job environment: the variables that queuectl gives a job, which are about that job and its worker alone.

They reach no other job, whatever way an environment takes: a job that enqueues with its own environment, a supervisor
that a job has started, a program that embeds the queue. Pure. The trap: whoever bears the mark of a worker is ended
with what that worker runs.
"""

from __future__ import annotations

from collections.abc import Mapping

MARK = "QUEUECTL_WORKER"
HOME = "QUEUECTL_HOME"
JOB_ID = "QUEUECTL_JOB_ID"
ATTEMPT = "QUEUECTL_ATTEMPT"
QUEUE = "QUEUECTL_QUEUE"
JOB_NAME = "QUEUECTL_JOB_NAME"

_OWN = frozenset((MARK, HOME, JOB_ID, ATTEMPT, QUEUE, JOB_NAME))


def without_own(environ: Mapping[str, str]) -> dict[str, str]:
    """Everything in `environ` but the variables of the job that it was made for."""
    return {name: value for name, value in environ.items() if name not in _OWN}
