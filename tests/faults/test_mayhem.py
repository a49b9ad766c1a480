"""Mayhem: people do all that can be done to a queue at once, while its processes are killed and its clock is wrong.

Four people enqueue, cancel, suspend, continue, edit, retry, pause and resume through real command lines, some of
which are killed. Meanwhile supervisor, workers and jobs are killed, supervisors stopped, restarted and scaled, and the
wall clock is set. A reader follows `events`. In the end all of it must fit together (`history.faults_of`); what is asked
is `events`, `export`, and the marks of the jobs alone.

The quick one takes seconds, that with --long ten minutes (or $QUEUECTL_STORM_S). The seed is in every failure, and
decides what is done, though not what it meets.
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

PEOPLE = 4
QUICK_S = 8.0
LONG_S = float(os.environ.get("QUEUECTL_STORM_S", "600"))
CLOCK_STEPS_S = (-3600.0, -30.0, 0.0, 0.0, 30.0, 3600.0)


class Reader:
    """Follows the events; killed or left alone by a supervisor, it goes on behind the last one that it was told."""

    def __init__(self, queuectl: CommandLine) -> None:
        self._queuectl = queuectl
        self.told: list[history.Event] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def end(self) -> None:
        self._is_over.set()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        self._thread.join()

    def _read(self) -> None:
        while not self._is_over.is_set():
            last = self.told[-1]["seq"] if self.told else 0
            words = ["events", "--follow", "--since", str(last)]
            with self._queuectl.popen(*words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as self.process:
                assert self.process.stdout is not None
                for line in self.process.stdout:
                    if line.endswith(b"\n"):
                        self.told.append(json.loads(line))


class Person:
    """Does one thing after the other, each in a process of its own."""

    def __init__(self, mayhem: Mayhem, name: str, source: random.Random) -> None:
        self._mayhem = mayhem
        self._name = name
        self._source = source
        self._count = 0
        self.mine: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None

    def live(self) -> None:
        habits: list[Callable[[], None]] = [self._enqueue] * 6 + [self._enqueue_file, self._edit, self._edit]
        habits += [lambda: self._say("cancel", self._one()), lambda: self._say("suspend", self._one())]
        habits += [lambda: self._say("continue", "--all"), lambda: self._say("retry", self._one())]
        habits += [lambda: self._say("dlq", "retry", "--all"), lambda: self._say("queue", "pause", "side")]
        habits += [lambda: self._say("queue", "resume", "side"), lambda: self._say("pause"), lambda: self._say("resume")]
        while not self._mayhem.is_over.is_set():
            self._source.choice(habits)()

    def _one(self) -> str:
        return self._source.choice(self.mine[-20:]) if self.mine else "nobody"

    def _new_id(self) -> str:
        self._count += 1
        self.mine.append(f"{self._name}-{self._count}")
        return self.mine[-1]

    def _say(self, *words: str, stdin: bytes | None = None) -> bool:
        """Whether it was answered with success."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = self._mayhem.queuectl.popen(*words, stdin=subprocess.PIPE, **quiet)
        try:
            self.process.communicate(stdin, timeout=60)
        except BrokenPipeError:  # it was killed before it read
            self.process.wait(timeout=60)
        return self.process.returncode == 0

    def _enqueue(self) -> None:
        id = self._new_id()
        more = self._source.choice([[], ["--queue", "side"], ["--delay", "0.3"], ["--priority", "5"]])
        words = ["enqueue", "--id", id, "--max-retries", "1000", "--backoff-base", "0.1", *more]
        if self._say(*words, "--command", self._mayhem.command("v0", self._body())):
            self._mayhem.acknowledged.add(id)

    def _enqueue_file(self) -> None:
        ids = [self._new_id() for _ in range(5)]
        specs = [{"id": id, "command": self._mayhem.command("v0", self._body()), "max_retries": 0} for id in ids]
        lines = "".join(json.dumps(spec) + "\n" for spec in specs)
        if self._say("enqueue", "--file", "-", stdin=lines.encode()):
            self._mayhem.acknowledged.update(ids)

    def _edit(self) -> None:
        self._count += 1
        version = f"v{self._count}"
        self._say("edit", self._one(), "--command", self._mayhem.command(version, self._body()))

    def _body(self) -> str:
        flag = os.path.join(self._mayhem.folder, "flag-$QUEUECTL_JOB_ID")
        fails_once = f"[ -e {flag} ] || {{ touch {flag}; exit 7; }}"
        return self._source.choice(["true", "sleep 0.05", "sleep 0.4", fails_once])


