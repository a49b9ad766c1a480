"""Orphans: what a supervisor or a command line finds of runs whose worker it has not, or has no longer.

For every job that the journal says is processing, its worker
  (a) still lives, which its lock tells, and is at this run: wait for it;
  (b) has left the result in run/, or has left word and does not mention the run, which so never began: harvest that;
  (c) is gone without a word: the worker is lost, what is left of its run is ended, and the attempt has failed. Unless
      it never started anything: then the run is given back.

Knows the run/ folder and processes; what becomes of the jobs is the engine's affair. The trap: what a worker has left
may be removed only after the events that it led to have been synced, and when no run of that worker is open any more.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from .. import home_files
from ..home import Home
from ..model import commands
from ..model.events import Ending
from ..model.job import PROCESSING, Job
from ..storage import output_log
from ..system import durable_files, lockfile, process_tree
from ..system.clock import now_ms
from ..table.job_table import JobTable
from ..worker import messages

if TYPE_CHECKING:
    from ..model.records import Attempt

LOST = "its worker was lost"


class OpenRun(NamedTuple):
    """A run that the journal has begun and not ended, of a worker that is not this process's, or not any more."""

    instance: str
    job_id: str
    run: int
    attempt: int
    since_ms: int
    slots: int


def find(table: JobTable) -> list[OpenRun]:
    """Every run that is open."""
    jobs = [table.get(id) for _, id in table.scan(PROCESSING, table.counts[PROCESSING])]
    return [open_run(job) for job in jobs if job is not None]


def open_run(job: Job) -> OpenRun:
    attempt = job.running()
    slots = int(str(job.options.get("slots", 1)))
    ids = attempt["worker"], job.id, attempt["run"], attempt["attempt"], attempt["started_ms"]
    return OpenRun(*ids, slots)


def is_under_way(home: Home, run: OpenRun) -> bool:
    """Whether its worker lives, and has not left word that this run is over or was never begun."""
    if not is_alive(home, run.instance):
        return False
    left = messages.read_left(home, run.instance)
    return left is None or left.result_of(run.job_id, run.run) is None


def has_left_word(home: Home, instance: str) -> bool:
    """Whether this worker has noticed that its supervisor is gone, and said so."""
    return any(map(os.path.lexists, (home.outcome(instance), home.damaged_outcome(instance))))


def conclude(home: Home, job: Job, spared: frozenset[int] | None) -> commands.Command | None:
    """The command that tells the engine how a run that is not under way has ended; None while processes of it live.

    `spared` are the children of this process that have nothing to do with it; None: all of them.
    """
    run = open_run(job)
    left = messages.read_left(home, run.instance)
    result = None if left is None else left.result_of(job.id, run.run)
    if result is not None:
        return command_of(result)
    if not process_tree.end_tree_of(home.mark(run.instance), home.tree_lock(run.instance), spared):
        return None
    if not os.path.exists(home.tree_lock(run.instance)):  # made with the first command that a worker starts
        return commands.Release(job.id, run.run, "its worker died before it began", False)
    return commands.Finish(job.id, run.run, lost(home, job.running(), _why_lost(home, run.instance)))


def command_of(result: messages.Result) -> commands.Command:
    """What tells the engine of it."""
    job_id, run, ending, reason, begun = result[:5]
    if reason is None:
        assert ending is not None  # only a run that is given back may have none
        return commands.Finish(job_id, run, ending)
    return commands.Release(job_id, run, reason, begun, ending)


def told_of_damage(command: commands.Command) -> str | None:
    """For people, when what the worker of a lost run has left is damaged."""
    if type(command) is commands.Finish and command.ending.outcome == "worker-lost" and command.ending.detail != LOST:
        return f"{command.id}: {command.ending.detail}"
    return None


def kill_run(home: Home, run: OpenRun) -> None:
    """Ends what a worker without a supervisor runs: it takes SIGTERM for such an order, and gives the job back."""
    pid = pid_of(home, run.instance)
    if pid and is_alive(home, run.instance):
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass


def lost(home: Home, attempt: Attempt, why: str = LOST) -> Ending:
    """The ending of an attempt whose worker has died under it."""
    ended_ms = now_ms()
    duration_ms = max(0, ended_ms - attempt["started_ms"])
    file, offset = attempt.get("log_file"), attempt.get("log_offset", 0)
    printed = 0 if file is None else output_log.size_from(home.logs, file, offset)
    return Ending("worker-lost", None, None, ended_ms, duration_ms, file, offset, printed, detail=why)


def _why_lost(home: Home, instance: str) -> str:
    path = home.damaged_outcome(instance)
    if os.path.lexists(path):
        return f"its worker was lost and its result is damaged (set aside as run/{os.path.basename(path)})"
    return LOST


def is_inside_a_run() -> bool:
    """Whether this process is part of what a living worker runs, of whatever home."""
    above = process_tree.ancestors()
    for mark in process_tree.marks_of(above):
        worker, _, home_path = mark.partition(":")
        try:
            if pid_of(Home(home_path), worker) in above:
                return True
        except (OSError, ValueError):  # a mark that somebody has made up
            pass
    return False


def sweep(home: Home, kept: Iterable[str]) -> None:
    """Removes the traces of dead workers, but those of which a run is open (`kept`)."""
    spared = set(kept)
    for name in filter(home_files.is_worker_file, os.listdir(home.run)):
        instance = name.partition(".")[0]
        if instance not in spared and not is_alive(home, instance):
            forget(home, instance)


def forget(home: Home, instance: str) -> None:
    """Removes what a dead worker has in run/. Only after what it left has been synced elsewhere."""
    outcome = home.outcome(instance)
    for path in (home.worker_lock(instance), home.tree_lock(instance), outcome, f"{outcome}.new"):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError:
            if not os.path.isdir(path):
                raise


def is_alive(home: Home, instance: str) -> bool:
    """Whether the worker of this name lives."""
    return lockfile.is_held(home.worker_lock(instance))


def pid_of(home: Home, instance: str) -> int:
    """The pid of a worker, as it has written it; 0 when it has not, or what stands there can be no pid of it."""
    try:
        with open(home.worker_lock(instance), opener=durable_files.owned) as file:
            written = file.readline().strip()
    except (OSError, UnicodeDecodeError):
        return 0
    pid = int(written) if written.isascii() and written.isdigit() and len(written) < 10 else 0
    return pid if pid > 1 else 0
