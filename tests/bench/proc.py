"""Proc: wake-ups, processor time, memory, and children of running processes, from Linux's /proc.

Drivers of peers also use this module, so it needs only the standard library. Raises OSError without
/proc.
"""

from __future__ import annotations

import os
import re
import time

IS_THERE = os.path.isdir("/proc/self/task")


def activity_a_minute(pids: list[int], during_s: float) -> dict[str, float]:
    """Return the activity of these processes and all their descendants in `during_s` seconds, per
    minute.
    """
    family = descendants(pids)
    before = [_wake_ups(pid) for pid in family], [_cpu_ms(pid) for pid in family]
    time.sleep(during_s)
    woken = sum(map(_wake_ups, family)) - sum(before[0])
    busy_ms = sum(map(_cpu_ms, family)) - sum(before[1])
    return {"wake-ups a minute": woken * 60 / during_s, "processor time a minute, ms": busy_ms * 60 / during_s}


def descendants(pids: list[int]) -> list[int]:
    """Return these processes and all their descendants."""
    family = list(pids)
    for pid in family:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as file:
                    family += [int(child) for child in file.read().split()]
        except FileNotFoundError:  # the process just ended
            pass
    return family


def memory_bytes(pid: int) -> dict[str, int]:
    """Return `Rss`, `Pss` (shared pages in part) and `Uss` (unshared pages)."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        sizes = {name: int(kib) * 1024 for name, kib in re.findall(r"(\w+):\s+(\d+) kB", file.read())}
    return {"Rss": sizes["Rss"], "Pss": sizes["Pss"], "Uss": sizes["Private_Clean"] + sizes["Private_Dirty"]}


def _wake_ups(pid: int) -> int:
    """Return how often the threads of a process slept or were made to wait, and then woke."""
    count = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status") as file:
            count += sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", file.read())))
    return count


def _cpu_ms(pid: int) -> float:
    with open(f"/proc/{pid}/stat", "rb") as stat:
        fields = stat.read().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")
