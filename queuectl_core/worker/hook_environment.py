"""Hook environment: the variables that tell a hook about the job that it follows.

It knows what a hook's job keeps and the output of attempts, but no queue and no process.

Invariant: the values are data, and no shell reads them. The output of a job can have any bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model.job_environment import HOOK
from ..storage import output_log

if TYPE_CHECKING:
    from ..model.records import Hook

TAIL_BYTES = 4096
"""The most bytes of output that a hook gets in its environment."""


def hook_variables(hook: Hook, logs: str) -> dict[bytes, bytes]:
    """Return the variables of a hook. `logs` is the folder with the output of attempts."""
    values = {
        "JOB_ID": hook["job_id"],
        "STATE": hook["state"],
        "EXIT_CODE": hook["exit_code"],
        "REASON": hook["reason"],
        "ATTEMPT": hook["attempt"],
    }
    if hook["batch"] is not None:
        values.update(BATCH=hook["batch"], BATCH_COMPLETED=hook["completed"], BATCH_DEAD=hook["dead"])
    texts = {name: b"" if value is None else str(value).encode() for name, value in values.items()}
    texts["OUTPUT_TAIL"] = _tail(hook, logs)
    return {f"{HOOK}{name}".encode(): text.replace(b"\0", b"") for name, text in texts.items()}


def _tail(hook: Hook, logs: str) -> bytes:
    """Return the last bytes of the output, from the beginning of a character, or none if it no longer exists."""
    size = hook["output_bytes"]
    skipped = max(0, size - TAIL_BYTES)
    if hook["log_file"] is None:
        return b""
    try:
        tail = b"".join(output_log.read(logs, hook["log_file"], hook["log_offset"] + skipped, size - skipped))
    except OSError:
        return b""
    first = next((n for n, byte in enumerate(tail[:4]) if byte & 0xC0 != 0x80), 0) if skipped else 0
    return tail[first:]
