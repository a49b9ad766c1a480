"""Each system call of a command, a supervisor, and a worker fails once.

The errors are EIO, ENOMEM, EMFILE, ENOSPC, EACCES, EINTR, and EAGAIN. Acknowledged jobs are stored
and run once in the end; each refusal is one line; no command hangs or gives a wrong answer. A quick
run takes a seeded sample, --long one error at every place.
"""

from __future__ import annotations

import errno
import os
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from queuectl_core.api import Queue
from queuectl_core.errors import QueueError, unforeseen
from tests.faults.failing import Fault, Place, needs_injection, places_in, sample, tracing
from tests.faults.oracle import CLEAN, Oracle, needs_flock
from tests.homes import SCRIPT, Answer, CommandLine, is_alive, processes_of, short_folder, until

pytestmark = [needs_injection, needs_flock, pytest.mark.timeout(7200)]

QUICK_COMMANDS, QUICK_FAULTS = 3, 2
QUICK_LIVES, LONG_LIVES = 2, 200
HUNG_S = 20.0

ASKING = (
    ["status", "--json"],
    ["list", "--json"],
    ["show", "done", "--json"],
    ["why", "waits"],
    ["history", "done", "--json"],
    ["events", "--since", "0"],
    ["logs", "done"],
    ["wait", "done"],
    ["config", "list", "--json"],
    ["queue", "list", "--json"],
    ["schedule", "list", "--json"],
    ["dlq", "list", "--json"],
    ["export"],
    ["doctor"],
)
CHANGING = (
    ["enqueue", "--id", "new", "--command", "true"],
    ["cancel", "waits"],
    ["edit", "waits", "--priority", "4"],
    ["rm", "waits"],
    ["dlq", "retry", "bad"],
    ["dlq", "purge", "--all"],
    ["config", "set", "max-retries", "7"],
    ["queue", "pause", "side"],
    ["schedule", "add", "weekly", "--every", "168h", "--", "true"],
    ["pause"],
)


def seed_of(request: pytest.FixtureRequest) -> int:
    seed = request.config.getoption("--seed")
    return random.randrange(10**9) if seed is None else seed


def is_long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--long"))


# Command lines


@pytest.fixture(scope="module")
def filled_home() -> Iterator[CommandLine]:
    """Yield a home to copy, with jobs in several states and files of an earlier supervisor."""
    with short_folder() as folder:
        queuectl = CommandLine(os.path.join(folder, "home"))
        queuectl.keep_bytecode()
        queuectl.ok("enqueue", "--id", "done", "--command", "echo hello")
        queuectl.ok("enqueue", "--id", "bad", "--max-retries", "0", "--command", "exit 3")
        queuectl.ok("worker", "start")
        queuectl.until_done(completed=1, dead=1)
        queuectl.ok("worker", "stop")
        queuectl.ok("enqueue", "--id", "waits", "--queue", "side", "--command", "true")
        queuectl.ok("schedule", "add", "nightly", "--every", "24h", "--", "true")
        yield queuectl


def run_with(queuectl: CommandLine, words: Sequence[str], strace: Sequence[str] = ()) -> Answer | None:
    """Run a command under strace, and return its answer, or None when it hangs."""
    command = [*strace, queuectl.python, SCRIPT, *words]
    quiet = {"stdin": subprocess.DEVNULL, "capture_output": True}
    try:
        done = subprocess.run(command, env=queuectl.environ, timeout=HUNG_S, **quiet)
    except subprocess.TimeoutExpired:
        return None
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def complaint_about(answer: Answer | None, right: str | None) -> str | None:
    """Return what is wrong with an answer; `right` is the expected output where it is always the
    same.
    """
    if answer is None:
        return "it hung"
    refusals = [line for line in answer.err.splitlines() if line.startswith("queuectl: ")]
    if "Traceback" in answer.err or "Errno" in answer.err or len(refusals) > 1:
        return f"wrong answer: {answer}"
    if answer.status == 0 and right is not None and steady(answer.out) != steady(right):
        return f"it lied: {answer}, and not {right}"
    if answer.status not in (0, 1, 2, 3, 70, 75):
        return f"it ended strangely: {answer}"
    is_silent = answer.status != 0 and not refusals and not answer.out
    return f"no reason: {answer}" if is_silent else None


