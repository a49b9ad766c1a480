"""Machine: processor, cores, kernel, file system, and Python of the measurements. Does not know the
peers.
"""

from __future__ import annotations

import os
import platform
import time


def facts(folder: str) -> list[tuple[str, str]]:
    return [
        ("date", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())),
        ("machine", f"{_processor()}, {os.cpu_count()} cores"),
        ("kernel", f"{platform.system()} {platform.release()}"),
        ("file system of the homes", filesystem(folder)),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
    ]


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"


def filesystem(folder: str) -> str:
    """Return the type of the file system of a folder, as the kernel names it, or `unknown` without
    /proc.
    """
    folder = os.path.realpath(folder)
    best, kind = "", "unknown"
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
            for line in file:
                _, point, name, *_ = line.split()
                if os.path.commonpath([point, folder]) == point and len(point) >= len(best):
                    best, kind = point, name
    except OSError:
        pass
    return kind
