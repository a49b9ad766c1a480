"""Console: the console blocks of README.md and docs/, run and compared with the output that they show.

    python3 -m tests.readme    update the output in the pages
"""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
from typing import NamedTuple

from tests.homes import ROOT, SCRIPT, CommandLine, short_folder

VARIABLE = [
    (re.compile(r"\d+\.\d MiB"), "16.5 MiB"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "2026-11-24T10:30:00Z"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]+"), "2026-11-24 11:30:00 CET"),
    (re.compile(r"\bpid \d+"), "pid 4711"),
    (re.compile(r"\bw\d+-[0-9a-f]{6}( +)\d+( +(?:busy|idle))"), r"w1-1f2e3d\g<1>4711\g<2>"),
    (re.compile(r"\bw\d+-[0-9a-f]{6}"), "w1-1f2e3d"),
    (re.compile(r"\b\d+(\.\d)? s\b"), "0.0 s"),
    (re.compile(r"\b1[0-9a-hjkmnp-tv-z]{8}0[0-9a-hjkmnp-tv-z]{4}\b"), "1m85t9jmp00003"),
    (re.compile(r"\b\d+ (frames|segments|bytes|MiB)|\bto \d+$", re.MULTILINE), "7 \\1"),
    (re.compile(r" {2,}"), "  "),
]
"""What differs from run to run, and its replacement.

These are times, PIDs, workers, durations, generated IDs, and therefore padding.
"""

WORKERS = re.compile(r"(?:^w1-.*\n)+", re.MULTILINE)
"""The workers of `status`. Which idle worker takes a job differs from run to run."""


class Step(NamedTuple):
    """A command of a console block, and the output below it."""

    command: str
    output: str


def pages() -> list[str]:
    """Return the paths of the README and of the pages in docs/, relative to the root."""
    return ["README.md", *sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "docs", "*.md")))]


def read(page: str) -> str:
    """Return the text of a page."""
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        return file.read()


def steps(text: str) -> list[Step]:
    """Return every command of the console blocks, in order, with its output."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append(Step(command, output))
    return found


def run(command: str, home: str, folder: str) -> str:
    """Run a command in a shell, and return its stdout and stderr as a user sees them.

    `queuectl` means the script beside the tests.
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


def plain_paths(text: str, folder: str) -> str:
    """Return the text with the paths that a reader would have."""
    home = os.path.join(os.path.dirname(folder), "home")
    text = text.replace(home, "/home/me/queue")
    return text.replace(os.path.realpath(folder), "/home/me").replace(folder, "/home/me")


def comparable(text: str) -> str:
    """Return the text without the parts that differ from run to run."""
    for pattern, stands_for in VARIABLE:
        text = pattern.sub(stands_for, text)
    return WORKERS.sub(lambda found: "".join(sorted(found[0].splitlines(keepends=True))), text)


def rewrite(page: str, home: str, folder: str) -> None:
    """Run the console blocks of a page, and write their output into it where it differs."""
    text = read(page)
    for step in steps(text):
        seen = plain_paths(run(step.command, home, folder), folder)
        if comparable(seen) != comparable(step.output):
            text = text.replace(f"$ {step.command}\n{step.output}", f"$ {step.command}\n{seen}", 1)
    with open(os.path.join(ROOT, page), "w", encoding="utf-8") as file:
        file.write(text)


def main() -> None:
    """Rewrite the console blocks of all pages."""
    for page in pages():
        with short_folder() as parent:
            folder = os.path.join(parent, "work")
            os.mkdir(folder)
            command_line = CommandLine(os.path.join(parent, "home"))
            try:
                rewrite(page, command_line.home, folder)
            finally:
                command_line.end()


if __name__ == "__main__":
    main()
