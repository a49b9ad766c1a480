"""Unused input: a pipe with data counts, but not input that a command only inherits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.homes import ROOT

CHECK = f"{sys.executable} -c 'from queuectl_core.terminal.unused_input import is_piped; print(is_piped())'"
needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")


def answer(command: str, data: bytes | None = None, shell: str = "/bin/sh") -> str:
    """Run a command of a shell whose input is a pipe that has data already, or is /dev/null."""
    readable, writable = os.pipe()
    os.write(writable, data or b"")
    os.close(writable)
    try:
        stdin = subprocess.DEVNULL if data is None else readable
        return subprocess.run([shell, "-c", command], stdin=stdin, cwd=ROOT, capture_output=True, text=True).stdout
    finally:
        os.close(readable)


@needs_proc
def test_a_pipe_of_its_own_counts() -> None:
    assert answer(f"exec {CHECK}", b"a\nb\n") == "True\n"


@pytest.mark.parametrize(
    ("command", "data"),
    [
        (f"exec {CHECK}", b""),
        (f"exec {CHECK}", None),
        (f"exec {CHECK} <&-", b"a\n"),
        (f"{CHECK}; true", b"a\n"),
        (f"while read line; do {CHECK}; done", b"a\nb\n"),
    ],
    ids=["CI: a pipe without data", "cron: /dev/null", "no input", "a script with piped input", "while read"],
)
def test_other_input_does_not_count(command: str, data: bytes | None) -> None:
    assert set(answer(command, data).split()) == {"False"}


@needs_proc
def test_what_an_ssh_server_passes_on_does_not_count(tmp_path: Path) -> None:
    """An ssh client sends what it has as its own input, as in a loop over lines."""
    for name, counts in (("sshd", "False\n"), ("other", "True\n")):
        shell = shutil.copy("/bin/sh", tmp_path / name)
        pipe = tmp_path / f"{name}.pipe"
        os.mkfifo(pipe)
        writer = os.open(pipe, os.O_RDWR)
        os.write(writer, b"a\n")
        assert answer(f"(exec {CHECK} < {pipe}); true", None, str(shell)) == counts
        os.close(writer)
