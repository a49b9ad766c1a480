"""WrongClock: gives processes another wall clock than the machine has, by a small library that is loaded into them.

The boot clock stays right, as it does when somebody sets the clock. The file that is named holds seconds to add; what
runs already follows it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long added(void) {
    char text[32];
    char *path = getenv("WRONG_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    long size = read(file, text, sizeof text - 1);
    close(file);
    text[size > 0 ? size : 0] = 0;
    return atol(text);
}

int clock_gettime(clockid_t which, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(which, at);
    if (!status && which == CLOCK_REALTIME) at->tv_sec += added();
    return status;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


class WrongClock:
    """A clock that is right until `set`, for processes that are started with its `environ`."""

    def __init__(self, folder: str) -> None:
        """Skips the test where no such library can be built."""
        compiler = shutil.which("cc")
        if compiler is None or not sys.platform.startswith("linux"):
            pytest.skip("needs Linux, and cc")
        source, library = os.path.join(folder, "clock.c"), os.path.join(folder, "clock.so")
        with open(source, "w") as file:
            file.write(_SOURCE)
        built = subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], capture_output=True)
        if built.returncode:
            pytest.skip(f"cc cannot build it: {built.stderr.decode(errors='replace')[:200]}")
        self._control = os.path.join(folder, "clock.ahead")
        self.set(0)
        self.environ = {"LD_PRELOAD": library, "WRONG_CLOCK": self._control}
        asked = [sys.executable, "-c", "import time; print(time.time())"]
        self.set(10**8)
        shown = subprocess.run(asked, env={**os.environ, **self.environ}, capture_output=True, check=True).stdout
        if float(shown) < 1.8e9:
            pytest.skip("the library has no effect here")
        self.set(0)

    def set(self, ahead_s: float) -> None:
        """From now on the clock is so far ahead of the machine's."""
        with open(f"{self._control}.new", "w") as file:
            file.write(f"{ahead_s:.0f}")
        os.rename(f"{self._control}.new", self._control)
