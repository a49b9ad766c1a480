"""Adoption: what a supervisor or a command line finds of runs that an earlier supervisor, now dead, has begun.

For every job that the journal says is processing, its worker (a) still lives, which its lock tells: wait for it; or
(b) has left a result in run/: harvest it; or (c) is gone without one: the worker is lost, and what is left of its
run is ended. Knows the run/ folder and processes; what becomes of the jobs is the engine's affair. The trap: the
result file may be removed only after the event that it led to has been synced; until then it is the only copy.
"""

from __future__ import annotations

import os
import signal
import time
from typing import NamedTuple, Optional

from . import commands, lockfile, output, process_tree, worker
from .events import Ending
from .home import Home
from .job import PROCESSING, Job
from .jobtable import JobTable


class Adopted(NamedTuple):
    """A run that this process did not begin, or whose worker is lost."""

    instance: str
    job_id: str
    attempt: int
    pid: int
    since_ms: int


def find(home: Home, table: JobTable) -> tuple[list[Adopted], list[Adopted]]:
    """The runs that are under way: those whose workers still have them, and those that are over."""
    living: list[Adopted] = []
    over: list[Adopted] = []
    for _, id in table.scan(PROCESSING, table.counts[PROCESSING]):
        attempt = table.get(id).running()
        instance, left = attempt["worker"], None
        run = Adopted(instance, id, attempt["attempt"], _pid(home, instance), attempt["started_ms"])
        if is_alive(home, instance):
            left = worker.read_left_result(home, instance, id)
            (living if left is None else over).append(run)
        else:
            over.append(run)
    return living, over


def conclude(home: Home, job: Job, spared: frozenset[int] = frozenset()) -> Optional[commands.Command]:
    """The command that tells the engine how a run that is over has ended; None while processes of it are still alive.

    `spared` are the children of this process that are none of its business.
    """
    attempt = job.running()
    instance = attempt["worker"]
    result = worker.read_left_result(home, instance, job.id)
    if result is not None and result.ending is not None:
        return commands.Finish(job.id, instance, result.ending)
    if result is not None:
        return commands.Release(job.id, instance, result.reason, result.begun)
    if not process_tree.end_tree_of(instance, os.path.join(home.run, f"{instance}.tree"), spared):
        return None
    return commands.Finish(job.id, instance, lost(home, attempt))


def kill_run(home: Home, adopted: Adopted) -> None:
    """Ends what an adopted worker runs. Without a supervisor it takes SIGTERM for such an order, and gives the job
    back.
    """
    if is_alive(home, adopted.instance):
        os.kill(adopted.pid, signal.SIGTERM)


def lost(home: Home, attempt: dict[str, object]) -> Ending:
    """The ending of an attempt whose worker has died under it."""
    now_ms = time.time_ns() // 1_000_000
    duration_ms = max(0, now_ms - attempt["started_ms"])
    file, offset = attempt.get("log_file"), attempt.get("log_offset", 0)
    printed = 0 if file is None else output.size_from(home.logs, file, offset)
    return Ending("worker-lost", None, None, now_ms, duration_ms, file, offset, printed, detail="its worker was lost")


def forget(home: Home, instance: str) -> None:
    """Removes what a worker has left in run/, if it is dead. Only after what it left has been synced elsewhere."""
    if not is_alive(home, instance):
        _remove_traces(home, instance)


def sweep(home: Home, kept: set[str]) -> None:
    """Removes the traces of dead workers that no job needs, such as those that died idle with their supervisor."""
    for name in os.listdir(home.run):
        instance = name.rpartition(".")[0]
        if instance not in kept and not is_alive(home, instance):
            _remove_traces(home, instance)


def is_alive(home: Home, instance: str) -> bool:
    """Whether the worker of this name lives."""
    return lockfile.is_held(_lock_path(home, instance))


def _remove_traces(home: Home, instance: str) -> None:
    """The files in run/ of a worker that is no more. Names are never used twice, so unlinking its locks is safe."""
    for ending in ("lock", "tree", "outcome"):
        try:
            os.unlink(os.path.join(home.run, f"{instance}.{ending}"))
        except FileNotFoundError:
            pass


def _pid(home: Home, instance: str) -> int:
    try:
        with open(_lock_path(home, instance)) as file:
            return int(file.readline() or 0)
    except FileNotFoundError:
        return 0


def _lock_path(home: Home, instance: str) -> str:
    return os.path.join(home.run, f"{instance}.lock")
