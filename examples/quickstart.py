#!/usr/bin/env python3
"""Quickstart: a tour of queuectl with real work, one job for each module of Python's standard library.

    python3 examples/quickstart.py            run the tour and leave nothing behind
    python3 examples/quickstart.py --keep     run the tour and keep the folder with the queue

Each job byte-compiles one module into a scratch folder.
Some jobs must fail: invalid files in Python's test suite, if it is installed, and a few that this
script writes.
queuectl retries them and moves them to the dead letter queue, where you see why they failed.
The script then fixes one of the files and retries its job.

The script does everything with the command line, and prints each command before it runs.
The exit status is 0 if everything is as expected, and 1 if not. After a signal, it is 128 + the
signal's number.
In any case, the script stops the workers.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

QUEUECTL = Path(__file__).resolve().parent.parent / "queuectl.py"
NO_SUPERVISOR = 3
"""The exit status of a command that needs a supervisor and finds none."""

WORKERS = 3
MAX_RETRIES = 2
BACKOFF_BASE = 1.2
COMMAND_WITHIN_S = 60.0
ALL_WITHIN_S = 240.0
LOOK_EVERY_S = 0.4
TELL_EVERY_S = 3.0
"""Seconds between two lines of progress if the output is not a terminal."""

LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "turtledemo", "encodings"}
"""Packages of the standard library that are tests, programs, or many similar tables."""

COMPILE = """\
import py_compile, sys
try:
    py_compile.compile(sys.argv[1], cfile=sys.argv[2], doraise=True)
except py_compile.PyCompileError as fault:
    sys.exit("this file cannot be compiled:\\n" + fault.msg)
"""

BROKEN = {
    "missing_colon": b"def answer()\n    return 42\n",
    "open_bracket": b"total = (1 + 2\n",
    "open_quote": b"greeting = 'hello\n",
    "bad_indent": b"if True:\nprint('here')\n",
    "not_utf8": b"name = '\xff'\n",
}
MENDED = "missing_colon"
MENDED_TEXT = "def answer():\n    return 42\n"


class Unexpected(Exception):
    """A result is not as expected."""


class Interrupted(Exception):
    """A signal has asked the script to end."""


def expect(holds: bool, otherwise: str) -> None:
    """Check that something holds.

    Raises: Unexpected.
    """
    if not holds:
        raise Unexpected(otherwise)


def say(text: str = "") -> None:
    """Print one line at once."""
    print(text, flush=True)


# What there is to compile


class Module(NamedTuple):
    """One file to compile. `is_bad` means that it is invalid, so that its job must fail.

    A relative `source` is relative to the scratch folder.
    """

    name: str
    source: str
    is_bad: bool

    @property
    def id(self) -> str:
        """Return the ID of the job."""
        return f"compile-{self.name}"

    @property
    def target(self) -> str:
        """Return the path of the compiled file, relative to the scratch folder."""
        return f"out/{self.name}.pyc"


def find_all(scratch: Path) -> list[Module]:
    """Return all modules, the invalid ones first, so that their retries overlap with the other jobs."""
    library = Path(sysconfig.get_path("stdlib"))
    good = {name: Module(name, str(path), False) for name, path in find_modules(library)}
    expect(len(good) >= 100, f"this Python has no sources of its standard library in {library}")
    return [*write_broken(scratch / "broken"), *find_bad(library), *good.values()]


def find_modules(folder: Path, package: str = "") -> Iterator[tuple[str, Path]]:
    """Yield the modules in a folder and in the packages below it, with their full names."""
    for path in sorted(folder.iterdir()):
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", path.name):
            continue
        if path.suffix == ".py" and path.is_file():
            yield (package if path.stem == "__init__" else f"{package}.{path.stem}".lstrip(".")), path
        elif path.name not in LEFT_OUT and (path / "__init__.py").is_file():
            yield from find_modules(path, f"{package}.{path.name}".lstrip("."))


def find_bad(library: Path) -> list[Module]:
    """Return the files in Python's own tests that are invalid on purpose."""
    tests = library / "test"
    found = sorted([*tests.rglob("badsyntax_*.py"), *tests.rglob("bad_coding*.py")])
    names = [".".join(path.relative_to(library).with_suffix("").parts) for path in found]
    return [Module(name, str(path), True) for name, path in zip(names, found) if not compiles(path)]


