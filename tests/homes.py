"""Homes for tests: the command line as real processes on a home of its own, and waits for a condition with a
deadline.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCRIPT = os.path.join(ROOT, "queuectl.py")
DEADLINE_S = 20.0


class Answer:
    """What one call of the command line said."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err

    def __repr__(self) -> str:
        return f"exit {self.status}\n{self.out}{self.err}"


class CommandLine:
    def __init__(self, home: str, python: str = sys.executable) -> None:
        self.home = home
        self.python = python
        self.environ = {**os.environ, "QUEUECTL_HOME": home, "NO_COLOR": "1"}

    def __call__(self, *words: str, stdin: bytes | None = None, cwd: str | None = None) -> Answer:
        """Runs one command to its end."""
        process = subprocess.run(
            [self.python, SCRIPT, *words],
            input=b"" if stdin is None else stdin,
            capture_output=True,
            env=self.environ,
            cwd=cwd,
            timeout=60,
            check=False,
        )
        return Answer(process.returncode, process.stdout.decode(), process.stderr.decode())

    def ok(self, *words: str, **more: Any) -> str:
        """Runs one command that must succeed; what it printed on stdout."""
        answer = self(*words, **more)
        assert answer.status == 0, answer
        return answer.out

    def refused(self, status: int, *words: str, **more: Any) -> str:
        """Runs one command that must be refused with this status, in one line on stderr, with no data on stdout; the
        line.
        """
        answer = self(*words, **more)
        assert answer.status == status, answer
        assert answer.out == "", answer
        assert answer.err.count("\n") == 1 and answer.err.startswith("queuectl: "), answer
        assert "Traceback" not in answer.err
        return answer.err

    def json(self, *words: str) -> Any:
        return json.loads(self.ok(*words, "--json"))

    def job(self, id: str) -> dict[str, Any]:
        return self.json("show", id)

    def counts(self) -> dict[str, int]:
        return self.json("status")["counts"]

    def popen(self, *words: str, **more: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([self.python, SCRIPT, *words], env=self.environ, **more)

    def keep_bytecode(self) -> None:
        """Calls start in a third of the time, for they compile nothing anew; the bytecode lies beside the home."""
        self.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        self.environ["PYTHONPYCACHEPREFIX"] = os.path.join(os.path.dirname(self.home), "bytecode")

    def supervisor_pid(self) -> int:
        with open(os.path.join(self.home, "supervisor.pid")) as file:
            return int(file.readline())

    def kill_supervisor(self) -> None:
        """As a power cut would, but that workers and jobs live on; over when it is dead."""
        pid = self.supervisor_pid()
        os.kill(pid, 9)
        until(lambda: not is_alive(pid), lambda: "the supervisor to be dead")

    def worker_running(self, id: str) -> int | None:
        """The pid of the worker that runs this job."""
        for worker in self.json("status")["workers"]:
            if worker["job"] == id:
                return worker["pid"]
        return None

    def until_state(self, id: str, state: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            job = self.job(id)
            return job if job["state"] == state else None

        return until(look, lambda: f"{id} to be {state}; it is {self.job(id)}")

    def until_done(self, **counts: int) -> None:
        """Waits until the counts of these states are as said."""
        until(
            lambda: all(self.counts()[state] == count for state, count in counts.items()),
            lambda: f"counts {counts}; they are {self.counts()}",
        )

    def end(self) -> None:
        if os.path.exists(os.path.join(self.home, "supervisor.pid")):
            self("worker", "stop", "--now", "--timeout", "20")
        try:  # a worker whose supervisor a test has killed may need a moment to notice it
            until(lambda: not processes_of(self.home), lambda: f"{processes_of(self.home)} to end", deadline_s=5)
        finally:
            for pid in processes_of(self.home):
                os.kill(pid, 9)


@contextmanager
def short_folder() -> Iterator[str]:
    """A folder whose path is short enough for a socket in it."""
    folder = tempfile.mkdtemp(prefix="q", dir="/tmp" if os.path.isdir("/tmp") else None)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def until(look: Callable[[], Any], what: Callable[[], str], deadline_s: float = DEADLINE_S) -> Any:
    """The first true value of `look`; fails, saying `what`, when there is none before the deadline."""
    end_s = time.monotonic() + deadline_s
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end_s:
            raise AssertionError(f"waited {deadline_s:g} s for {what()}")
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except FileNotFoundError:
        pass
    if os.path.isdir("/proc/self"):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def processes_of(home: str) -> list[int]:
    """The processes that have this home in their environment: supervisor, workers, jobs. Only where there is a
    /proc.
    """
    mark = f"QUEUECTL_HOME={home}".encode()
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else []:
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if mark in file.read().split(b"\0") and is_alive(int(name)):
                        found.append(int(name))
            except OSError:
                pass
    return found
