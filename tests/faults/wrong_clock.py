"""Wrong clock: a wall clock that is wrong for some processes, while that of the machine stays right.

`WrongClock` builds a small library with the C compiler. Processes with `WrongClock.environ` load it
before libc, and it adds an offset to their wall clock. They all share the file with the offset, so
it can change while they run. Clocks that nobody can set stay right.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys

import pytest

NANOSECONDS = 1_000_000_000

_SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *offset(void) {
    static volatile long long *shared;
    static long long none;
    if (!shared) {
        const char *path = getenv("WRONG_CLOCK");
        int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        void *map = file < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
        if (file >= 0) close(file);
        shared = map == MAP_FAILED ? &none : map;
    }
    return shared;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        long long all = now->tv_sec * 1000000000LL + now->tv_nsec + *offset();
        now->tv_sec = all / 1000000000LL;
        now->tv_nsec = all % 1000000000LL;
    }
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    int failed = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *out) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (out) *out = exact.tv_sec;
    return exact.tv_sec;
}
"""

needs_wrong_clock = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("cc") is None, reason="needs Linux and a C compiler"
)


class WrongClock:
    """A library that shifts the wall clock, and the environment that loads it."""

    def __init__(self, folder: str) -> None:
        """Build the library in this folder, with an offset of 0."""
        source, library = os.path.join(folder, "clock.c"), os.path.join(folder, "clock.so")
        self._file = os.path.join(folder, "clock.offset")
        with open(source, "w") as file:
            file.write(_SOURCE)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
        self.offset_s = 0.0
        self.set(0.0)
        self.environ = {"LD_PRELOAD": library, "WRONG_CLOCK": self._file}

    def set(self, offset_s: float) -> None:
        """Change the offset, by which the wall clock is wrong from now on."""
        self.offset_s = offset_s
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o600)
        os.pwrite(descriptor, struct.pack("q", int(offset_s * NANOSECONDS)), 0)
        os.close(descriptor)