def reports_full_disk(answer: Answer | None, fault: Fault) -> bool:
    """Return whether the answer differs because the fault said that the disk is full."""
    said = r'\bdisk\b.* is full|"short_of": "space"'
    return fault.error == "ENOSPC" and answer is not None and re.search(said, answer.out) is not None


def without_lines_about(fault: Fault, answer: Answer | None) -> Answer | None:
    """Return the answer without the lines that name the error, which `doctor` prints as notes."""
    if answer is None:
        return None
    error = os.strerror(getattr(errno, fault.error))
    kept = [line for line in answer.out.splitlines(True) if error not in line]
    return Answer(answer.status, "".join(kept), answer.err)


def steady(text: str) -> str:
    """Return the text without parts that differ from moment to moment and from copy to copy."""
    return re.sub(r"\d+ MiB free|/\S+/home\b", "", text)


@contextmanager
def a_copy_of(queuectl: CommandLine) -> Iterator[CommandLine]:
    with short_folder() as folder:
        copy = CommandLine(os.path.join(folder, "home"))
        copy.environ.update({**queuectl.environ, "QUEUECTL_HOME": copy.home})
        copy.environ["PYTHONPYCACHEPREFIX"] = queuectl.environ["PYTHONPYCACHEPREFIX"]
        subprocess.run(["cp", "-a", queuectl.home, copy.home], check=True)
        yield copy


@pytest.mark.parametrize("kind", ["asks", "changes"])
def test_a_command_that(filled_home: CommandLine, request: pytest.FixtureRequest, kind: str) -> None:
    """Run each command without a supervisor, so that it does all the work itself."""
    seed = seed_of(request)
    source = random.Random(seed)
    commands = list(ASKING if kind == "asks" else CHANGING)
    for words in commands if is_long(request) else source.sample(commands, QUICK_COMMANDS):
        places, right = traced(filled_home, words)
        for fault in sample(source, places, 0 if is_long(request) else QUICK_FAULTS):
            with a_copy_of(filled_home) as copy:
                answer = run_with(copy, words, fault.strace())
                is_as_ever = kind == "asks" and not reports_full_disk(answer, fault)
                complaint = complaint_about(without_lines_about(fault, answer), right if is_as_ever else None)
                assert complaint is None, f"seed {seed}: {words}: {fault}: {complaint}"
                assert kind == "asks" or sound_after(copy, answer, words), f"seed {seed}: {words}: {fault}"


def traced(queuectl: CommandLine, words: Sequence[str]) -> tuple[list[Place], str]:
    """Return where the command can fail, and its answer when it does not."""
    with a_copy_of(queuectl) as copy:
        trace = os.path.join(os.path.dirname(copy.home), "trace")
        right = run_with(copy, words, tracing(trace))
        assert right is not None and right.status == 0, right
        return places_in(trace), right.out


def sound_after(queuectl: CommandLine, answer: Answer | None, words: Sequence[str]) -> bool:
    """Assert that the home answers, and that acknowledged jobs are stored."""
    jobs = {job["id"] for job in queuectl.json("list", "--limit", "0")}
    is_there = "new" in jobs or answer is None or answer.status != 0 or words[0] != "enqueue"
    return is_there and {"done"} <= jobs and queuectl("doctor").status == 0


# A supervisor and its workers