def compiles(path: Path) -> bool:
    """Return whether Python can compile the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def write_broken(folder: Path) -> list[Module]:
    """Write the invalid files, and return them as modules."""
    folder.mkdir()
    for name, text in BROKEN.items():
        (folder / f"{name}.py").write_bytes(text)
    return [Module(f"broken.{name}", f"{folder.name}/{name}.py", True) for name in BROKEN]


def write_jobs(scratch: Path, modules: list[Module]) -> None:
    """Write jobs.jsonl, with one job on each line, as `enqueue --file` reads it."""
    (scratch / "out").mkdir()
    (scratch / "compile.py").write_text(COMPILE)
    with open(scratch / "jobs.jsonl", "w", encoding="utf-8") as file:
        for module in modules:
            words = [sys.executable, "-I", "-S", "compile.py", module.source, module.target]
            job = {"id": module.id, "command": shlex.join(words), "cwd": str(scratch)}
            file.write(json.dumps(job) + "\n")


# The command line


class CommandLine:
    """The queuectl command, run in its own home from the scratch folder.

    A signal takes effect between two commands, so that it does not interrupt one.
    """

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.signal: int | None = None
        self.environ = {
            **os.environ,
            "QUEUECTL_HOME": str(scratch / "home"),
            "PYTHONPYCACHEPREFIX": str(scratch / "pycache"),  # writes no files next to queuectl.py
        }
        self.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        self._has_started = False

    def note_signal(self, number: int, frame: object) -> None:
        """Keep the number of a signal. This is a signal handler."""
        self.signal = number

    def obey_signal(self) -> None:
        """Stop if a signal has arrived.

        Raises: Interrupted.
        """
        if self.signal is not None:
            raise Interrupted

    def show(self, *words: str) -> None:
        """Print the command, then run it and let it print."""
        say(f"$ queuectl {shlex.join(words)}")
        self._must(words, None)

    def read(self, *words: str) -> str:
        """Return what the command prints."""
        return self._must(words, subprocess.PIPE)

    def read_json(self, *words: str) -> Any:
        """Return the value that the command prints with --json."""
        return json.loads(self.read(*words, "--json"))

    def _must(self, words: tuple[str, ...], stdout: int | None) -> str:
        self.obey_signal()
        self._has_started |= words[:2] == ("worker", "start")
        done = self._run(words, stdout)
        self.obey_signal()
        expect(
            done.returncode == 0, f"`queuectl {shlex.join(words)}` ended with {done.returncode}: {done.stderr.strip()}"
        )
        if stdout is None and done.stderr:
            say(done.stderr.rstrip())
        return done.stdout or ""

    def _run(self, words: tuple[str, ...], stdout: int | None) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [sys.executable, str(QUEUECTL), *words],
                cwd=self.scratch,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="backslashreplace",
                timeout=COMMAND_WITHIN_S,
                start_new_session=True,  # Ctrl-C must reach only this script
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Unexpected(f"`queuectl {shlex.join(words)}` took longer than {COMMAND_WITHIN_S:g} s") from None

    def make_sure_it_is_stopped(self) -> None:
        """Stop the supervisor and its workers, whatever has happened before."""
        deadline_s = time.monotonic() + COMMAND_WITHIN_S
        while self._has_started:
            done = self._run(("worker", "stop", "--now"), subprocess.PIPE)
            if done.returncode in (0, NO_SUPERVISOR):
                return
            expect(time.monotonic() < deadline_s, f"the workers cannot be stopped: {done.stderr.strip()}")
            time.sleep(0.2)


# Progress


class Progress:
    """A line that is rewritten on a terminal. Elsewhere, a new line every few seconds."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._is_terminal = sys.stdout.isatty()
        self._told_s = float("-inf")

    def tell(self, counts: dict[str, int]) -> None:
        """Show how many jobs have ended, and how many are in each state."""
        over = counts["completed"] + counts["dead"]
        states = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        text = f"  {over:4} of {self._total} are over: {states}"
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{text[:width]:{width}}", end="\n" if over == self._total else "", flush=True)
        elif over == self._total or time.monotonic() - self._told_s >= TELL_EVERY_S:
            say(text)
            self._told_s = time.monotonic()


