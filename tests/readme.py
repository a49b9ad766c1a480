"""The README's console blocks: read, run in a shell with `queuectl` on the path, and made comparable."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import NamedTuple

from tests.homes import ROOT, SCRIPT

VARIABLE = [
    (re.compile(r"\d+\.\d MiB"), "16.5 MiB"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "2026-11-24T10:30:00Z"),
    (re.compile(r"\bpid \d+"), "pid 4711"),
    (re.compile(r"(\bw\d+-)[0-9a-f]{6}( +)\d+( +(?:busy|idle))"), r"\g<1>1f2e3d\g<2>4711\g<3>"),
    (re.compile(r"(\bw\d+-)[0-9a-f]{6}"), r"\g<1>1f2e3d"),
    (re.compile(r"\b\d+(\.\d)? s\b"), "0.0 s"),
    (re.compile(r"\b1[0-9a-hjkmnp-tv-z]{8}0[0-9a-hjkmnp-tv-z]{4}\b"), "1m85t9jmp00003"),
    (re.compile(r"\b\d+ (frames|segments|bytes|MiB)|\bto \d+$", re.MULTILINE), "7 \\1"),
    (re.compile(r" {2,}"), "  "),
]
"""What differs from run to run, and what stands for it: times, pids, workers, durations, made ids, and so the
padding.
"""


class Step(NamedTuple):
    command: str
    output: str


def steps(text: str) -> list[Step]:
    """Every command of the console blocks, in order, with the output that stands below it."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append(Step(command, output))
    return found


def run(command: str, home: str, folder: str) -> str:
    """What a person sees who types it, stdout and stderr as they come. `queuectl` stands for the script beside the
    tests.
    """
    path = os.path.join(folder, "bin")
    if not os.path.isdir(path):
        os.makedirs(path)
        with open(os.path.join(path, "queuectl"), "w") as file:
            file.write(f'#!/bin/sh\nexec "{sys.executable}" "{SCRIPT}" "$@"\n')
        os.chmod(file.name, 0o755)
    env = {**os.environ, "QUEUECTL_HOME": home, "PATH": f"{path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", command], env=env, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60
    )
    return done.stdout.decode()


def comparable(text: str, folder: str) -> str:
    home = os.path.join(os.path.dirname(folder), "home")
    text = (
        text.replace(home, "/home/me/queue").replace(os.path.realpath(folder), "/home/me").replace(folder, "/home/me")
    )
    for pattern, stands_for in VARIABLE:
        text = pattern.sub(stands_for, text)
    return text


def read_readme() -> str:
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        return file.read()