class SupervisorLife:
    """The life of one supervisor, with all kinds of work and a stop at the end; `faults` lists what
    went wrong.
    """

    def __init__(self, folder: str, like: CommandLine) -> None:
        self.queuectl = CommandLine(os.path.join(folder, "home"))
        self.queuectl.environ["PYTHONPYCACHEPREFIX"] = like.environ["PYTHONPYCACHEPREFIX"]
        self.queuectl.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        self.oracle = Oracle(folder)
        self.log = os.path.join(folder, "log")
        self.acknowledged: set[str] = set()
        self.faults: list[str] = []

    def lead(self, strace: Sequence[str], victim: str) -> None:
        """Run the supervisor and its work, and trace the calls of the `victim`: "supervisor" or
        "worker".
        """
        words = [self.queuectl.python, SCRIPT, "worker", "start", "--foreground", "--count", "2"]
        command = words if victim == "worker" else [*strace, *words]
        with open(self.log, "wb") as log:
            quiet = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            process = subprocess.Popen(command, env=self.queuectl.environ, **quiet)
        socket = os.path.join(self.queuectl.home, "control.sock")
        until(lambda: process.poll() is not None or os.path.exists(socket), lambda: "a start or a death")
        if victim == "worker":
            with attached(strace, self.queuectl.json("status")["workers"][0]["pid"]):
                self._work()
        else:
            self._work()
        self._ask("stop", lambda queue: queue.stop())
        try:
            until(lambda: process.poll() is not None, lambda: "the end")
        except AssertionError:
            self.faults.append(f"it did not stop: {states_of(self.queuectl.home)}")
            process.kill()
            process.wait()

    def _work(self) -> None:
        command = self.oracle.command
        for n in range(4):
            self._enqueue([{"id": f"n{n}", "command": command()}])
        more = [{"id": f"m{n}", "command": command("sleep 0.05" if n % 5 == 0 else "true")} for n in range(20)]
        self._enqueue(more)
        self._enqueue([{"id": "later", "command": command(), "delay": 0.5}])
        self._enqueue([{"id": "slow", "command": command("sleep 0.3")}])
        self._ask("status", lambda queue: queue.status())
        self._ask("configure", lambda queue: queue.configure("max-retries", 4))
        self._ask("scale", lambda queue: queue.scale(3))
        self._ask("wait", lambda queue: queue.wait(["m3", "n2", "m19"], timeout_s=5))
        self._ask("scale", lambda queue: queue.scale(1))

    def _enqueue(self, specs: list[dict[str, object]]) -> None:
        ids = self._ask("enqueue", lambda queue: queue.enqueue_many(specs, "/"))
        self.acknowledged.update(ids or ())

    def _ask(self, what: str, question: Callable[[Queue], Any]) -> Any:
        started_s = time.monotonic()
        try:
            with Queue(self.queuectl.home) as queue:
                queue.deadline_s = HUNG_S / 2
                return question(queue)
        except QueueError as refusal:
            if time.monotonic() - started_s >= HUNG_S / 2:
                self.faults.append(f"{what} hung: {refusal}")
        return None

    def judge(self, victim: str) -> list[str]:
        """Return the faults after a second life without failing calls, in which every job finishes.

        A job whose worker died may run again.
        """
        self.queuectl("worker", "start", "--count", "2")
        try:
            until(self._is_finished, lambda: f"all jobs to finish: {self.queuectl('list')}", deadline_s=30)
        except AssertionError as stuck:
            self.faults.append(str(stuck))
        self.queuectl("worker", "stop", "--now")
        states = {job["id"]: job["state"] for job in self.queuectl.json("list", "--limit", "0")}
        verdict = self.oracle.judge(self.acknowledged, states)
        if victim == "worker":
            verdict = verdict._replace(interrupted=[], reruns=0)
        self.faults += [str(verdict)] if verdict != CLEAN else []
        self.faults += [f"{id} is {state}" for id, state in states.items() if state != "completed"]
        self.faults += [f"left behind: {pid}" for pid in processes_of(self.queuectl.home)]
        with open(self.log, errors="replace") as log:
            output = log.read()
        # The interpreter prints this when it cannot write to that pipe.
        output = re.sub(r"Exception ignored when trying to write to the signal wakeup fd:\n(?s:.*?)\n[A-Z]\w+Error.*\n", "", output)
        self.faults += [output] if "Traceback" in output else []
        return self.faults

    def _is_finished(self) -> bool:
        counts = self.queuectl.counts()
        return sum(counts.values()) == counts["completed"] + counts["dead"]


