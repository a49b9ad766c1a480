"""Failing calls: the system calls that a program makes, and how to fail one of them.

`strace -e inject=CALL:error=E:when=N` answers the Nth such call of the traced process with an
error, and does not make it. Other processes are not affected. The places to fail come from a traced
run. Calls that load Python or its modules are left out, because they concern the interpreter.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pytest

from tests.homes import ROOT

ERRORS = ("EIO", "ENOMEM", "EMFILE", "EINTR", "EAGAIN", "ENOSPC", "EACCES")

_NEVER_FAIL = "exit exit_group getpid gettid getuid geteuid getgid getegid umask rt_sigreturn rt_sigaction rt_sigprocmask"
_OF_LIBC = "brk mmap munmap mprotect futex arch_prctl set_tid_address set_robust_list rseq restart_syscall execve"
_NOT_TRIED = frozenset([*_NEVER_FAIL.split(), *_OF_LIBC.split(), "close"])
"""Calls that must not fail in tests. `close` with an injected error would not close the file."""


class Place(NamedTuple):
    """The Nth call of a name, and its line in the traced run."""

    call: str
    number: int
    seen: str


class Fault(NamedTuple):
    """A place, and the error that its call returns."""

    place: Place
    error: str

    def strace(self, ever_after: bool = False) -> list[str]:
        """Return the first words of a command line that makes this call fail.

        With `ever_after`, all later calls of this name fail, too.
        """
        call, number, _ = self.place
        inject = f"inject={call}:error={self.error}:when={number}{'+' if ever_after else ''}"
        return ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]

    def __str__(self) -> str:
        return f"{self.place.call} number {self.place.number} fails with {self.error} ({self.place.seen[:160]})"


def can_inject() -> bool:
    """Return whether strace is installed and can trace a process."""
    return shutil.which("strace") is not None and not subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "-e", "trace=none", "true"], capture_output=True
    ).returncode


needs_injection = pytest.mark.skipif(not can_inject(), reason="needs strace and permission to trace")


def tracing(trace: str) -> list[str]:
    """Return the first words of a command line that notes every call in the file `trace`."""
    return ["strace", "-y", "-qq", "-o", trace]


def places_in(trace: str, is_begun: bool = False) -> list[Place]:
    """Return the calls of a traced run after it has loaded the code of queuectl.

    With `is_begun`, return the calls before that, too.
    """
    made: Counter[str] = Counter()
    places = []
    with open(trace, errors="replace") as file:
        for line in file:
            match = re.match(r"(\w+)\(", line)
            if match is None:
                continue
            made[match[1]] += 1
            is_begun = is_begun or "cli/screen." in line
            if is_begun and match[1] not in _NOT_TRIED and not _loads_code(line):
                places.append(Place(match[1], made[match[1]], line.strip()))
    return places


def _loads_code(line: str) -> bool:
    asked = line.rpartition(" = ")[0] or line
    folders = {ROOT, sys.prefix, sys.base_prefix, os.path.dirname(os.__file__), "/usr/lib", "/lib/", "/etc/ld.so"}
    return "__pycache__" in asked or any(folder in asked for folder in folders)


def sample(source: random.Random, places: Sequence[Place], count: int) -> list[Fault]:
    """Return `count` random faults, with as many of each call as of any other where possible.

    If `count` is 0, return one fault for every place.
    """
    shuffled = source.sample(list(places), len(places))
    chosen = shuffled if count == 0 else _taken_in_turns(shuffled, count)
    return [Fault(place, source.choice(ERRORS)) for place in chosen]


def _taken_in_turns(places: Iterable[Place], count: int) -> list[Place]:
    by_call: dict[str, list[Place]] = {}
    for place in places:
        by_call.setdefault(place.call, []).append(place)
    taken: list[Place] = []
    while len(taken) < count and any(by_call.values()):
        for waiting in by_call.values():
            if waiting and len(taken) < count:
                taken.append(waiting.pop())
    return taken
