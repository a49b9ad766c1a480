"""Clock: the wall clock, the steady clock, and the detection of clock jumps.

It does not know about jobs.

Records use the wall clock, because people read them. A wait must not grow by an hour when somebody sets the wall clock
back. The steady clock shows the difference: nobody can set it. On Linux it also runs while the machine sleeps.

Invariant: only a difference of at least `JUMP_MS` is a jump. NTP moves the wall clock a little all the time.
"""

from __future__ import annotations

import time

JUMP_MS = 1000
"""A smaller difference since the last check is drift."""

_AT_ONCE_NS = 100_000_000
"""If two reads take less time than this, they count as simultaneous."""

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now_ms() -> int:
    """Return the wall clock time in milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """Return the steady clock time in milliseconds, the same for all processes of this machine.

    Nobody can set this clock. On Linux it also runs while the machine sleeps.
    """
    return time.clock_gettime_ns(_STEADY) // 1_000_000


def since_boot() -> tuple[str, int] | None:
    """Return the boot ID and the uptime in milliseconds, or None if the system does not report them.

    The uptime includes sleep. The values come from files, because these are the same for every process. A library that
    fakes the time for one process changes only the clock calls.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read(64).strip()
        with open("/proc/uptime") as file:
            return boot, round(float(file.read(64).split()[0]) * 1000)
    except (OSError, ValueError, IndexError):
        return None


class JumpWatch:
    """Detect jumps of the wall clock, and give the time without a jump that is not reported yet.

    A decision between two checks must not be late or early because of an undetected jump.
    """

    def __init__(self) -> None:
        self._offset_ms = self._offset()

    def jump_ms(self) -> int:
        """Return the jump of the wall clock since the last reported jump, in milliseconds; 0 for drift."""
        jump_ms = self._offset() - self._offset_ms
        if abs(jump_ms) < JUMP_MS:
            return 0  # the offset stays the same, so small steps add up until they reach the limit
        self._offset_ms += jump_ms
        return jump_ms

    def now_ms(self) -> int:
        """Return the wall clock time in milliseconds, without a jump that is not reported yet."""
        wall_ms = now_ms()
        jump_ms = wall_ms - steady_ms() - self._offset_ms
        return wall_ms if abs(jump_ms) < JUMP_MS else wall_ms - jump_ms

    def _offset(self) -> int:
        """Return the difference between the two clocks, in milliseconds.

        It reads the clocks again if the process was stopped between the reads, because that would look like a jump.
        """
        while True:
            steady_ns, wall_ns = time.clock_gettime_ns(_STEADY), time.time_ns()
            if time.clock_gettime_ns(_STEADY) - steady_ns < _AT_ONCE_NS:
                return (wall_ns - steady_ns) // 1_000_000
