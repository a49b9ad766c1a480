"""Orphans: runs in the journal whose worker does not belong to this process, or has died.

For every job that the journal shows as processing, the worker is in one of three cases:
  (a) It is alive, which its lock shows, and works on this run: wait for it.
  (b) It has left the result in run/: harvest that.
      If the result file does not name the run, the run never began.
  (c) It died and left nothing: it is lost. End the rest of its run; the attempt fails.
      If the worker never started anything, the run is released instead.

Knows the run/ folder and processes. Does not know what becomes of the jobs; the engine decides that.

Invariant: the files of a worker stay until their events are synced and no run of that worker is open.
"""

from __future__ import annotations

import os
import signal

from .. import home_files
from ..home import Home
from ..light_types import NamedTuple
from ..model import commands
from ..model.attempt import AttemptResult
from ..model.job import PROCESSING, Job
from ..storage import output_log
from ..system import file_io, lockfile, proc_stat, process_tree
from ..system.clock import now_ms
from ..table.job_table import JobTable
from ..worker import messages

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..model.records import Attempt

LOST = "its worker was lost"


class OpenRun(NamedTuple):
    """A run that has started but not ended, according to the journal."""

    instance: str
    job_id: str
    run: int
    attempt: int
    since_ms: int
    slots: int


def find(table: JobTable) -> list[OpenRun]:
    """Return every open run."""
    jobs = [table.get(id) for _, id in table.scan(PROCESSING, table.counts[PROCESSING])]
    return [open_run(job) for job in jobs if job is not None]


def open_run(job: Job) -> OpenRun:
    """Return the open run of a job that is processing."""
    attempt = job.running()
    slots = int(str(job.options.get("slots", 1)))
    ids = attempt["worker"], job.id, attempt["run"], attempt["attempt"], attempt["started_ms"]
    return OpenRun(*ids, slots)


def is_under_way(home: Home, run: OpenRun) -> bool:
    """Return whether the worker of a run lives and has not reported that it ended or never began."""
    if not is_alive(home, run.instance):
        return False
    report = messages.read_report(home, run.instance)
    return report is None or report.result_of(run.job_id, run.run) is None


def has_reported(home: Home, instance: str) -> bool:
    """Return whether a worker has noticed that its supervisor is gone, and has left its results."""
    return any(map(os.path.lexists, (home.outcome(instance), home.damaged_outcome(instance))))


def conclude(home: Home, job: Job, find_orphans: Callable[[], list[int]]) -> commands.Command | None:
    """Return the command that ends a run in the engine, or None while its processes live.

    The run must not be under way. `find_orphans` returns the children of this process that may belong to
    a lost run.
    """
    run = open_run(job)
    report = messages.read_report(home, run.instance)
    result = None if report is None else report.result_of(job.id, run.run)
    if result is not None:
        return result.to_command()
    if not process_tree.end_tree_of(home.mark(run.instance), home.tree_lock(run.instance), find_orphans):
        return None
    if not os.path.exists(home.tree_lock(run.instance)):  # a worker makes it when it starts its first command
        return commands.Release(job.id, run.run, "its worker died before it began", False)
    return commands.Finish(job.id, run.run, lost(home, job.running(), _why_lost(home, run.instance)))


def damage_message(command: commands.Command) -> str | None:
    """Return a sentence for people if the result file of a lost worker is damaged, or else None."""
    if type(command) is commands.Finish and command.ending.outcome == "worker-lost" and command.ending.detail != LOST:
        return f"{command.id}: {command.ending.detail}"
    return None


def kill_run(home: Home, run: OpenRun) -> None:
    """End the current run of a worker that has no supervisor. The worker then gives the job back.

    Such a worker takes SIGTERM as this order.
    """
    pid = pid_of(home, run.instance)
    if pid and is_alive(home, run.instance):
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass


def lost(home: Home, attempt: Attempt, why: str = LOST) -> AttemptResult:
    """Return the ending of an attempt whose worker has died."""
    ended_ms = now_ms()
    duration_ms = max(0, ended_ms - attempt["started_ms"])
    file, offset = attempt.get("log_file"), attempt.get("log_offset", 0)
    printed = 0 if file is None else output_log.size_from(home.logs, file, offset)
    return AttemptResult("worker-lost", None, None, ended_ms, duration_ms, file, offset, printed, detail=why)


def _why_lost(home: Home, instance: str) -> str:
    path = home.damaged_outcome(instance)
    if os.path.lexists(path):
        return f"its worker was lost and its result is damaged (set aside as run/{os.path.basename(path)})"
    return LOST


def is_inside_a_run() -> bool:
    """Return whether this process belongs to a run of a living worker, of any home."""
    above = proc_stat.ancestors()
    for mark in process_tree.marks_of(above):
        worker, _, home_path = mark.partition(":")
        try:
            if pid_of(Home(home_path), worker) in above:
                return True
        except (OSError, ValueError):  # somebody else has set a mark that is not valid
            pass
    return False


def sweep(home: Home, kept: Iterable[str]) -> None:
    """Remove the files of all dead workers, except those in `kept`, which have an open run."""
    spared = set(kept)
    for name in filter(home_files.is_worker_file, os.listdir(home.run)):
        instance = name.partition(".")[0]
        if instance not in spared and not is_alive(home, instance):
            forget(home, instance)


def forget(home: Home, instance: str) -> None:
    """Remove the files of a dead worker from run/.

    Call this only after the events that its results led to are synced.
    """
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
    """Return whether the worker with this name is alive."""
    return lockfile.is_held(home.worker_lock(instance))


def pid_of(home: Home, instance: str) -> int:
    """Return the PID in a worker's lock file, or 0 if the file has no valid one."""
    try:
        with open(home.worker_lock(instance), opener=file_io.open_owned) as file:
            written = file.readline().strip()
    except (OSError, UnicodeDecodeError):
        return 0
    pid = int(written) if written.isascii() and written.isdigit() and len(written) < 10 else 0
    return pid if pid > 1 else 0
