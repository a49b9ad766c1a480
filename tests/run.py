#!/usr/bin/env python3
"""Run the tests from a fresh clone, with nothing prepared.

The script creates a virtual environment, and runs each test file in a pytest process, several at a time.

    python3 tests/run.py                        all tests except the long ones, on this Python
    python3 tests/run.py --all-pythons          the same, and more on each other CPython from 3.9 on:
                                                on the oldest and the newest all but tests/faults and tests/page,
                                                on those between only tests/unit and the project's own
    python3 tests/run.py tests/unit/test_x.py   these files only, on each chosen Python
    python3 tests/run.py --long [--seed N]      the long tests too
"""

from __future__ import annotations

import argparse
import glob
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NEEDED = ("pytest", "pytest-timeout")
OLDEST = (3, 9)


class Outcome(NamedTuple):
    """The number of tests with each result."""

    passed: int
    failed: int
    skipped: int


def main() -> int:
    """Run the tests on every chosen Python, print the sum, and return the exit status."""
    args = parse_arguments()
    pythons = find_pythons() if args.all_pythons else [sys.executable]
    files = [os.path.abspath(file) for file in args.files]
    total = sum_of(run_on(python, args, files or chosen(find_tests(), python, pythons)) for python in pythons)
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed or not total.passed else 0


def chosen(files: list[str], python: str, pythons: list[str]) -> list[str]:
    """Return the test files for one of several Pythons.

    Tests of faults concern the system more than the language, and tests of the page the browser. Between the
    oldest and the newest Python, processes behave the same. Modules are tested on every Python.
    """
    if version_of(python) == version_of(sys.executable):
        return files
    left_out = {"faults", "page"}
    if python not in (pythons[0], pythons[-1]):
        left_out |= {"process", "bench"}
    return [file for file in files if not left_out & set(os.path.relpath(file, ROOT).split(os.sep))]


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="test files (default: all)")
    parser.add_argument("--all-pythons", action="store_true", help="on every CPython from 3.9 on")
    parser.add_argument("--long", action="store_true", help="also the tests that take minutes")
    parser.add_argument("--seed", help="the seed of the random long tests")
    at_once = 2 * (os.cpu_count() or 2)  # tests mostly wait
    parser.add_argument("--jobs", type=int, default=at_once, help="test files at the same time")
    return parser.parse_args()


def run_on(python: str, args: argparse.Namespace, files: list[str]) -> Outcome:
    """Run the test files on one Python, `args.jobs` at a time."""
    started_s = time.monotonic()
    runner = environment_for(python)
    with ThreadPoolExecutor(args.jobs) as pool:
        outcomes = list(pool.map(lambda file: run_file(runner, file, args), files))
    total = sum_of(outcomes)
    print(f"-- {version_of(python)}: {total} in {time.monotonic() - started_s:.0f} s", flush=True)
    return total


def run_file(runner: str, file: str, args: argparse.Namespace) -> Outcome:
    """Run the tests of one file, and return their outcome.

    Print the output if a test failed. Always print the skipped tests, with their reasons.
    """
    command = [runner, "-m", "pytest", "-q", "-rfEs", "--durations=3", "--durations-min=3", file]
    command += ["--long"] if args.long else []
    command += [f"--seed={args.seed}"] if args.seed else []
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    output = done.stdout
    numbers = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)\b", output)}
    failed = numbers.get("failed", 0) + numbers.get("error", 0) + numbers.get("errors", 0)
    if done.returncode not in (0, 5) and not failed:
        failed = 1  # pytest itself failed
    name = os.path.relpath(file, ROOT)
    if failed:
        print(f"{output}\n-- {name}: FAILED", flush=True)
    else:
        notes = [line for line in output.splitlines() if line.startswith("SKIPPED") or "s call " in line]
        print("\n".join([f"{name}: {numbers.get('passed', 0)} passed", *notes]), flush=True)
    return Outcome(numbers.get("passed", 0), failed, numbers.get("skipped", 0))


def sum_of(outcomes: Iterable[Outcome]) -> Outcome:
    return Outcome(*map(sum, zip(Outcome(0, 0, 0), *outcomes)))


def find_tests() -> list[str]:
    """Return all test files, probably the slowest first, so that all cores are busy to the end."""
    files = glob.glob(os.path.join(ROOT, "tests", "**", "test_*.py"), recursive=True)
    return sorted(files, key=lambda file: ("faults" not in file, -os.path.getsize(file), file))


def environment_for(python: str) -> str:
    """Return the Python of a virtual environment that has what the tests need.

    If there is no such environment, create it.
    """
    folder = os.path.join(ROOT, f".venv-tests-{version_of(python)}")
    runner = os.path.join(folder, "bin", "python")
    if not has_what_is_needed(runner):
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        install = [runner, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *NEEDED]
        subprocess.run(install, check=True)
    return runner


def has_what_is_needed(runner: str) -> bool:
    """Return whether this Python exists, and has the packages that the tests need."""
    if not os.path.exists(runner):
        return False
    check = subprocess.run([runner, "-c", "import pytest, pytest_timeout"], capture_output=True, check=False)
    return check.returncode == 0


def find_pythons() -> list[str]:
    """Return one interpreter for each minor version from 3.9 on, the oldest first.

    The candidates are this interpreter, those of pyenv, and those on PATH.
    """
    folders = os.environ.get("PATH", "").split(os.pathsep)
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    candidates = [sys.executable, *sorted(glob.glob(os.path.join(pyenv, "versions", "3.*", "bin", "python3")))]
    candidates += [os.path.join(folder, f"python3.{minor}") for minor in range(9, 30) for folder in folders]
    found: dict[tuple[int, ...], str] = {}
    for python in candidates:
        if os.access(python, os.X_OK) and "/shims/" not in python:
            version = tuple(int(part) for part in version_of(python).split("-")[-1].split(".")[:2] or (0,))
            if version >= OLDEST and version not in found:
                found[version] = python
    return [found[version] for version in sorted(found)]


def version_of(python: str) -> str:
    """Return a version like `cpython-3.11.7`, or `none-0.0` if this is no working CPython."""
    code = "import platform; print(platform.python_implementation().lower() + '-' + platform.python_version())"
    result = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False)
    version = result.stdout.strip()
    return version if result.returncode == 0 and version.startswith("cpython-") else "none-0.0"


if __name__ == "__main__":
    sys.exit(main())