def states_of(home: str) -> list[str]:
    """Return what each process of a home is doing, by /proc."""
    states = []
    for pid in processes_of(home):
        with open(f"/proc/{pid}/status") as status, open(f"/proc/{pid}/cmdline") as words:
            fields = dict(line.split(":\t", 1) for line in status.read().splitlines() if ":\t" in line)
            states.append(f"{pid} {words.read()[:100]!r} {fields['State']} traced by {fields['TracerPid']}")
    return states


@contextmanager
def attached(strace: Sequence[str], pid: int) -> Iterator[None]:
    tracer = subprocess.Popen([*strace, "-p", str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: tracer.poll() is not None or tracer_of(pid) == tracer.pid, lambda: "strace to attach")
        yield
    finally:
        tracer.terminate()
        tracer.wait()


def tracer_of(pid: int) -> int:
    with open(f"/proc/{pid}/status") as file:
        return int(next(line for line in file if line.startswith("TracerPid:")).split()[1])


def faults_of_supervisor(queuectl: CommandLine, strace: Sequence[str], victim: str) -> list[str]:
    with short_folder() as folder:
        life = SupervisorLife(folder, queuectl)
        try:
            life.lead(strace, victim)
            return life.judge(victim)
        except subprocess.TimeoutExpired as hung:
            return [*life.faults, str(hung)]
        finally:
            for pid in processes_of(life.queuectl.home):
                os.kill(pid, 9)


@pytest.mark.parametrize("victim", ["supervisor", "worker"])
def test_a_supervisor_survives_each_failing_call(
    queuectl: CommandLine, request: pytest.FixtureRequest, victim: str
) -> None:
    queuectl.keep_bytecode()
    trace = os.path.join(os.path.dirname(queuectl.home), "trace")
    assert faults_of_supervisor(queuectl, tracing(trace), victim) == []
    seed = seed_of(request)
    places = places_in(trace, is_begun=victim == "worker")
    for fault in sample(random.Random(seed), places, LONG_LIVES if is_long(request) else QUICK_LIVES):
        found = faults_of_supervisor(queuectl, fault.strace(), victim)
        assert found == [], f"seed {seed}: {fault}: {found}"


def test_strace_really_fails_a_call(queuectl: CommandLine) -> None:
    """Otherwise these tests would prove nothing."""
    queuectl.keep_bytecode()
    trace = os.path.join(os.path.dirname(queuectl.home), "trace")
    run_with(queuectl, ["enqueue", "--id", "a", "--command", "true"], tracing(trace))
    synced = next(place for place in places_in(trace) if place.call == "fdatasync" and "journal" in place.seen)
    answer = run_with(queuectl, ["enqueue", "--id", "b", "--command", "true"], Fault(synced, "EIO").strace())
    assert answer is not None and answer.status == 1 and "Input/output error" in answer.err


def test_a_read_that_the_system_puts_off_is_an_error(filled_home: CommandLine) -> None:
    """Return EAGAIN for a file on a disk, which makes Python return None instead of bytes."""
    for words, folder in ((["events", "--since", "0"], "journal"), (["logs", "done"], "logs")):
        places = traced(filled_home, words)[0]
        read = next(place for place in places if place.call == "read" and f"/{folder}/" in place.seen)
        answer = run_with(filled_home, words, Fault(read, "EAGAIN").strace())
        assert answer is not None and (answer.status, answer.out) == (1, "")
        assert answer.err.endswith(": Resource temporarily unavailable\n") and answer.err.count("\n") == 1


def test_an_unforeseen_error_is_one_line(filled_home: CommandLine) -> None:
    with a_copy_of(filled_home) as copy, short_folder() as folder:
        with open(os.path.join(folder, "sitecustomize.py"), "w") as file:
            file.write("import zlib\nzlib.crc32 = None\n")
        copy.environ["PYTHONPATH"] = folder
        answer = copy("events", "--since", "0")
    assert answer.status == 70
    assert answer.err.startswith("queuectl: this is a bug in queuectl: TypeError: ") and "journal_format.py:" in answer.err
    assert answer.err.count("\n") == 1


def test_a_worker_that_cannot_continue_logs_one_line(queuectl: CommandLine) -> None:
    queuectl.keep_bytecode()
    queuectl.ok("worker", "start")
    pid = queuectl.json("status")["workers"][0]["pid"]
    log = os.path.join(queuectl.home, "supervisor.log")
    with attached(Fault(Place("poll", 1, ""), "EIO").strace(ever_after=True), pid):
        queuectl.ok("enqueue", "--id", "a", "--backoff-base", "0.1", "--command", "true")
        queuectl.until_state("a", "completed")
    with open(log) as file:
        output = file.read()
    assert output.count("cannot continue: Input/output error\n") == 1 and "Traceback" not in output


def test_a_failing_worker_queue_ends_the_supervisor_but_no_run(queuectl: CommandLine) -> None:
    """The supervisor must not wait for the end of a living worker."""
    queuectl.keep_bytecode()
    queuectl.ok("worker", "start")
    pid = queuectl.supervisor_pid()
    with attached(Fault(Place("read", 1, ""), "EIO").strace(), pid):
        queuectl.ok("enqueue", "--id", "a", "--max-retries", "0", "--command", "true")
        until(lambda: not is_alive(pid), lambda: "the supervisor to end")
    queuectl.ok("worker", "start")
    assert len(queuectl.until_state("a", "completed")["history"]) == 1
    with open(os.path.join(queuectl.home, "supervisor.log")) as file:
        assert file.read().count("the queue of a worker failed (Input/output error)\n") == 1


@pytest.mark.parametrize(("fault", "output"), [(MemoryError(), "not enough memory"), (KeyError("x"), "'x'")])
def test_unforeseen_errors_have_a_message(fault: Exception, output: str) -> None:
    assert output in str(unforeseen(fault))


def test_a_lock_whose_time_cannot_be_set_is_released(filled_home: CommandLine) -> None:
    """Otherwise the next request of the same command would wait for its own lock."""
    words = ["why", "waits"]
    places, right = traced(filled_home, words)
    mark = next(place for place in places if place.call == "utimensat")
    answer = run_with(filled_home, words, Fault(mark, "EACCES").strace())
    assert answer is not None and (answer.status, answer.out) == (0, right)


def test_a_failure_after_the_answer_is_a_notice(filled_home: CommandLine) -> None:
    """The cleanup of run/ comes after the work, so the answer stands."""
    with a_copy_of(filled_home) as copy:
        words = ["enqueue", "--id", "new", "--command", "true"]
        listing = [place for place in traced(filled_home, words)[0] if place.call == "getdents64" and "/run>" in place.seen]
        answer = run_with(copy, words, Fault(listing[0], "EIO").strace())
        assert answer is not None and (answer.status, answer.out) == (0, "new\n")
        assert answer.err.endswith("/run: Input/output error\n") and answer.err.count("\n") == 1


def test_a_signal_whose_byte_cannot_be_written_is_not_lost(queuectl: CommandLine) -> None:
    """A pipe tells a worker that its command ended, and Linux may have no memory for the byte."""
    queuectl.keep_bytecode()
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "a", "--command", "sleep 1")
    queuectl.until_state("a", "processing")
    pid = queuectl.worker_running("a")
    assert pid is not None
    with attached(Fault(Place("write", 1, ""), "ENOMEM").strace(), pid):
        queuectl.until_state("a", "completed")


def test_an_incomplete_pipe_is_replaced(queuectl: CommandLine) -> None:
    """A pipe whose read end still blocks would hang its worker at the end of the job."""
    queuectl.keep_bytecode()
    queuectl.ok("worker", "start")
    pid = queuectl.json("status")["workers"][0]["pid"]
    with attached(Fault(Place("ioctl", 1, ""), "EMFILE").strace(), pid):
        queuectl.ok("enqueue", "--id", "a", "--command", "true")
        queuectl.until_state("a", "completed")
    queuectl.ok("worker", "stop")
