"""Own usage: how much processor time, memory and descriptors this process uses."""

from __future__ import annotations

import os
import resource
import sys


def measured() -> dict[str, float | None]:
    """Return `cpu_s`, `resident_bytes` and `open_fds` of this process, with None for what the system does not tell."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu_s": used.ru_utime + used.ru_stime, "resident_bytes": _resident_bytes(), "open_fds": _open_fds()}


def _resident_bytes() -> int | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def _open_fds() -> int | None:
    try:
        return len(os.listdir("/dev/fd")) - 1  # without the one that lists them
    except OSError:
        return None
