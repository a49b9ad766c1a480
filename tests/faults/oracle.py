"""Oracle: what went wrong with the jobs of a queue, according to the trace that each job leaves.

It follows the total-queue checker of Jepsen. A job locks its own ID, writes `begin`, works, and
writes `end`. Afterwards:

    lost         acknowledged, but not in the queue, or completed without an `end`
    doubled      started while another run of the same job held the lock
    stuck        still pending, processing or failed, although everything had time to finish
    interrupted  more often started than finished
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from typing import NamedTuple

import pytest

needs_flock = pytest.mark.skipif(shutil.which("flock") is None, reason="needs the flock command of util-linux")


class Verdict(NamedTuple):
    """The IDs of the jobs with each fault, and the number of repeated runs."""

    lost: list[str]
    doubled: list[str]
    stuck: list[str]
    interrupted: list[str]
    reruns: int


class Oracle:
    """A folder with the trace of all jobs, and the verdict on it."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.trace = os.path.join(folder, "trace")
        self.locks = os.path.join(folder, "locks")
        os.mkdir(self.locks)
        with open(self.trace, "w"):
            pass

    def command(self, work: str = "true") -> str:
        """Return the command of a job that leaves its trace, which is the same for all jobs."""
        id = "$QUEUECTL_JOB_ID"
        # A storm may kill the flock command itself: only its exit status 42 means that the lock is taken.
        lock = f"exec 9>>{self.locks}/{id}; flock -n -E 42 9; got=$?"
        taken = f"{lock}; [ $got != 42 ] || {{ echo two {id} >>{self.trace}; exit 0; }}; [ $got = 0 ] || exit 1"
        return f"{taken}; echo begin {id} >>{self.trace}; {work}; echo end {id} >>{self.trace}"

    def judge(self, acknowledged: set[str], states: dict[str, str]) -> Verdict:
        """Return the verdict; `states` has every job of the queue, after it had time to finish."""
        begins: Counter[str] = Counter()
        ends: Counter[str] = Counter()
        doubled = []
        with open(self.trace) as file:
            for line in file:
                what, id = line.split()
                if what == "two":
                    doubled.append(id)
                else:
                    (begins if what == "begin" else ends)[id] += 1
        lost = sorted(id for id in acknowledged if id not in states or (states[id] == "completed" and not ends[id]))
        stuck = sorted(id for id, state in states.items() if state not in ("completed", "dead"))
        interrupted = sorted(id for id in begins if begins[id] > ends[id])
        return Verdict(lost, doubled, stuck, interrupted, sum(begins.values()) - len(begins))


CLEAN = Verdict([], [], [], [], 0)