def follow(queuectl: CommandLine, total: int) -> None:
    """Wait until every job is completed or dead."""
    say("$ queuectl status --json        (again and again, until all jobs are over)")
    progress, deadline_s = Progress(total), time.monotonic() + ALL_WITHIN_S
    while True:
        status = queuectl.read_json("status")
        counts = status["counts"]
        expect(sum(counts.values()) == total, f"{total} jobs were enqueued, but the status counts {counts}")
        progress.tell(counts)
        if counts["completed"] + counts["dead"] == total:
            return
        expect(status["supervisor"] is not None, "the supervisor has ended while jobs were waiting")
        expect(time.monotonic() < deadline_s, f"the jobs were not over after {ALL_WITHIN_S:g} s: {counts}")
        time.sleep(LOOK_EVERY_S)


# The tour


def take_tour(queuectl: CommandLine) -> None:
    """Go through all steps of the tour."""
    modules = find_all(queuectl.scratch)
    write_jobs(queuectl.scratch, modules)
    introduce(queuectl, modules)
    enqueue(queuectl, modules)
    work(queuectl, modules)
    look_at_the_dead(queuectl, modules)
    mend_one(queuectl, modules)
    stop(queuectl, modules)


def introduce(queuectl: CommandLine, modules: list[Module]) -> None:
    """Print what the tour compiles, and how to run its commands by hand."""
    bad = sum(module.is_bad for module in modules)
    say(f"Python {sys.version.split()[0]}: {len(modules) - bad} modules to compile, and {bad} files that cannot be.")
    say("\nBelow, `queuectl` is short for:")
    say(f"$ alias queuectl={shlex.quote(shlex.join([sys.executable, str(QUEUECTL)]))}")
    say(f"$ export QUEUECTL_HOME={shlex.quote(queuectl.environ['QUEUECTL_HOME'])}")
    say(f"$ cd {shlex.quote(str(queuectl.scratch))}")


def enqueue(queuectl: CommandLine, modules: list[Module]) -> None:
    """Change two settings, then add all jobs from a file."""
    waits = " and ".join(f"{BACKOFF_BASE**attempt:.1f} s" for attempt in range(1, MAX_RETRIES + 1))
    say(f"\n1. Few retries after short waits ({waits}), to see them happen")
    queuectl.show("config", "set", "backoff-base", str(BACKOFF_BASE))
    queuectl.show("config", "set", "max-retries", str(MAX_RETRIES))
    queuectl.show("config", "list")

    say("\n2. All jobs at once, from a file; its first line is")
    with open(queuectl.scratch / "jobs.jsonl", encoding="utf-8") as file:
        say(file.readline().rstrip())
    say("$ queuectl enqueue --file jobs.jsonl")
    ids = queuectl.read("enqueue", "--file", "jobs.jsonl").splitlines()
    say("\n".join(ids[:3]) + f"\n(and {len(ids) - 3} ids more)")
    expect(ids == [module.id for module in modules], "enqueue has not printed the ids of the jobs in the file")


def work(queuectl: CommandLine, modules: list[Module]) -> None:
    """Start the workers, and wait until all jobs have ended."""
    say(f"\n3. {WORKERS} workers, in the background")
    began_s = time.monotonic()
    queuectl.show("worker", "start", "--count", str(WORKERS))
    say("\n4. What they have done so far")
    follow(queuectl, len(modules))
    say(f"  that took {time.monotonic() - began_s:.1f} s")
    say("\n5. The same as a table")
    queuectl.show("status")
    check_outcome(queuectl, [module for module in modules if module.is_bad], modules)


def look_at_the_dead(queuectl: CommandLine, modules: list[Module]) -> None:
    """Show the dead letter queue and why one of its jobs failed."""
    say("\n6. The dead letter queue: what has failed for good, and why")
    queuectl.show("dlq", "list")
    id = f"compile-broken.{MENDED}"
    queuectl.show("show", id)
    queuectl.show("logs", id)
    output = queuectl.read("logs", id)
    expect("SyntaxError" in output, f"the output of {id} does not tell of its SyntaxError: {output!r}")
    for job in queuectl.read_json("dlq", "list"):
        expect(job["attempts"] == MAX_RETRIES + 1, f"{job['id']} is dead after {job['attempts']} attempts")


def mend_one(queuectl: CommandLine, modules: list[Module]) -> None:
    """Fix one of the invalid files, and retry its job."""
    say(f"\n7. {MENDED}.py gets its colon, and its job another chance")
    (queuectl.scratch / "broken" / f"{MENDED}.py").write_text(MENDED_TEXT)
    id = f"compile-broken.{MENDED}"
    queuectl.show("dlq", "retry", id)
    follow(queuectl, len(modules))
    queuectl.show("show", id)
    check_outcome(queuectl, [module for module in modules if module.is_bad and module.id != id], modules)


