"""Health: whether a home accepts work, in one line, from its status.

Pure.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ..model.records import StatusRecord


def of(status: StatusRecord, home: str) -> tuple[bool, str]:
    """Return whether a supervisor runs and accepts work, and a sentence that says why."""
    supervisor, lack = status["supervisor"], status.get("short_of")
    if supervisor is None:
        return False, f"no supervisor is running in {home}; start one with `queuectl worker start`"
    if supervisor["state"] != "running":
        return False, f"the supervisor (pid {supervisor['pid']}) is stopping"
    if lack is not None:
        from ..model.reasons import shortage_message

        return False, shortage_message(home, lack)
    workers = len(status["workers"])
    text = f"supervisor running, pid {supervisor['pid']}, {workers} {'worker' if workers == 1 else 'workers'}"
    return True, f"{text}; all queues are paused" if status["paused_since"] else text
