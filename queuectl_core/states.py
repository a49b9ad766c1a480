"""States: the five states of a job, in a module of their own, for those who must not import all that Job needs.

Pure.
"""

from __future__ import annotations

PENDING, PROCESSING, COMPLETED, FAILED, DEAD = STATES = ("pending", "processing", "completed", "failed", "dead")
FINAL_STATES = (COMPLETED, DEAD)
