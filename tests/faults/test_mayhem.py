"""Mayhem: users do everything at once with a queue, while its processes are killed and its clock is
wrong.

Four users enqueue, cancel, suspend, continue, edit, retry, pause and resume through real commands,
some of which are killed. Meanwhile the test kills the supervisor, workers and jobs, stops, restarts
and scales supervisors, and sets the wall clock. A reader follows `events`. In the end everything
must be consistent (`history.faults_of`), as seen through `events`, `export`, and the marks of the
jobs.

The quick run takes seconds; --long takes ten minutes (or $QUEUECTL_STORM_S). Each failure names the
seed, which decides the actions, but not their timing.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.faults import history
from tests.faults.oracle import needs_flock
from tests.faults.wrong_clock import WrongClock, needs_wrong_clock
from tests.homes import CommandLine, is_alive, processes_of, until

pytestmark = [needs_flock, pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc to choose victims")]

USERS = 4
QUICK_S = 8.0
LONG_S = float(os.environ.get("QUEUECTL_STORM_S", "600"))
CLOCK_STEPS_S = (-3600.0, -30.0, 0.0, 0.0, 30.0, 3600.0)


class Reader:
    """A reader that follows the events, and continues behind the last one that it saw after an
    interruption.
    """

    def __init__(self, queuectl: CommandLine) -> None:
        self._queuectl = queuectl
        self.seen: list[history.Event] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._is_finished = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def end(self) -> None:
        self._is_finished.set()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        self._thread.join()

    def _read(self) -> None:
        while not self._is_finished.is_set():
            last = self.seen[-1]["seq"] if self.seen else 0
            words = ["events", "--follow", "--since", str(last)]
            with self._queuectl.popen(*words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as self.process:
                assert self.process.stdout is not None
                for line in self.process.stdout:
                    if line.endswith(b"\n"):
                        self.seen.append(json.loads(line))


class User:
    """A user who does one thing after another, each in its own process."""

    def __init__(self, mayhem: Mayhem, name: str, source: random.Random) -> None:
        self._mayhem = mayhem
        self._name = name
        self._source = source
        self._count = 0
        self.mine: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None

    def live(self) -> None:
        habits: list[Callable[[], None]] = [self._enqueue] * 6 + [self._enqueue_file, self._edit, self._edit]
        habits += [lambda: self._call("cancel", self._one()), lambda: self._call("suspend", self._one())]
        habits += [lambda: self._call("continue", "--all"), lambda: self._call("retry", self._one())]
        habits += [lambda: self._call("dlq", "retry", "--all", "--canceled"), lambda: self._call("queue", "pause", "side")]
        habits += [lambda: self._call("queue", "resume", "side"), lambda: self._call("pause"), lambda: self._call("resume")]
        while not self._mayhem.is_finished.is_set():
            self._source.choice(habits)()

    def _one(self) -> str:
        return self._source.choice(self.mine[-20:]) if self.mine else "nobody"

    def _new_id(self) -> str:
        self._count += 1
        self.mine.append(f"{self._name}-{self._count}")
        return self.mine[-1]

    def _call(self, *words: str, stdin: bytes | None = None) -> bool:
        """Run a command, and return whether it succeeded."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = self._mayhem.queuectl.popen(*words, stdin=subprocess.PIPE, **quiet)
        try:
            self.process.communicate(stdin, timeout=60)
        except BrokenPipeError:  # the command was killed before it read its input
            self.process.wait(timeout=60)
        return self.process.returncode == 0

    def _enqueue(self) -> None:
        id = self._new_id()
        more = self._source.choice([[], ["--queue", "side"], ["--delay", "0.3"], ["--priority", "5"]])
        words = ["enqueue", "--id", id, "--max-retries", "1000", "--backoff-base", "0.1", *more]
        if self._call(*words, "--command", self._mayhem.command("v0", self._body())):
            self._mayhem.acknowledged.add(id)

    def _enqueue_file(self) -> None:
        ids = [self._new_id() for _ in range(5)]
        specs = [{"id": id, "command": self._mayhem.command("v0", self._body()), "max_retries": 0} for id in ids]
        lines = "".join(json.dumps(spec) + "\n" for spec in specs)
        if self._call("enqueue", "--file", "-", stdin=lines.encode()):
            self._mayhem.acknowledged.update(ids)

    def _edit(self) -> None:
        self._count += 1
        version = f"v{self._count}"
        self._call("edit", self._one(), "--command", self._mayhem.command(version, self._body()))

    def _body(self) -> str:
        flag = os.path.join(self._mayhem.folder, "flag-$QUEUECTL_JOB_ID")
        fails_once = f"[ -e {flag} ] || {{ touch {flag}; exit 7; }}"
        return self._source.choice(["true", "sleep 0.05", "sleep 0.4", fails_once])


