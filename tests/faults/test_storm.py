"""Kill storms: supervisor, workers, jobs and commands are killed at random while eight clients
enqueue.

The quick ones take seconds; those with --long take ten minutes each (or $QUEUECTL_STORM_S). Each
failure names the seed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter

import pytest

from queuectl_core.api import Queue
from queuectl_core.model.overview_records import COUNTERS
from tests.faults.oracle import CLEAN, Oracle, needs_flock
from tests.homes import CommandLine, is_alive, processes_of, until

pytestmark = [needs_flock, pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc to choose victims")]

CLIENTS = 8
QUICK_S = 8.0
LONG_S = float(os.environ.get("QUEUECTL_STORM_S", "600"))


class Storm:
    """One storm; `victims` names what it kills: supervisor, worker, job, client."""

    def __init__(self, queuectl: CommandLine, seed: int, victims: tuple[str, ...]) -> None:
        self.queuectl = queuectl
        self.source = random.Random(seed)
        self.victims = victims
        self.oracle = Oracle(os.path.dirname(queuectl.home))
        self.acknowledged: set[str] = set()
        self.kills = dict.fromkeys(victims, 0)
        self.clients: dict[int, subprocess.Popen[bytes]] = {}
        self.is_over = threading.Event()

    def run(self, seconds: float) -> None:
        threads = [threading.Thread(target=self._enqueue, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._keep_running()
            time.sleep(self.source.uniform(0.02, 0.2))
            self._kill(self.source.choice(self.victims))
        self.is_over.set()
        for thread in threads:
            thread.join()

    def settle(self) -> dict[str, str]:
        """Let all jobs finish, and return the state of each."""
        self._keep_running()
        until(
            lambda: (counts := self.queuectl.counts())["pending"] + counts["processing"] + counts["failed"] == 0,
            lambda: f"all jobs to finish: {self.queuectl('status')}",
            deadline_s=120,
        )
        self.queuectl.ok("worker", "stop")
        return {job["id"]: job["state"] for job in self.queuectl.json("list", "--limit", "0")}

    def _enqueue(self, number: int) -> None:
        n = 0
        while not self.is_over.is_set():
            id, n = f"c{number}-{n}", n + 1
            words = ["enqueue", "--id", id, "--max-retries", "1000", "--backoff-base", "0.1"]
            words += ["--command", self.oracle.command("sleep 0.02")]
            client = self.queuectl.popen(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.clients[number] = client
            if client.wait(timeout=60) == 0:
                self.acknowledged.add(id)

    def _keep_running(self) -> None:
        if self._supervisor() is None:
            self.queuectl("worker", "start", "--count", "3")

    def _supervisor(self) -> int | None:
        try:
            pid = self.queuectl.supervisor_pid()
        except (FileNotFoundError, ValueError):
            return None
        return pid if is_alive(pid) else None

    def _kill(self, what: str) -> None:
        supervisor = self._supervisor()
        if what == "client":
            pids = [client.pid for client in list(self.clients.values()) if client.poll() is None]
        elif what == "supervisor":
            pids = [supervisor] if supervisor else []
        else:
            pids = self._family(supervisor, what)
        if pids:
            try:
                os.kill(self.source.choice(pids), signal.SIGKILL)
                self.kills[what] += 1
            except ProcessLookupError:
                pass

    def _family(self, supervisor: int | None, what: str) -> list[int]:
        """Return the PIDs of the workers or of the jobs.

        Workers have the command line of the supervisor; jobs are the other processes with the home
        in their environment.
        """
        found = []
        for pid in processes_of(self.queuectl.home):
            try:
                with open(f"/proc/{pid}/cmdline") as file:
                    line = file.read()
                with open(f"/proc/{pid}/environ") as file:
                    is_job = "QUEUECTL_WORKER=" in file.read()
            except OSError:
                continue
            is_worker = not is_job and "\0start\0" in line and pid != supervisor
            if (is_worker and what == "worker") or (is_job and what == "job"):
                found.append(pid)
        return found


def seed_of(request: pytest.FixtureRequest) -> int:
    seed = request.config.getoption("--seed")
    return random.randrange(10**9) if seed is None else seed


def storm(queuectl: CommandLine, seed: int, seconds: float, *victims: str) -> tuple[Storm, dict[str, str]]:
    storm_run = Storm(queuectl, seed, victims)
    storm_run.run(seconds)
    states = storm_run.settle()
    assert seconds < 60 or all(storm_run.kills.values()), f"seed {seed}: killed {storm_run.kills}"
    if seconds < 60:  # a long storm has more events than a home keeps
        assert_counters_agree_with_events(queuectl, seed)
    print(f"seed {seed}: {len(storm_run.acknowledged)} acknowledged, {len(states)} jobs, killed {storm_run.kills}")
    return storm_run, states


OUTCOMES = {"exit": "failed", "spawn-failed": "failed", "signal": "signaled", "worker-lost": "lost"}


def assert_counters_agree_with_events(queuectl: CommandLine, seed: int) -> None:
    """Assert that the counters are those that the events of the home give."""
    counted, duration_ms, attempts = Counter[str](), 0, 0
    for line in queuectl.ok("events", "--since", "0").splitlines():
        event = json.loads(line)
        counted["enqueued"] += event["event"] == "enqueued"
        counted["completed"] += event["event"] == "succeeded"
        counted["dead"] += event["event"] == "died"
        ending = event.get("ending")
        if ending is not None:
            outcome = OUTCOMES[ending["outcome"]]
            counted[{"succeeded": "succeeded", "released": "released"}.get(event["event"], outcome)] += 1
            counted["cpu_ms"] += ending["cpu_ms"] or 0
            duration_ms, attempts = duration_ms + ending["duration_ms"], attempts + 1
    metrics = Queue(queuectl.home).metrics()["queues"]["default"]
    assert metrics["counters"] == {**dict.fromkeys(COUNTERS, 0), **counted}, f"seed {seed}"
    assert (metrics["duration"][0], sum(metrics["duration"][1:])) == (duration_ms, attempts), f"seed {seed}"
    ends = counted["completed"] + counted["dead"]
    assert sum(metrics["turnaround"][1:]) == ends, f"seed {seed}"


def assert_nothing_lost_or_interrupted(queuectl: CommandLine, seed: int, seconds: float) -> None:
    storm_run, states = storm(queuectl, seed, seconds, "supervisor", "client")
    assert storm_run.oracle.judge(storm_run.acknowledged, states) == CLEAN, f"seed {seed}"
    assert set(states.values()) == {"completed"}


def assert_nothing_lost_or_doubled(queuectl: CommandLine, seed: int, seconds: float) -> None:
    storm_run, states = storm(queuectl, seed, seconds, "supervisor", "client", "worker", "job")
    verdict = storm_run.oracle.judge(storm_run.acknowledged, states)
    assert (verdict.lost, verdict.doubled, verdict.stuck) == ([], [], []), f"seed {seed}"
    for id in (id for id, state in states.items() if state == "dead"):
        assert queuectl.job(id)["reason"] == "its worker was lost 3 times", f"seed {seed}: {id}"


def test_the_oracle_finds_a_doubled_and_a_killed_job(queuectl: CommandLine) -> None:
    """Otherwise these tests would prove nothing."""
    oracle = Oracle(os.path.dirname(queuectl.home))
    env = {**os.environ, "QUEUECTL_JOB_ID": "x"}
    first = subprocess.Popen(["sh", "-c", oracle.command("sleep 5")], env=env, start_new_session=True)
    until(lambda: "begin x" in open(oracle.trace).read(), lambda: "the first to start")
    subprocess.run(["sh", "-c", oracle.command()], env=env, check=True)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    verdict = oracle.judge({"x", "y"}, {"x": "completed", "z": "failed"})
    assert verdict == (["x", "y"], ["x"], ["z"], ["x"], 0)


def test_killed_supervisors_and_clients_lose_and_interrupt_nothing(
    queuectl: CommandLine, request: pytest.FixtureRequest
) -> None:
    assert_nothing_lost_or_interrupted(queuectl, seed_of(request), QUICK_S)


def test_kills_of_everything_lose_and_double_nothing(
    queuectl: CommandLine, request: pytest.FixtureRequest
) -> None:
    assert_nothing_lost_or_doubled(queuectl, seed_of(request), QUICK_S)


@pytest.mark.long
@pytest.mark.timeout(LONG_S + 600)
def test_a_long_storm_of_supervisors_and_clients(queuectl: CommandLine, request: pytest.FixtureRequest) -> None:
    assert_nothing_lost_or_interrupted(queuectl, seed_of(request), LONG_S)


@pytest.mark.long
@pytest.mark.timeout(LONG_S + 600)
def test_a_long_storm_of_everything(queuectl: CommandLine, request: pytest.FixtureRequest) -> None:
    assert_nothing_lost_or_doubled(queuectl, seed_of(request), LONG_S)
