"""kill -9 at every system call: a supervisor or a command dies at its Nth write, sync or rename,
and nothing is lost.

`strace -e inject=CALL:signal=KILL:when=N` kills only the traced process, before its Nth such call
returns. The test first counts these calls. A quick run takes six of them, evenly spread, for each
of four kinds of calls; --long takes up to 150 of every kind.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time

import pytest

from tests.faults.oracle import CLEAN, Oracle, needs_flock
from tests.homes import SCRIPT, CommandLine, processes_of, until

pytestmark = [
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace"),
    needs_flock,
    pytest.mark.timeout(7200),  # many supervisors one after another; each wait has its own deadline
]

CALLS = [
    "write",
    "pwrite64",
    "fdatasync",
    "fsync",
    "rename",
    "openat",
    "unlink",
    "ftruncate",
    "close",
    "sendto",
    "fcntl",
]
QUICK_CALLS = ("write", "fdatasync", "rename", "openat")
QUICK, LONG = 6, 150


def numbers(request: pytest.FixtureRequest, total: int) -> list[int]:
    """Return which of `total` calls to die at, evenly spread, including the first and the last."""
    wanted = min(total, LONG if is_long(request) else QUICK)
    return sorted({1 + round(n * (total - 1) / max(1, wanted - 1)) for n in range(wanted)}) if total else []


def is_long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--long"))


@pytest.fixture(autouse=True)
def quick_calls_unless_long(request: pytest.FixtureRequest) -> None:
    call = request.node.callspec.params["call"] if hasattr(request.node, "callspec") else None
    if call is not None and call not in QUICK_CALLS and not is_long(request):
        pytest.skip("runs only with --long")


def traced(call: str, *more: str) -> list[str]:
    return ["strace", "-qq", "-e", f"trace={call}", *more]


def calls_in(trace: str, call: str) -> int:
    with open(trace) as file:
        return sum(line.startswith(f"{call}(") for line in file)


def killed_at(
    queuectl: CommandLine, call: str, number: int, *words: str
) -> subprocess.CompletedProcess[bytes] | None:
    """Run a command that is killed at its Nth such call; return None if it makes fewer calls."""
    inject = traced(call, "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={number}")
    done = subprocess.run(
        [*inject, queuectl.python, SCRIPT, *words], env=queuectl.environ, capture_output=True, timeout=60
    )
    return done if done.returncode in (-9, 137) else None


@pytest.mark.parametrize("call", CALLS)
def test_enqueue_without_a_supervisor(queuectl: CommandLine, request: pytest.FixtureRequest, call: str) -> None:
    """A job whose ID was printed is stored; another is stored completely or not at all; the home
    still works.
    """
    trace = os.path.join(os.path.dirname(queuectl.home), "strace")
    words = ["enqueue", "--id", "first", "--command", "true"]
    subprocess.run(
        [*traced(call, "-o", trace), queuectl.python, SCRIPT, *words],
        env=queuectl.environ,
        check=True,
        capture_output=True,
    )
    ids = {"first"}
    for number in numbers(request, calls_in(trace, call)):
        done = killed_at(queuectl, call, number, "enqueue", "--id", f"n{number}", "--command", "true")
        ids = {job["id"] for job in queuectl.json("list", "--limit", "0")}
        if done is not None and done.stdout:
            assert f"n{number}" in ids
        queuectl.ok("enqueue", "--id", f"after{number}", "--command", "true")
    assert "first" in ids
    assert queuectl("doctor").status == 0


@pytest.mark.parametrize("call", CALLS)
def test_a_supervisor_at_work(queuectl: CommandLine, request: pytest.FixtureRequest, call: str) -> None:
    """Kill it during start, dispatch, results, requests, checkpoint or stop: the next one
    continues.

    No job is interrupted, runs twice at once, or is lost.
    """
    oracle = Oracle(os.path.dirname(queuectl.home))
    acknowledged: set[str] = set()
    trace = os.path.join(oracle.folder, "strace")
    run_supervisor(queuectl, oracle, acknowledged, "whole", traced(call, "-o", trace))
    for number in numbers(request, calls_in(trace, call)):
        inject = traced(call, "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={number}")
        run_supervisor(queuectl, oracle, acknowledged, f"{call}{number}", inject)
    queuectl.ok("worker", "start", "--count", "2")
    settled(queuectl)
    queuectl.ok("worker", "stop")
    states = {job["id"]: job["state"] for job in queuectl.json("list", "--limit", "0")}
    assert oracle.judge(acknowledged, states) == CLEAN
    assert queuectl("doctor").status == 0


def run_supervisor(queuectl: CommandLine, oracle: Oracle, acknowledged: set[str], name: str, strace: list[str]) -> None:
    """Run the life of one supervisor under strace, with work and a stop at the end."""
    ready, tell = os.pipe()
    words = ["worker", "start", "--foreground", "--count", "2", "--ready-fd", str(tell)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "pass_fds": [tell]}
    process = subprocess.Popen([*strace, queuectl.python, SCRIPT, *words], env=queuectl.environ, **quiet)
    os.close(tell)
    # The socket proves nothing: the killed predecessor left its own.
    until(lambda: select.select([ready], [], [], 0)[0], lambda: "readiness or death")
    os.close(ready)
    for n in range(4):
        id = f"{name}-{n}"
        if queuectl("enqueue", "--id", id, "--command", oracle.command()).status == 0:
            acknowledged.add(id)
    queuectl("worker", "stop")
    until(lambda: process.poll() is not None, lambda: "the supervisor's end")


def settled(queuectl: CommandLine) -> None:
    until(
        lambda: (counts := queuectl.counts())["pending"] + counts["processing"] + counts["failed"] == 0,
        lambda: f"all jobs to finish; {queuectl.json('list', '--limit', '0')}",
    )


@pytest.mark.parametrize("call", ["write", "fdatasync", "fsync", "rename", "openat", "pwrite64"])
def test_a_checkpoint_and_a_rotation(queuectl: CommandLine, request: pytest.FixtureRequest, call: str) -> None:
    """Stop a supervisor with thousands of changed jobs: it flushes and syncs them, and begins a new
    journal.
    """
    lines = "".join(f'{{"id": "n{n}", "command": "true"}}\n' for n in range(600))
    queuectl.ok("enqueue", "--file", "-", stdin=lines.encode())
    before = queuectl.json("list", "--limit", "0")
    trace = os.path.join(os.path.dirname(queuectl.home), "strace")
    whole = os.path.join(os.path.dirname(queuectl.home), "copy")
    shutil.copytree(queuectl.home, whole)
    start_and_stop(queuectl, whole, traced(call, "-o", trace))
    for number in numbers(request, calls_in(trace, call)):
        shutil.rmtree(whole)
        shutil.copytree(queuectl.home, whole)
        start_and_stop(
            queuectl, whole, traced(call, "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={number}")
        )
        assert json.loads(queuectl.ok("list", "--json", "--home", whole)) == before, number


def start_and_stop(queuectl: CommandLine, home: str, strace: list[str]) -> None:
    """Start a supervisor whose standard input has ended, so that it stops at once and starts no
    job.
    """
    words = ["--home", home, "worker", "start", "--foreground", "--until-eof"]
    env = {**queuectl.environ, "QUEUECTL_HOME": queuectl.home}
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*strace, queuectl.python, SCRIPT, *words], env=env, timeout=60, check=False, **quiet)
    until(lambda: not processes_of(queuectl.home), lambda: "its workers to end")


def test_strace_really_kills(queuectl: CommandLine) -> None:
    """Otherwise these tests would prove nothing."""
    started_s = time.monotonic()
    assert killed_at(queuectl, "openat", 3, "status") is not None
    assert killed_at(queuectl, "openat", 100_000, "status") is None
    assert time.monotonic() > started_s
