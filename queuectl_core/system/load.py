"""Load: how busy the system is, and how much memory is free, for the limits that hold jobs back."""

from __future__ import annotations

import os


def average() -> float | None:
    """Return the load average of the last minute, or None if the system does not tell it."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def free_memory() -> int | None:
    """Return how many bytes of memory new processes can use, or None if the system does not tell it."""
    try:
        with open("/proc/meminfo", "rb") as file:
            fields = dict(line.split(b":", 1) for line in file)
        return int(fields[b"MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
