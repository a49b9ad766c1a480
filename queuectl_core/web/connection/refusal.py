"""Refusal: a request that the web server does not answer, and the HTTP status of a failure.

Pure. It does not know connections.
"""

from __future__ import annotations

from ... import errors
from ...errors import QueueError

_STATUSES = {
    404: ("unknown_job", "unknown_schedule", "unknown_batch", "no_output"),
    410: ("past_is_gone",),
    500: ("defect", "storage_failed", "corrupt", "damaged_setting", "newer_format", "no_backend"),
    503: ("busy", "outcome_unknown", "disk_full", "home_gone", "out_of_memory", "bad_home"),
}
_STATUS_OF = {code: status for status, codes in _STATUSES.items() for code in codes}


class Refusal(Exception):
    """A refused request: an HTTP status, a code for programs, and a sentence for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def refusal_of(fault: Exception) -> Refusal:
    """Return the refusal for an exception; that for a defect has no stack."""
    if isinstance(fault, Refusal):
        return fault
    if isinstance(fault, OSError):
        return Refusal(500, "os_error", errors.in_words(fault))
    refusal = fault if isinstance(fault, QueueError) else errors.unforeseen(fault)
    status = _STATUS_OF.get(refusal.code, 400 if refusal.exit_status == 2 else 409)
    return Refusal(status, refusal.code, str(refusal))
