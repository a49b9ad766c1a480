"""An oracle in the style of Jepsen's total-queue: every job leaves a trace of itself, and the trace says what went
wrong.

A job takes a lock on its own id, writes `begin`, works, writes `end`. Afterwards:

    lost         acknowledged, and never seen to end (nor dead)
    doubled      a lock that was taken already: two at once
    stuck        still pending, processing or failed although everything had time to finish
    interrupted  begun and not ended
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from typing import NamedTuple

import pytest

needs_flock = pytest.mark.skipif(shutil.which("flock") is None, reason="needs the flock command of util-linux")


class Verdict(NamedTuple):
    lost: list[str]
    doubled: list[str]
    stuck: list[str]
    interrupted: list[str]
    reruns: int


class Oracle:
    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.trace = os.path.join(folder, "trace")
        self.locks = os.path.join(folder, "locks")
        os.mkdir(self.locks)
        with open(self.trace, "w"):
            pass

    def command(self, work: str = "true") -> str:
        """The command of a job that leaves its trace; the same for all."""
        id = "$QUEUECTL_JOB_ID"
        # A storm may kill the flock command itself; only its own word for "taken" counts.
        lock = f"exec 9>>{self.locks}/{id}; flock -n -E 42 9; got=$?"
        taken = f"{lock}; [ $got != 42 ] || {{ echo two {id} >>{self.trace}; exit 0; }}; [ $got = 0 ] || exit 1"
        return f"{taken}; echo begin {id} >>{self.trace}; {work}; echo end {id} >>{self.trace}"

    def judge(self, acknowledged: set[str], states: dict[str, str]) -> Verdict:
        """`states`: every job of the queue, after it had time to finish."""
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
