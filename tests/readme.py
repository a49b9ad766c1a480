"""Console: the console blocks of README.md and docs/, run and compared with the output that they show.

    python3 -m tests.readme [PAGE …]    update the output in these pages, or in all

A code block after `<!-- file: NAME -->` is a file in the folder of the session.
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
    (re.compile(r"\.\d{10}\.\d+\b"), ".1796064481.7"),
    (re.compile(r"\b1[0-9a-hjkmnp-tv-z]{8}0[0-9a-hjkmnp-tv-z]{4}\b"), "1m85t9jmp00003"),
    (re.compile(r"\b\d+ (frames|segments|bytes|MiB)|\bto \d+$", re.MULTILINE), "7 \\1"),
    (re.compile(r" {2,}"), "  "),
]
"""What differs from run to run, and its replacement.

These are times, PIDs, workers, durations, generated IDs, and therefore padding.
"""

WORKERS = re.compile(r"(?:^w1-.*\n)+", re.MULTILINE)
"""The workers of `status`. Which idle worker takes a job differs from run to run."""


STAND_INS = {
    "queuectl": f'exec "{sys.executable}" "{SCRIPT}" "$@"',
    "python3": f'PYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"',
    "ssh": 'QUEUECTL_HOME="${QUEUECTL_HOME%/*}/$1"; shift; exec sh -c "$*"',
    "mail": 'cat > "${QUEUECTL_HOME%/*}/mail" && test "$1" = -s -a -n "$2" -a -n "$3" -a -s "${QUEUECTL_HOME%/*}/mail"',
}
"""Programs of the sessions, as shell scripts.

`queuectl` means the script beside the tests, which `python3` can import.
`ssh HOST` runs its command on another home of this machine, and `mail` sends nothing.
"""


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


def files(text: str) -> dict[str, str]:
    """Return the files that a page shows, by name."""
    return dict(re.findall(r"^<!-- file: (\S+) -->\n+```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def prepare(text: str, folder: str) -> None:
    """Make the folder of a session, with the files of the page and the stand-ins of programs."""
    programs = {f"bin/{name}": f"#!/bin/sh\n{script}\n" for name, script in STAND_INS.items()}
    for name, content in {**files(text), **programs}.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(path, 0o755)


def run(command: str, home: str, folder: str) -> str:
    """Run a command in a shell, and return its stdout and stderr as a user sees them."""
    path = os.path.join(folder, "bin")
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
    text, done = read(page), 0
    for step in steps(text):
        done = text.index(shown := f"$ {step.command}\n{step.output}", done)
        seen = plain_paths(run(step.command, home, folder), folder)
        if comparable(seen) != comparable(step.output):
            text = text[:done] + text[done:].replace(shown, f"$ {step.command}\n{seen}", 1)
        done += len(step.command)
    with open(os.path.join(ROOT, page), "w", encoding="utf-8") as file:
        file.write(text)


def main() -> None:
    """Rewrite the console blocks of some pages, or of all."""
    for page in sys.argv[1:] or pages():
        with short_folder() as parent:
            folder = os.path.join(parent, "work")
            prepare(read(page), folder)
            command_line = CommandLine(os.path.join(parent, "home"))
            try:
                rewrite(page, command_line.home, folder)
            finally:
                command_line.end()


if __name__ == "__main__":
    main()
