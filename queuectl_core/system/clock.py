"""Clock: the wall clock, and whether somebody has set it meanwhile.

Times in records are the wall clock's, for people; waits must not become an hour longer because it was set back. What
tells the two apart is a second clock that nobody can set; on Linux one that goes on while a laptop sleeps.
Knows no jobs. The trap: NTP moves the wall clock a little all the time; only a jump counts.
"""

from __future__ import annotations

import time

JUMP_MS = 1000
"""A smaller difference since the last look is drift."""

_AT_ONCE_NS = 100_000_000
"""Two clocks that were read within this time were read at once."""

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now_ms() -> int:
    """The wall clock: milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """Milliseconds by a clock that nobody sets and that all processes of this machine share. On Linux it goes on while
    the machine sleeps.
    """
    return time.clock_gettime_ns(_STEADY) // 1_000_000


def since_boot() -> tuple[str, int] | None:
    """Which boot of the machine this is, and for how many ms it has run, sleep included; None where nobody says so.

    From files, which say the same to every process; a library that gives one process another time changes its calls.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read(64).strip()
        with open("/proc/uptime") as file:
            return boot, round(float(file.read(64).split()[0]) * 1000)
    except (OSError, ValueError, IndexError):
        return None


class JumpWatch:
    """Tells by how much the wall clock was set since it was last asked, and until then the time as if it had not been:
    what is decided meanwhile must not be late or early by a jump that nobody has noticed.
    """

    def __init__(self) -> None:
        self._offset_ms = self._offset()

    def jump_ms(self) -> int:
        """0 for drift."""
        jump_ms = self._offset() - self._offset_ms
        if abs(jump_ms) < JUMP_MS:
            return 0  # small steps add up until they count
        self._offset_ms += jump_ms
        return jump_ms

    def now_ms(self) -> int:
        """The wall clock, without a jump that has not been told yet."""
        wall_ms = now_ms()
        jump_ms = wall_ms - steady_ms() - self._offset_ms
        return wall_ms if abs(jump_ms) < JUMP_MS else wall_ms - jump_ms

    def _offset(self) -> int:
        """Between the two clocks, read so close together that a process which was stopped between sees no jump."""
        while True:
            steady_ns, wall_ns = time.clock_gettime_ns(_STEADY), time.time_ns()
            if time.clock_gettime_ns(_STEADY) - steady_ns < _AT_ONCE_NS:
                return (wall_ns - steady_ns) // 1_000_000
