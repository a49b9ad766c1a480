"""Storms over loads: supervisors and clients are killed while files of many jobs are enqueued, several at once.

Each file must be there completely or not at all, and as its client said. The seed is in every failure.
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

from queuectl_core.transport import PART_JOBS
from tests.faults.test_storm import LONG_S, seed_of
from tests.homes import CommandLine, until

JOBS = 2 * PART_JOBS + 7
CLIENTS = 3
QUICK_S = 3.0


class LoadStorm:
    """Clients that each enqueue one file after the other, and what they said of each."""

    def __init__(self, queuectl: CommandLine, seed: int) -> None:
        self.queuectl = queuectl
        self.source = random.Random(seed)
        self.said: dict[str, tuple[int, str]] = {}
        """For each file, the exit status of its client and what it printed."""
        self.clients: dict[int, subprocess.Popen[bytes]] = {}
        self.is_over = threading.Event()

    def rage(self, seconds: float) -> None:
        threads = [threading.Thread(target=self._enqueue, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._kill(self.source.choice([*self.clients.values(), None]))
            self.queuectl("worker", "start")
            self.is_over.wait(self.source.uniform(0.0, 0.5))
        self.is_over.set()
        for thread in threads:
            thread.join()

    def faults(self) -> list[str]:
        """Return each file that is there in part, or otherwise than its client said."""
        jobs = [json.loads(line)["id"] for line in self.queuectl.ok("export").splitlines()]
        found, there = [], Counter(id.rpartition("-")[0] for id in jobs)
        for name, (status, text) in self.said.items():
            was_refused = "nothing was enqueued" in text
            if status == 0 and text.split() != [f"{name}-{n}" for n in range(JOBS)]:
                found.append(f"{name} printed other IDs")
            right = {0: {JOBS}, 75: {0} if was_refused else {0, JOBS}, -signal.SIGKILL: {0, JOBS}}
            if there[name] not in right.get(status, set()):
                found.append(f"{name} has {there[name]} jobs, and its client ended with {status}: {text[-200:]}")
        return found

    def _enqueue(self, number: int) -> None:
        n = 0
        while not self.is_over.is_set():
            name, n = f"c{number}-{n}", n + 1
            path = os.path.join(os.path.dirname(self.queuectl.home), name)
            with open(path, "w") as file:
                file.writelines(json.dumps({"id": f"{name}-{n}", "command": "true"}) + "\n" for n in range(JOBS))
            words = ("enqueue", "--file", path)
            client = self.queuectl.popen(*words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.clients[number] = client
            text = client.communicate(timeout=60)[0].decode()
            self.said[name] = client.returncode, text

    def _kill(self, client: subprocess.Popen[bytes] | None) -> None:
        """Kill this client, or the supervisor if it is None."""
        if client is not None:
            client.kill()
            return
        try:
            os.kill(self.queuectl.supervisor_pid(), signal.SIGKILL)
        except (OSError, ValueError):  # none runs
            pass


def load_storm(queuectl: CommandLine, seed: int, seconds: float) -> None:
    queuectl.keep_bytecode()
    queuectl.ok("pause")
    storm = LoadStorm(queuectl, seed)
    storm.rage(seconds)
    until(lambda: queuectl("worker", "stop").status in (0, 3), lambda: "the supervisor to stop")
    print(f"seed {seed}: {Counter(status for status, _ in storm.said.values())} by exit status")
    assert storm.faults() == [], f"seed {seed}"
    assert queuectl("doctor").status == 0, f"seed {seed}"


def test_a_file_of_jobs_is_there_completely_or_not_at_all_whatever_is_killed(
    queuectl: CommandLine, request: pytest.FixtureRequest
) -> None:
    load_storm(queuectl, seed_of(request), QUICK_S)


@pytest.mark.long
@pytest.mark.timeout(LONG_S + 600)
def test_a_long_storm_over_loads(queuectl: CommandLine, request: pytest.FixtureRequest) -> None:
    load_storm(queuectl, seed_of(request), LONG_S)