def stop(queuectl: CommandLine, modules: list[Module]) -> None:
    """Stop the workers, and check that the jobs remain."""
    say("\n8. Enough; the jobs stay on the disk")
    queuectl.show("worker", "stop")
    queuectl.show("status")
    status = queuectl.read_json("status")
    expect(status["supervisor"] is None, "a supervisor runs although it was stopped")
    expect(sum(status["counts"].values()) == len(modules), f"jobs are missing after the stop: {status['counts']}")


def check_outcome(queuectl: CommandLine, bad: list[Module], modules: list[Module]) -> None:
    """Check that exactly the invalid modules are dead, and that each other job has made its file."""
    dead = {job["id"] for job in queuectl.read_json("dlq", "list")}
    completed = {job["id"] for job in queuectl.read_json("list", "--state", "completed")}
    surprises = sorted(dead ^ {module.id for module in bad})
    expect(not surprises, f"dead and should not be, or the other way round: {', '.join(surprises)}")
    expect(
        len(completed) + len(dead) == len(modules),
        f"{len(completed)} completed + {len(dead)} dead is not {len(modules)}",
    )
    for module in modules:
        target = queuectl.scratch / module.target
        made = target.is_file() and target.read_bytes()[:4] == importlib.util.MAGIC_NUMBER
        expect(made == (module.id in completed), f"{module.id} and its file {module.target} do not agree")


# Beginning and end

BY_HAND = """\
To try each step by hand, in a queue of your own, after the alias above:
  export QUEUECTL_HOME={home}
  queuectl config set backoff-base 1.2; queuectl config set max-retries 2
  echo '{{"id": "good", "command": "date"}}' > jobs.jsonl
  echo '{{"id": "bad", "command": "cat note.txt"}}' >> jobs.jsonl
  queuectl enqueue --file jobs.jsonl
  queuectl worker start --count 3
  queuectl status
  queuectl logs --follow bad
  queuectl dlq list; queuectl show bad
  echo 'here I am' > note.txt; queuectl dlq retry bad
  queuectl logs --follow bad
  queuectl worker stop"""


def take_leave(scratch: Path, keep: bool) -> None:
    """Print how to continue by hand, and what becomes of the scratch folder."""
    say(f"\nAll as expected. {BY_HAND.format(home='$HOME/queue-to-try')}")
    if keep:
        say(f"\nThe queue of this tour is kept in {scratch}; look at it with")
        say(f"  QUEUECTL_HOME={shlex.quote(str(scratch / 'home'))} queuectl list")
        say(f"  rm -r {shlex.quote(str(scratch))}        when you have seen enough")
    else:
        say(f"\nThe queue of this tour and all it made is removed with {scratch}; --keep would leave it.")


def run(queuectl: CommandLine, keep: bool) -> None:
    """Run the tour, then stop the workers and remove the scratch folder."""
    try:
        take_tour(queuectl)
        take_leave(queuectl.scratch, keep)
    finally:
        queuectl.make_sure_it_is_stopped()
        if not keep:
            remove(queuectl.scratch)


def remove(folder: Path) -> None:
    """Remove a folder. Retry for 10 seconds if that fails.

    A worker without a supervisor may still write its last lines there.
    """
    deadline_s = time.monotonic() + 10
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.2)


def main() -> int:
    """Run the script, and return its exit status."""
    parser = argparse.ArgumentParser(
        description="A tour of queuectl: byte-compiles Python's standard library, a job a module."
    )
    parser.add_argument("--keep", action="store_true", help="do not remove the folder with the queue at the end")
    keep = parser.parse_args().keep
    if sys.stdout is None:
        sys.exit("quickstart: there is no standard output to tell the tour to")
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a replacement may lack this
    queuectl = CommandLine(Path(os.path.realpath(tempfile.mkdtemp(prefix="qs-"))))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, queuectl.note_signal)
    try:
        run(queuectl, keep)
    except Interrupted:
        print("\nquickstart: interrupted; the workers are stopped", file=sys.stderr)
        return 128 + (queuectl.signal or 0)
    except BrokenPipeError:  # the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except (Unexpected, OSError) as fault:
        print(f"\nquickstart: not as expected: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
