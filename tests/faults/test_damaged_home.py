"""Everything that a user may break in a home, one fault at a time.

Each file and folder is missing, empty, cut, changed, another user's, forbidden, a link, a pipe, or
a folder in place of a file. Each command then gives a correct answer or one clear line, and where
one refuses, `doctor` reports the fault. The faults come from the tree of a real home whose
supervisor was killed. A quick run takes a seeded sample, --long all.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from tests.faults.damage import Damage, bound, copy_home, inflict, kinds_for, tree_of
from tests.homes import SCRIPT, Answer, CommandLine, processes_of, short_folder, until

pytestmark = [
    pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc"),
    pytest.mark.timeout(7200),
]

QUICK_DAMAGES, QUICK_COMMANDS = 10, 5
HUNG_S = 20.0
UNDETECTED = ("missing", "cut", "garbled")
"""In the last segment, whose end may look torn by a crash, and which may be missing as if it never existed."""

IDS = {"done", "bad", "slow", "waits"}
"""The jobs of the home: one in each state; the outcome of `slow` is in run/."""


class Check(NamedTuple):
    """A command, and a check of its output when it succeeds."""

    words: list[str]
    is_right: Callable[[str], bool]


def says(text: str) -> Callable[[str], bool]:
    return lambda out: text in out


CHECKS = [
    Check(["status", "--json"], lambda out: sum(json.loads(out)["counts"].values()) == len(IDS)),
    Check(["list", "--json"], lambda out: {job["id"] for job in json.loads(out)} == IDS),
    Check(["show", "done", "--json"], lambda out: json.loads(out)["state"] == "completed"),
    Check(["logs", "done"], lambda out: out == "hello\n"),
    Check(["why", "waits"], says("waits")),
    Check(["history", "done"], says("succeeded")),
    Check(["events", "--since", "0"], lambda out: {json.loads(line).get("id") for line in out.splitlines()} >= IDS),
    Check(["dlq", "list", "--json"], lambda out: [job["id"] for job in json.loads(out)] == ["bad"]),
    Check(["config", "get", "max-retries"], lambda out: out == "5\n"),
    Check(["schedule", "list", "--json"], says("nightly")),
    Check(["queue", "list", "--json"], says("default")),
    Check(["wait", "done"], lambda out: True),
    Check(["export"], lambda out: all(f'"{id}"' in out for id in IDS)),
    Check(["enqueue", "--id", "new", "--command", "true"], lambda out: out == "new\n"),
    Check(["config", "set", "max-retries", "7"], lambda out: True),
    Check(["backup", "COPY"], lambda out: True),
    Check(["doctor", "--repair", "COPY"], lambda out: True),
]


class DamagedHome:
    """A home with one fault; each use gets a new copy."""

    def __init__(self, folder: str, sound: CommandLine, other: CommandLine, damage: Damage) -> None:
        self.folder = folder
        self.damage = damage
        self._sound = sound
        self._other = other

    @contextmanager
    def queuectl(self) -> Iterator[CommandLine]:
        with short_folder() as folder:
            queuectl = CommandLine(os.path.join(folder, "home"))
            queuectl.environ.update({**self._sound.environ, "QUEUECTL_HOME": queuectl.home})
            copy_home(self._sound.home, queuectl.home)
            inflict(self.damage, queuectl.home, self._other.home)
            yield queuectl

    def judge(self, checks: list[Check]) -> list[str]:
        """Return everything that is wrong with the answers."""
        found: list[str] = []
        refused = ""
        for check in checks:
            with self.queuectl() as queuectl:
                answer = ask(queuectl, *check.words)
                found += self._complaints(queuectl, check, answer)
                refused = refused or refusal_in(answer)
        with self.queuectl() as queuectl:
            doctor = ask(queuectl, "doctor")
        with self.queuectl() as queuectl:
            stuck = work_done_by(queuectl)
        # A home that cannot run jobs is acceptable when `doctor` reports it.
        found += [] if stuck and doctor is not None and doctor.status != 0 and "hung" not in str(stuck) else stuck
        return found + self._complaints_about_doctor(doctor, refused)

    def _complaints(self, queuectl: CommandLine, check: Check, answer: Answer | None) -> list[str]:
        name = " ".join(check.words)
        if answer is None:
            return [f"{name} hung"]
        refusals = sum(line.startswith("queuectl: ") for line in answer.err.splitlines())
        if "Traceback" in answer.err or "Errno" in answer.err or refusals > 1:
            return [f"{name}: {answer}"]
        if answer.status != 0:
            return [] if refusals or answer.out else [f"{name}: {answer}"]
        if not is_right(check, answer.out) and not self._is_output_itself(check):
            return [f"{name} gave a wrong answer: {answer}"]
        if "new" in check.words and '"new"' not in queuectl.ok("list", "--json"):
            return [f"{name} was acknowledged and is missing"]
        return []

    def _is_output_itself(self, check: Check) -> bool:
        """Return whether the answer is output of a job, which has no checksum."""
        return check.words[0] == "logs" and self.damage.path.startswith("logs")

    def _complaints_about_doctor(self, answer: Answer | None, refused: str) -> list[str]:
        if answer is None or "Traceback" in answer.err:
            return [f"doctor: {answer}"]
        is_silent = answer.status == 0 and not answer.err and verdicts(answer.out) == self.sound_verdicts
        # Retention may have removed missing output.
        is_told = not is_silent or not refused or self.damage.path.startswith("logs")
        return [] if is_told else [f"doctor is silent, and others say {refused}"]

    @property
    def sound_verdicts(self) -> list[str]:
        answer = ask(self._sound, "doctor")
        assert answer is not None and answer.status == 0, answer
        return verdicts(answer.out)


def verdicts(out: str) -> list[str]:
    """Return the area and the verdict of each line, without figures."""
    return [" ".join(line.split()[:2]) for line in out.splitlines()]


def is_right(check: Check, out: str) -> bool:
    try:
        return check.is_right(out)
    except (ValueError, KeyError):
        return False


def refusal_in(answer: Answer | None) -> str:
    return answer.err if answer is not None and answer.status != 0 else ""


def ask(queuectl: CommandLine, *words: str) -> Answer | None:
    """Run a command, and return its answer, or None when it hangs. COPY stands for a new path."""
    free = os.path.join(os.path.dirname(queuectl.home), "copy")
    command = [*bound(), queuectl.python, SCRIPT, *(free if word == "COPY" else word for word in words)]
    quiet = {"stdin": subprocess.DEVNULL, "capture_output": True}
    try:
        done = subprocess.run(command, env=queuectl.environ, cwd="/", timeout=HUNG_S, **quiet)
    except subprocess.TimeoutExpired:
        return None
    return Answer(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def work_done_by(queuectl: CommandLine) -> list[str]:
    """Start a supervisor that runs the waiting jobs, stop it, and return what went wrong."""
    try:
        start = ask(queuectl, "worker", "start")
        if start is None or start.status != 0:
            is_clear = start is not None and start.err.count("queuectl: ") == 1 and "Traceback" not in start.err
            return [] if is_clear else [f"worker start: {start}"]
        waited = ask(queuectl, "wait", "waits", "--timeout", "8")
        stop = ask(queuectl, "worker", "stop", "--now", "--timeout", "8")
        answers = {"wait": waited, "stop": stop}
        return [f"{name}: {answer}" for name, answer in answers.items() if answer is None or answer.status != 0]
    finally:
        for pid in processes_of(queuectl.home):
            os.kill(pid, 9)


@pytest.fixture(scope="module")
def homes() -> Iterator[tuple[CommandLine, CommandLine]]:
    """Yield a sound home and another one."""
    with short_folder() as folder:
        sound, other = (CommandLine(os.path.join(folder, name)) for name in ("home", "other"))
        for queuectl in (sound, other):
            fill_home(queuectl)
        yield sound, other


def fill_home(queuectl: CommandLine) -> None:
    """Fill a home with every kind of file: its supervisor was killed, and a worker left an outcome."""
    queuectl.keep_bytecode()
    gate = f"{queuectl.home}.gate"
    queuectl.ok("enqueue", "--id", "done", "--command", "echo hello")
    queuectl.ok("enqueue", "--id", "bad", "--max-retries", "0", "--command", "exit 3")
    queuectl.ok("worker", "start")
    queuectl.until_done(completed=1, dead=1)
    queuectl.ok("worker", "stop")
    queuectl.ok("worker", "start")
    queuectl.ok("config", "set", "max-retries", "5")
    queuectl.ok("schedule", "add", "nightly", "--every", "24h", "--", "true")
    queuectl.ok("enqueue", "--id", "slow", "--command", f"until [ -e {gate} ]; do sleep 0.02; done")
    queuectl.until_state("slow", "processing")
    queuectl.ok("enqueue", "--id", "waits", "--command", "true")
    queuectl.kill_supervisor()
    with open(gate, "w"):
        until(lambda: not processes_of(queuectl.home), lambda: "the worker to leave its outcome")


def last_segment(queuectl: CommandLine) -> str:
    """Return the last segment of the journal."""
    return os.path.join("journal", max(os.listdir(os.path.join(queuectl.home, "journal"))))


def test_each_fault_gets_a_correct_answer_or_one_clear_line(
    homes: tuple[CommandLine, CommandLine], request: pytest.FixtureRequest
) -> None:
    sound, other = homes
    seed = request.config.getoption("--seed")
    seed = random.randrange(10**9) if seed is None else seed
    source = random.Random(seed)
    damages = [Damage(path, kind) for path in tree_of(sound.home) for kind in kinds_for(sound.home, path)]
    damages = [one for one in damages if one.path != last_segment(sound) or one.kind not in UNDETECTED]
    if not request.config.getoption("--long"):
        damages = source.sample(damages, QUICK_DAMAGES)
    faults: dict[str, list[str]] = {}
    for damage in damages:
        checks = CHECKS if request.config.getoption("--long") else source.sample(CHECKS, QUICK_COMMANDS)
        with short_folder() as folder:
            found = DamagedHome(folder, sound, other, damage).judge(checks)
        if found:
            faults[str(damage)] = found
    report = "\n".join(f"{damage}: {one}" for damage, found in faults.items() for one in found)
    assert not faults, f"seed {seed}:\n{report}"
