"""System calls that fail once: which calls a program makes, and how to fail one of them.

`strace -e inject=CALL:error=E:when=N` answers the Nth such call of the traced process, and of no other, with an error
in place of making it. The places to fail come from a traced run; those that load Python or its modules are left out,
for they concern the interpreter.
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
"""Also not `close`: injected, it would not even close."""


class Place(NamedTuple):
    """The Nth call of this name, and what it looked like in the traced run."""

    call: str
    number: int
    seen: str


class Fault(NamedTuple):
    place: Place
    error: str

    def strace(self, ever_after: bool = False) -> list[str]:
        """The command line's first words, which let this call fail; `ever_after`: and all such calls behind it."""
        call, number, _ = self.place
        inject = f"inject={call}:error={self.error}:when={number}{'+' if ever_after else ''}"
        return ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]

    def __str__(self) -> str:
        return f"{self.place.call} number {self.place.number} fails with {self.error} ({self.place.seen[:160]})"


def can_inject() -> bool:
    """Whether strace is here, and may trace."""
    return shutil.which("strace") is not None and not subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "-e", "trace=none", "true"], capture_output=True
    ).returncode


needs_injection = pytest.mark.skipif(not can_inject(), reason="needs strace, and leave to trace")


def tracing(trace: str) -> list[str]:
    """The command line's first words, which note every call in the file `trace`."""
    return ["strace", "-y", "-qq", "-o", trace]


def places_in(trace: str, is_begun: bool = False) -> list[Place]:
    """The calls that a traced run of queuectl made once its own code was loaded (`is_begun`: all of them)."""
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
    """Some faults, as many of each call as of any other where there are enough; `count` 0: one error at every
    place.
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
