"""Homes for tests: the command line as real processes on a new home, and waits with a deadline."""

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
    """The exit status and the output of one call of the command line."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err

    def __repr__(self) -> str:
        return f"exit {self.status}\n{self.out}{self.err}"


class CommandLine:
    """The command line, whose calls run as real processes on one home."""

    def __init__(self, home: str, python: str = sys.executable) -> None:
        self.home = home
        self.python = python
        self.environ = {**os.environ, "QUEUECTL_HOME": home, "NO_COLOR": "1"}

    def __call__(self, *words: str, stdin: bytes | None = None, cwd: str | None = None) -> Answer:
        """Run one command to its end, and return its answer."""
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
        """Run one command that must succeed, and return its stdout."""
        answer = self(*words, **more)
        assert answer.status == 0, answer
        return answer.out

    def refused(self, status: int, *words: str, **more: Any) -> str:
        """Run one command that must be refused with this status, and return the line on stderr.

        The command must print one line on stderr, and nothing on stdout.
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
        """Keep bytecode beside the home, so that calls start in a third of the time."""
        self.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        self.environ["PYTHONPYCACHEPREFIX"] = os.path.join(os.path.dirname(self.home), "bytecode")

    def supervisor_pid(self) -> int:
        with open(os.path.join(self.home, "supervisor.pid")) as file:
            return int(file.readline())

    def kill_supervisor(self) -> None:
        """Kill the supervisor and wait until it is dead; its workers and jobs live on."""
        pid = self.supervisor_pid()
        os.kill(pid, 9)
        until(lambda: not is_alive(pid), lambda: "the supervisor to be dead")

    def worker_running(self, id: str) -> int | None:
        """Return the PID of the worker that runs this job, or None."""
        for worker in self.json("status")["workers"]:
            if worker["job"] == id:
                return worker["pid"]
        return None

    def until_state(self, id: str, state: str) -> dict[str, Any]:
        """Wait until the job is in this state, and return its record."""

        def look() -> dict[str, Any] | None:
            job = self.job(id)
            return job if job["state"] == state else None

        return until(look, lambda: f"{id} to be {state}; it is {self.job(id)}")

    def until_done(self, **counts: int) -> None:
        """Wait until these states have these counts of jobs."""
        until(
            lambda: all(self.counts()[state] == count for state, count in counts.items()),
            lambda: f"counts {counts}; found {self.counts()}",
        )

    def end(self) -> None:
        """End all processes of the home; fail if one outlives a stop of the supervisor."""
        if os.path.exists(os.path.join(self.home, "supervisor.pid")):
            self("worker", "stop", "--now", "--timeout", "20")
        try:  # a worker needs a moment to notice that a test has killed its supervisor
            until(lambda: not processes_of(self.home), lambda: f"{processes_of(self.home)} to end", deadline_s=5)
        finally:
            for pid in processes_of(self.home):
                os.kill(pid, 9)


@contextmanager
def short_folder() -> Iterator[str]:
    """Yield a new folder with a path that is short enough for a socket, and remove it at the end."""
    folder = tempfile.mkdtemp(prefix="q", dir="/tmp" if os.path.isdir("/tmp") else None)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def until(look: Callable[[], Any], what: Callable[[], str], deadline_s: float = DEADLINE_S) -> Any:
    """Return the first true value of `look`, or fail with the text of `what` at the deadline."""
    end_s = time.monotonic() + deadline_s
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end_s:
            raise AssertionError(f"waited {deadline_s:g} s for {what()}")
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Return whether the process exists and is no zombie; without /proc, a zombie is alive."""
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
    """Return the PIDs of the processes that have this home in their environment.

    These are the supervisor, workers, and jobs. Without /proc, the list is empty.
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
