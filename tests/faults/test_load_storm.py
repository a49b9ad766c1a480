"""Load storms: supervisors and clients are killed while several files of many jobs are enqueued at
once.

Each file must be stored completely or not at all, as its client reported. Each failure names the
seed.
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
    """Clients that each enqueue one file after another, and their reports."""

    def __init__(self, queuectl: CommandLine, seed: int) -> None:
        self.queuectl = queuectl
        self.source = random.Random(seed)
        self.reports: dict[str, tuple[int, str, str]] = {}
        """The exit status, the output and the messages of the client of each file."""
        self.clients: dict[int, subprocess.Popen[bytes]] = {}
        self.is_finished = threading.Event()

    def run(self, seconds: float) -> None:
        threads = [threading.Thread(target=self._enqueue, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._kill(self.source.choice([*self.clients.values(), None]))
            self.queuectl("worker", "start")
            self.is_finished.wait(self.source.uniform(0.0, 0.5))
        self.is_finished.set()
        for thread in threads:
            thread.join()

    def faults(self) -> list[str]:
        """Return each file that is stored partly, or not as its client reported."""
        jobs = [json.loads(line)["id"] for line in self.queuectl.ok("export").splitlines()]
        found, there = [], Counter(id.rpartition("-")[0] for id in jobs)
        for name, (status, ids, text) in self.reports.items():
            was_refused = "nothing was enqueued" in text
            if status == 0 and ids.split() != [f"{name}-{n}" for n in range(JOBS)]:
                found.append(f"{name} printed other IDs")
            right = {0: {JOBS}, 75: {0} if was_refused else {0, JOBS}, -signal.SIGKILL: {0, JOBS}}
            if there[name] not in right.get(status, set()):
                found.append(f"{name} has {there[name]} jobs, and its client ended with {status}: {text[-200:]}")
        return found

    def _enqueue(self, number: int) -> None:
        n = 0
        while not self.is_finished.is_set():
            name, n = f"c{number}-{n}", n + 1
            path = os.path.join(os.path.dirname(self.queuectl.home), name)
            with open(path, "w") as file:
                file.writelines(json.dumps({"id": f"{name}-{n}", "command": "true"}) + "\n" for n in range(JOBS))
            words = ("enqueue", "--file", path)
            client = self.queuectl.popen(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.clients[number] = client
            ids, text = (part.decode() for part in client.communicate(timeout=60))
            self.reports[name] = client.returncode, ids, text

    def _kill(self, client: subprocess.Popen[bytes] | None) -> None:
        """Kill this client, or the supervisor if it is None."""
        if client is not None:
            client.kill()
            return
        try:
            os.kill(self.queuectl.supervisor_pid(), signal.SIGKILL)
        except (OSError, ValueError):  # no supervisor runs
            pass


def load_storm(queuectl: CommandLine, seed: int, seconds: float) -> None:
    queuectl.keep_bytecode()
    queuectl.ok("pause")
    storm = LoadStorm(queuectl, seed)
    storm.run(seconds)
    until(lambda: queuectl("worker", "stop").status in (0, 3), lambda: "the supervisor to stop")
    print(f"seed {seed}: {Counter(status for status, *_ in storm.reports.values())} by exit status")
    assert storm.faults() == [], f"seed {seed}"
    assert queuectl("doctor").status == 0, f"seed {seed}"


def test_kills_leave_a_file_of_jobs_stored_completely_or_not_at_all(
    queuectl: CommandLine, request: pytest.FixtureRequest
) -> None:
    load_storm(queuectl, seed_of(request), QUICK_S)


@pytest.mark.long
@pytest.mark.timeout(LONG_S + 600)
def test_a_long_load_storm(queuectl: CommandLine, request: pytest.FixtureRequest) -> None:
    load_storm(queuectl, seed_of(request), LONG_S)
