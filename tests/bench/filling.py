"""Filling: homes with a history, made in seconds.

The finished jobs go through the engine, journal and store of queuectl in this process, but no
command runs. Does not know the purpose of the homes.
"""

from __future__ import annotations

import os
import time

from queuectl_core.home import Home
from queuectl_core.model.attempt import AttemptResult
from queuectl_core.model.commands import Dispatch, Enqueue, Finish
from queuectl_core.service.ledger import Ledger
from queuectl_core.system import lockfile

BATCH = 1000


def add_finished(path: str, completed: int, dead: int) -> None:
    """Add completed and dead jobs to a home in which no job runs or waits."""
    home = Home(path)
    home.prepare()
    lock = lockfile.acquire(home.lock)
    assert lock is not None, f"{path} is in use"
    ledger = Ledger(home)
    try:
        for count, exit_code in ((dead, 1), (completed, 0)):
            for begin in range(0, count, BATCH):
                _finish(ledger, min(BATCH, count - begin), exit_code)
        ledger.checkpoint()
    finally:
        ledger.close()
        os.close(lock)


def _finish(ledger: Ledger, count: int, exit_code: int) -> None:
    now_ms = int(time.time() * 1000)
    ledger.decide(Enqueue([{"command": "true", "max_retries": 0}] * count, "/"), now_ms)
    ledger.write()
    for _ in range(count):
        job = ledger.decide(Dispatch("w1-000000"), now_ms)
        ending = AttemptResult("exit", exit_code, None, now_ms + 1, 1, "w1-000000.0001.log")
        ledger.decide(Finish(job.id, job.running()["run"], ending), now_ms + 1)
    ledger.write()
    while ledger.maintain():
        pass