class Mayhem:
    def __init__(self, queuectl: CommandLine, seed: int, clock: WrongClock | None) -> None:
        self.queuectl = queuectl
        self.folder = os.path.dirname(queuectl.home)
        self.acknowledged: set[str] = set()
        self.is_over = threading.Event()
        self.done: dict[str, int] = {}
        self._clock = clock
        self._source = random.Random(seed)
        self._people = [Person(self, f"p{n}", random.Random(f"{seed}-{n}")) for n in range(PEOPLE)]
        open(os.path.join(self.folder, "marks"), "w").close()

    def command(self, version: str, body: str) -> str:
        return history.work(self.folder, version, body)

    def rage(self, seconds: float) -> list[history.Event]:
        """What the reader was told."""
        reader = Reader(self.queuectl)
        threads = [threading.Thread(target=person.live) for person in self._people]
        try:
            for thread in threads:
                thread.start()
            end_s = time.monotonic() + seconds
            while time.monotonic() < end_s:
                self._keep_running()
                time.sleep(self._source.uniform(0.02, 0.3))
                self._strike(reader)
        finally:
            self.is_over.set()
            for thread in threads:
                thread.join()
            reader.end()
        return reader.told

    def settle(self) -> None:
        """The clock is right again, everything goes on, and comes to its end; what is dead is retried until it is
        not.
        """
        if self._clock is not None:
            self._clock.set(0.0)
        self._keep_running()
        for words in (["resume"], ["queue", "resume", "side"], ["worker", "scale", "3"]):
            until(lambda words=words: self.queuectl(*words).status == 0, lambda words=words: f"{words} to be done")
        until(self._is_settled, lambda: f"all to be completed: {self.queuectl('status')}", deadline_s=120)
        self.queuectl.ok("worker", "stop")

    def _is_settled(self) -> bool:
        self.queuectl("continue", "--all")
        self.queuectl("dlq", "retry", "--all")
        counts = self.queuectl.counts()
        return sum(counts.values()) == counts["completed"]

    def _keep_running(self) -> None:
        if self._supervisor() is None:
            self.queuectl("worker", "start", "--count", "3")

    def _strike(self, reader: Reader) -> None:
        """Does one of the things that no queue likes."""
        strikes: dict[str, Callable[[], Any]] = {
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
            strikes["clock"] = lambda: clock.set(offset_s)
        name = self._source.choice(list(strikes))
        strikes[name]()
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
        """Workers hold one of the home's locks open for writing; jobs carry their id in their environment."""
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
    raging = Mayhem(queuectl, seed, clock)
    told = raging.rage(seconds)
    raging.settle()
    events = lines_of(queuectl, "events", "--since", "0")
    jobs = [one for one in lines_of(queuectl, "export") if "id" in one]
    marks = history.marks_in(raging.folder)
    faults = history.faults_of(events, jobs, marks, raging.acknowledged, told)
    print(f"seed {seed}: {len(raging.acknowledged)} acknowledged, {len(jobs)} jobs, {len(events)} events, {raging.done}")
    assert faults == [], f"seed {seed}: {faults[:5]}"
    assert queuectl("doctor").status == 0, f"seed {seed}"


def test_mayhem_leaves_a_history_that_fits_together(queuectl: CommandLine, request: pytest.FixtureRequest) -> None:
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
