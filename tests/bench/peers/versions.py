"""Versions: the installed peers and their versions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from tests.bench.contest import Bench
from tests.bench.peers.libraries import NAMES

PROGRAMS = {"task-spooler": ["tsp", "-V"], "nq": ["nq"], "GNU parallel": ["parallel", "--version"]}
PROGRAMS["redis-server"] = ["redis-server", "--version"]

_ASK = "import importlib.metadata as m, sys; [print(d.metadata['Name'], d.version) for d in m.distributions()]"


def facts(bench: Bench) -> list[tuple[str, str]]:
    found = _libraries(bench.peers_python)
    libraries = [(name, found.get(name, "not installed")) for name in (*NAMES, "redis")]
    return [*((name, _program(command)) for name, command in PROGRAMS.items()), *libraries]


def _libraries(python: str) -> dict[str, str]:
    if not os.path.exists(python):
        return {}
    output = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in output.splitlines())


def _program(command: list[str]) -> str:
    """Return the version of a program; nq has none."""
    if shutil.which(command[0]) is None:
        return "not installed"
    if len(command) == 1:
        return "installed"
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    version = re.search(r"\d+(\.\d+)+|\d{8}", output)
    return version.group() if version else "installed"