class Mayhem:
    def __init__(self, queuectl: CommandLine, seed: int, clock: WrongClock | None) -> None:
        self.queuectl = queuectl
        self.folder = os.path.dirname(queuectl.home)
        self.acknowledged: set[str] = set()
        self.is_finished = threading.Event()
        self.done: dict[str, int] = {}
        self._clock = clock
        self._source = random.Random(seed)
        self._people = [User(self, f"p{n}", random.Random(f"{seed}-{n}")) for n in range(USERS)]
        open(os.path.join(self.folder, "marks"), "w").close()

    def command(self, version: str, body: str) -> str:
        return history.work(self.folder, version, body)

    def run(self, seconds: float) -> list[history.Event]:
        """Run for some seconds, and return the events that the reader saw."""
        reader = Reader(self.queuectl)
        threads = [threading.Thread(target=person.live) for person in self._people]
        try:
            for thread in threads:
                thread.start()
            end_s = time.monotonic() + seconds
            while time.monotonic() < end_s:
                self._keep_running()
                time.sleep(self._source.uniform(0.02, 0.3))
                self._act(reader)
        finally:
            self.is_finished.set()
            for thread in threads:
                thread.join()
            reader.end()
        return reader.seen

    def settle(self) -> None:
        """Correct the clock, continue everything, and retry dead jobs until all jobs complete."""
        if self._clock is not None:
            self._clock.set(0.0)
        self._keep_running()
        for words in (["resume"], ["queue", "resume", "side"], ["worker", "scale", "3"]):
            until(lambda words=words: self.queuectl(*words).status == 0, lambda words=words: f"{words} to be done")
        until(self._is_settled, lambda: f"all jobs to complete: {self.queuectl('status')}", deadline_s=120)
        self.queuectl.ok("worker", "stop")

    def _is_settled(self) -> bool:
        self.queuectl("continue", "--all")
        self.queuectl("dlq", "retry", "--all", "--canceled")
        counts = self.queuectl.counts()
        return sum(counts.values()) == counts["completed"]

    def _keep_running(self) -> None:
        if self._supervisor() is None:
            self.queuectl("worker", "start", "--count", "3")

    def _act(self, reader: Reader) -> None:
        """Do one random harmful thing."""
        actions: dict[str, Callable[[], Any]] = {
            "kill supervisor": lambda: self._kill([self._supervisor()]),
            "kill worker": lambda: self._kill(list(self._family("worker"))),
            "kill job": lambda: self._kill(list(self._family("job"))),
            "kill person": lambda: self._kill([p.process.pid for p in self._people if p.process is not None]),
            "kill reader": lambda: self._kill([reader.process.pid if reader.process is not None else None]),
            "scale": lambda: self.queuectl("worker", "scale", str(self._source.randint(0, 4))),
            "restart": lambda: self.queuectl("worker", "restart"),
            "stop": lambda: self.queuectl("worker", "stop", *self._source.choice([[], ["--now"]]), "--timeout", "2"),
        }
        if self._clock is not None:
            clock, offset_s = self._clock, self._source.choice(CLOCK_STEPS_S)
            actions["clock"] = lambda: clock.set(offset_s)
        name = self._source.choice(list(actions))
        actions[name]()
        self.done[name] = self.done.get(name, 0) + 1

    def _kill(self, pids: list[int | None]) -> None:
        living = [pid for pid in pids if pid is not None and is_alive(pid)]
        if living:
            try:
                os.kill(self._source.choice(living), signal.SIGKILL)
            except ProcessLookupError:
                pass

    def _supervisor(self) -> int | None:
        try:
            pid = self.queuectl.supervisor_pid()
        except (FileNotFoundError, ValueError):
            return None
        return pid if is_alive(pid) else None

    def _family(self, what: str) -> Iterator[int]:
        """Return the PIDs of the workers or of the jobs.

        Workers hold a lock of the home open for writing; jobs have their ID in their environment.
        """
        supervisor = self._supervisor()
        for pid in processes_of(self.queuectl.home):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    is_job = b"QUEUECTL_JOB_ID=" in file.read()
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    is_ours = b"\0worker\0" in file.read()
            except OSError:
                continue
            kind = "job" if is_job else "worker" if is_ours and pid != supervisor else ""
            if kind == what:
                yield pid


def seed_of(request: pytest.FixtureRequest) -> int:
    seed = request.config.getoption("--seed")
    return random.randrange(10**9) if seed is None else seed


def lines_of(queuectl: CommandLine, *words: str) -> list[history.Event]:
    return [json.loads(line) for line in queuectl.ok(*words).splitlines()]


def mayhem(queuectl: CommandLine, seed: int, seconds: float, clock: WrongClock | None) -> None:
    queuectl.keep_bytecode()
    mayhem_run = Mayhem(queuectl, seed, clock)
    seen = mayhem_run.run(seconds)
    mayhem_run.settle()
    events = lines_of(queuectl, "events", "--since", "0")
    jobs = [one for one in lines_of(queuectl, "export") if "id" in one]
    marks = history.marks_in(mayhem_run.folder)
    faults = history.faults_of(events, jobs, marks, mayhem_run.acknowledged, seen)
    print(f"seed {seed}: {len(mayhem_run.acknowledged)} acknowledged, {len(jobs)} jobs, {len(events)} events, {mayhem_run.done}")
    assert faults == [], f"seed {seed}: {faults[:5]}"
    assert queuectl("doctor").status == 0, f"seed {seed}"


def test_mayhem_leaves_a_consistent_history(queuectl: CommandLine, request: pytest.FixtureRequest) -> None:
    mayhem(queuectl, seed_of(request), QUICK_S, None)


@needs_wrong_clock
def test_mayhem_with_a_wrong_clock(queuectl: CommandLine, request: pytest.FixtureRequest) -> None:
    clock = WrongClock(os.path.dirname(queuectl.home))
    queuectl.environ.update(clock.environ)
    mayhem(queuectl, seed_of(request), QUICK_S, clock)


@pytest.mark.long
@pytest.mark.timeout(LONG_S + 600)
def test_a_long_mayhem(queuectl: CommandLine, request: pytest.FixtureRequest) -> None:
    mayhem(queuectl, seed_of(request), LONG_S, None)


@pytest.mark.long
@pytest.mark.timeout(LONG_S + 600)
@needs_wrong_clock
def test_a_long_mayhem_with_a_wrong_clock(queuectl: CommandLine, request: pytest.FixtureRequest) -> None:
    clock = WrongClock(os.path.dirname(queuectl.home))
    queuectl.environ.update(clock.environ)
    mayhem(queuectl, seed_of(request), LONG_S, clock)
