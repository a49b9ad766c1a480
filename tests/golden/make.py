#!/usr/bin/env python3
"""Make a golden home: have one version of queuectl fill a home, kill it during work, and pack the rest.

    python3 tests/golden/make.py QUEUECTL.PY BACKEND OUT.tar.gz

Run it with the version whose format you want to keep, before you change the format. The home has a job in each state,
a queue with rules, a schedule, settings, and output. Part of it is in the store and the rest only in the journal.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from typing import Any

LEFT_OUT = ("supervisor.log", "supervisor.pid", "control.sock", "reserve")


class Filling:
    def __init__(self, script: str, backend: str, home: str) -> None:
        self._script = script
        self._home = home
        self._environ = {**os.environ, "QUEUECTL_HOME": home, "QUEUECTL_STORE": backend}

    def __call__(self, *words: str) -> str:
        command = [sys.executable, self._script, *words]
        return subprocess.run(command, env=self._environ, cwd="/", check=True, stdout=subprocess.PIPE, text=True).stdout

    def fill(self) -> None:
        self("config", "set", "max-retries", "2")
        self("queue", "set", "mail", "--create", "--limit", "3")
        self("enqueue", "--id", "done", "--tag", "kind=report", "--", "echo", "the output of done")
        self("enqueue", "--id", "dead", "--max-retries", "0", "--", "exit 7")
        self("enqueue", "--id", "failed", "--backoff-base", "3600", "--", "false")
        self("worker", "start", "--count", "1")
        self._until(lambda: [self._state(id) for id in ("done", "dead", "failed")] == ["completed", "dead", "failed"])
        self("worker", "stop")
        self("enqueue", "--id", "long", "--", "[ $QUEUECTL_ATTEMPT = 2 ] || exec sleep 3600")
        self("worker", "start", "--count", "1")
        self._until(lambda: self._state("long") == "processing")
        self("enqueue", "--id", "later", "--queue", "mail", "--priority", "4", "--delay", "3600d", "--", "echo", "mailed")
        self("enqueue", "--id", "after", "--after", "later", "--", "echo", "ä€")
        self("schedule", "add", "nightly", "0 3 * * *", "--", "echo", "night")
        self("enqueue", "--id", "waits", "--", "echo", "waited")
        self._kill()

    def _kill(self) -> None:
        """Kill the supervisor while the worker is stopped, so that the worker reports no result."""
        status = json.loads(self("status", "--json"))
        workers = [worker["pid"] for worker in status["workers"]]
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        for pid in (status["supervisor"]["pid"], *workers):
            os.kill(pid, signal.SIGKILL)

    def _state(self, id: str) -> Any:
        return json.loads(self("show", id, "--json"))["state"]

    def _until(self, look: Any) -> None:
        end_s = time.monotonic() + 30
        while not look():
            if time.monotonic() > end_s:
                raise SystemExit("the home does not get as far as it should")
            time.sleep(0.05)

    def pack(self, target: str) -> None:
        with tarfile.open(target, "w:gz") as tar:
            tar.add(self._home, "home", filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> Any:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    kept = member.isfile() or member.isdir()
    return member if kept and os.path.basename(member.name) not in LEFT_OUT else None


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        filling = Filling(os.path.abspath(sys.argv[1]), sys.argv[2], os.path.join(folder, "home"))
        try:
            filling.fill()
            filling.pack(sys.argv[3])
        finally:  # the next command on the home ends the leftover processes of the job
            filling("worker", "start")
            filling("worker", "stop", "--now")
