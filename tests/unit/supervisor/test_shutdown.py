"""Shutdown: each request raises the level of the stop, and workers that do not end are killed."""

from __future__ import annotations

import math
import os
import signal
import time
from types import SimpleNamespace
from typing import Any

import pytest

from queuectl_core.supervisor.shutdown import Shutdown, StopLevel
from queuectl_core.worker.messages import STOPPED_BY_HAND, Kill


class Worker:
    """A worker without a process, which records its orders."""

    def __init__(self, *job_ids: str) -> None:
        self.pid = 2**31 - 1
        self.kill_at_s = math.inf
        self.runs = [SimpleNamespace(job_id=id, run=number) for number, id in enumerate(job_ids)]
        self.orders: list[object] = []

    def drain(self) -> None:
        self.orders.append(None)

    def put(self, order: object) -> None:
        self.orders.append(order)


class Workers:
    """A fake that is both the pool and the orphans of a supervisor."""

    def __init__(self, *workers: Worker) -> None:
        self.workers = {str(number): worker for number, worker in enumerate(workers)}
        self.draining: dict[Worker, None] = {}
        self.adopted = {"adopted": None}
        self.ended: list[str] = []

    def busy(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if worker.runs]

    def drain(self) -> None:
        for worker in self.workers.values():
            worker.drain()
            self.draining[worker] = None

    def end_run(self, job_id: str) -> None:
        self.ended.append(job_id)

    def living_pids(self) -> list[int]:
        return []


def shutdown_of(*workers: Worker) -> tuple[Shutdown, Workers]:
    everybody: Any = Workers(*workers)
    settings: Any = SimpleNamespace(usable=lambda key: 5)
    return Shutdown(everybody, everybody, settings), everybody


def test_nothing_happens_before_a_request() -> None:
    worker = Worker("a")
    shutdown, _ = shutdown_of(worker)
    shutdown.run_due()
    assert shutdown.level == StopLevel.RUN and worker.orders == []
    assert shutdown.next_deadline() == math.inf and not shutdown.is_complete(is_home_gone=False)


def test_first_signal_lets_jobs_finish_and_the_second_ends_them() -> None:
    worker = Worker("a", "b")
    shutdown, everybody = shutdown_of(worker)
    shutdown.ask_by_signal()
    shutdown.run_due()
    assert shutdown.level == StopLevel.FINISH_JOBS and worker.orders == [None] and not everybody.ended
    shutdown.ask_by_signal()
    shutdown.run_due()
    assert shutdown.level == StopLevel.END_JOBS and everybody.ended == ["adopted"]
    assert worker.orders[1:] == [Kill(1, STOPPED_BY_HAND), Kill(0, STOPPED_BY_HAND)]
    assert time.monotonic() < shutdown.next_deadline() < math.inf


def test_attempt_of_the_job_that_stops_its_supervisor_counts() -> None:
    worker = Worker("a")
    shutdown, _ = shutdown_of(worker)
    shutdown.ask(StopLevel.END_JOBS, "a")
    shutdown.run_due()
    assert worker.orders == [None, Kill(0, None)]


def test_jobs_left_to_the_next_supervisor_get_no_order() -> None:
    worker = Worker("a")
    shutdown, _ = shutdown_of(worker)
    shutdown.ask(StopLevel.LEAVE_JOBS)
    shutdown.ask(StopLevel.FINISH_JOBS)
    shutdown.run_due()
    assert worker.orders == [] and shutdown.is_complete(is_home_gone=False)


def test_stop_is_complete_without_workers() -> None:
    shutdown, everybody = shutdown_of(Worker())
    shutdown.ask(StopLevel.FINISH_JOBS)
    shutdown.run_due()
    assert not shutdown.is_complete(is_home_gone=True)
    everybody.workers.clear()
    assert not shutdown.is_complete(is_home_gone=False)
    assert shutdown.is_complete(is_home_gone=True)
    everybody.adopted.clear()
    assert shutdown.is_complete(is_home_gone=False)


def test_worker_that_does_not_end_is_killed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append((pid, number)))
    worker = Worker()
    shutdown, everybody = shutdown_of(worker)
    everybody.drain()
    worker.kill_at_s = time.monotonic()
    assert shutdown.next_deadline() == worker.kill_at_s
    shutdown.run_due()
    shutdown.run_due()
    assert killed == [(worker.pid, signal.SIGKILL)]
