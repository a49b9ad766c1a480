"""Pool: the worker processes of one supervisor: started, handed work, drained, and their death noticed.

Each worker has a dispatch queue and a result queue of its own, for a process killed inside a shared queue keeps that
queue's lock for ever (cpython#96062); a dead worker's queues die with it. At most one run is with a worker at a time, so
a short job never waits behind a long one while another worker is idle.

Knows no jobs beyond the ids of what runs, and no storage. The trap: a forked child shares everything that is open here;
`worker.main` closes it, and whatever must die with the supervisor must not be needed by a worker.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from multiprocessing.queues import SimpleQueue
from typing import Optional

from . import output, worker
from .home import Home
from .timestamps import utc

MAX_WORKERS = 1024
_START_METHOD = "fork" if sys.platform.startswith("linux") else "spawn"
"""fork costs 2 ms a worker and needs no helper process; the supervisor has one thread. macOS frameworks do not survive it."""


class Member:
    """One worker process. `run` is what it is busy with; `draining` means that it gets no more."""

    def __init__(self, slot: int, instance: str) -> None:
        self.slot = slot
        self.instance = instance
        self.run: Optional[worker.Run] = None
        self.since_ms = 0
        self.draining = False
        self.segment = 1
        self.offset = 0
        self.process: multiprocessing.process.BaseProcess
        self.dispatch: SimpleQueue
        self.results: SimpleQueue

    @property
    def log_file(self) -> str:
        return f"{self.instance}.{self.segment:04}.log"

    @property
    def pid(self) -> int:
        return self.process.pid

    def record(self) -> dict[str, object]:
        busy = self.run is not None
        return {
            "worker": self.instance,
            "pid": self.pid,
            "state": "draining" if self.draining else "busy" if busy else "idle",
            "job": self.run.job_id if busy else None,
            "attempt": self.run.attempt if busy else None,
            "since": utc(self.since_ms) if busy else None,
        }


class Pool:
    def __init__(self, home: Home) -> None:
        self._home = home
        self._context = multiprocessing.get_context(_START_METHOD)
        self.members: dict[str, Member] = {}

    def start_one(self) -> Member:
        """A new worker in the lowest free slot. Raises OSError when the system has no more to give."""
        taken = {member.slot for member in self.members.values()}
        slot = next(n for n in range(1, len(taken) + 2) if n not in taken)
        member = Member(slot, f"w{slot}-{os.urandom(3).hex()}")
        member.dispatch = self._context.SimpleQueue()
        member.results = self._context.SimpleQueue()
        member.process = self._context.Process(
            target=worker.main,
            args=(member.instance, self._home.path, member.dispatch, member.results),
            name=f"queuectl worker {member.instance}",
        )
        member.process.start()
        member.results._writer.close()  # so that a dead worker's queue ends instead of blocking
        member.dispatch._reader.close()
        self.members[member.instance] = member
        return member

    def idle(self) -> list[Member]:
        return [member for member in self.members.values() if member.run is None and not member.draining]

    def busy(self) -> list[Member]:
        return [member for member in self.members.values() if member.run is not None]

    def place_for(self, member: Member) -> tuple[str, int]:
        """Where the output of the member's next attempt begins: segment and offset."""
        if member.offset >= output.SEGMENT_BYTES:
            member.segment, member.offset = member.segment + 1, 0
        return member.log_file, member.offset

    def send(self, member: Member, run: worker.Run) -> bool:
        """Hands over a run. False when the member has just died, without having seen it."""
        member.since_ms = time.time_ns() // 1_000_000
        try:
            member.dispatch.put(run)
        except OSError:
            return False
        member.run = run
        return True

    def take_result(self, member: Member) -> worker.Result | None:
        """What the worker reports; None when its end of the queue is closed: it has died."""
        try:
            result = member.results.get()
        except (EOFError, OSError):
            return None
        member.run = None
        if result.ending is not None:
            member.offset += result.ending.output_bytes
        else:
            member.segment, member.offset = member.segment + 1, 0  # what a killed run has printed is of unknown length
        return result

    def kill_run(self, member: Member, reason: str) -> None:
        """Ends what the member runs; its result then says `reason`."""
        if member.run is not None:
            self._tell(member, worker.Kill(member.run.job_id, reason))

    def drain(self, member: Member) -> None:
        """The member ends as soon as it is idle."""
        member.draining = True
        if member.run is None:
            self._tell(member, None)

    def _tell(self, member: Member, order: worker.Kill | None) -> None:
        try:
            member.dispatch.put(order)
        except OSError:  # it has just died, which its sentinel tells
            pass

    def target(self) -> int:
        """How many workers there are, without those on their way out."""
        return sum(not member.draining for member in self.members.values())

    def shrink(self, count: int) -> None:
        """Drains workers until only `count` are left, idle ones first."""
        staying = sorted((m for m in self.members.values() if not m.draining), key=lambda m: (m.run is None, m.slot))
        for member in staying[count:]:
            self.drain(member)

    def forget(self, member: Member) -> None:
        """The member's process has ended: reaps it, and removes what it had."""
        member.process.join()
        member.process.close()
        member.results.close()
        member.dispatch.close()
        del self.members[member.instance]
        remove_traces(self._home, member.instance)

    def pids(self) -> frozenset[int]:
        return frozenset(member.pid for member in self.members.values())


def remove_traces(home: Home, instance: str) -> None:
    """The files in run/ of a worker that is no more. Names are never used twice, so unlinking its locks is safe."""
    for ending in ("lock", "tree", "outcome"):
        try:
            os.unlink(os.path.join(home.run, f"{instance}.{ending}"))
        except FileNotFoundError:
            pass
