"""Room: which workers may get another run, and how many places are free.

Each step costs the same however many workers there are.
Knows what each worker holds. Does not know jobs, or how runs reach workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..worker.worker import MAX_PREFETCH

if TYPE_CHECKING:
    from .worker_handle import WorkerHandle


class Room:
    """The room of the workers of one supervisor."""

    def __init__(self) -> None:
        """Begin without workers."""
        self.holding: list[dict[WorkerHandle, None]] = [{} for _ in range(MAX_PREFETCH)]
        """At index N, the workers that hold N runs and may get another one."""
        self._listed_at: dict[WorkerHandle, int] = {}
        self._extra_slots: dict[WorkerHandle, int] = {}

    def note(self, worker: WorkerHandle) -> None:
        """Note the room of a worker that is new, or whose runs or state have changed."""
        self.forget(worker)
        held = len(worker.runs)
        if held < worker.prefetch_limit and not worker.draining:
            self._listed_at[worker] = held
            self.holding[held][worker] = None
        if held and worker.runs[0].slots > 1:
            self._extra_slots[worker] = worker.runs[0].slots - 1

    def forget(self, worker: WorkerHandle) -> None:
        """Forget a worker that has ended."""
        index = self._listed_at.pop(worker, None)
        if index is not None:
            del self.holding[index][worker]
        self._extra_slots.pop(worker, None)

    def free_slots(self) -> int:
        """Return how many places are free for runs that begin at once.

        Some workers stay idle for runs that take several places.
        """
        extra = sum(self._extra_slots.values()) if self._extra_slots else 0
        return len(self.holding[0]) - extra
