"""States: the five states of a job, apart from Job to keep their import cheap.

Pure.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from .records import State

PENDING: State = "pending"
PROCESSING: State = "processing"
COMPLETED: State = "completed"
FAILED: State = "failed"
DEAD: State = "dead"
STATES = (PENDING, PROCESSING, COMPLETED, FAILED, DEAD)
FINAL_STATES = (COMPLETED, DEAD)
OPEN_STATES = (PENDING, PROCESSING, FAILED)
