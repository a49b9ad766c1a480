"""Supervisor: the one process that owns a home's state, and its loop.

    socket ──requests──┐                        ┌──runs──► dispatch queues ► workers
    result queues ─────┼─► decide ─► write ─────┤
    deaths, due times ─┘   (engine)  (journal)  └─► sync ─► replies ► socket

Whatever is ready in one turn shares one frame, and one sync if a reply waits for it. Runs leave before the sync,
replies after it. When nothing is ready and nothing is due, the loop sleeps: it polls nothing.
Knows how the parts hang together; what becomes of jobs is the engine's affair, what is on the disk the ledger's.
The trap: any failure of the journal ends the process with nothing acknowledged (`os._exit`); recovery is the only
error path.
"""

from __future__ import annotations

import os
import resource
import selectors
import signal
import sys
import time
from collections.abc import Callable
from typing import Optional

from . import adoption, commands, events, pidfile, pool, process_tree, protocol, timestamps, verbs, worker
from .adoption import Adopted
from .clock import Clock
from .errors import Busy, InvalidInput, QueueError, UnknownJob
from .home import Home
from .job import FINAL_STATES, Job, check_id
from .ledger import Ledger
from .pool import Member, Pool, StartDelay
from .server import Connection, Request, Server

SYNC_WITHIN_S = 1.0
"""What no reply waits for is synced at the latest so long after it was written."""

LOOK_S = 0.1
"""How often it is looked whether what was left of a lost run has died; and after adopted workers, without a pidfd."""

NAP_S = 0.001
"""While all workers have runs at hand, results gather for so long before a turn takes them together (interrupt
coalescing).
"""

MAX_FILES = 16384
MAX_STAGED_JOBS = 5_000_000


class Supervisor:
    """Made while the writer lock is held; `run` returns when it has stopped."""

    def __init__(self, home: Home, count: int, umask: int) -> None:
        """Recovers, starts `count` workers and opens the socket. Raises QueueError, or OSError."""
        self._home = home
        self._wanted = count
        self._selector = selectors.DefaultSelector()
        self._wake = _catch_signals()
        self._selector.register(self._wake, selectors.EVENT_READ, self._take_signals)
        self._stop_asked = 0
        self._stopping = False
        self._killing = False
        self._leaving = False
        self._replies: list[tuple[Callable[..., None], object]] = []
        self._waits: dict[str, list[_Wait]] = {}
        self._harvested: list[str] = []
        self._sync_at_s: Optional[float] = None
        self._more_to_tend = True
        self._adopted: dict[str, Adopted] = {}
        self._lost: dict[str, Adopted] = {}
        self._look_at_adopted = False
        self._start_delay = StartDelay()
        self._clock = Clock()
        self._started_ms = _now_ms()
        process_tree.become_subreaper()
        self._pool = Pool(home, umask, _allow_many_files())
        for _ in range(count):
            self._start_worker()
        self._ledger = Ledger(home)
        if self._ledger.torn is not None:
            torn = self._ledger.torn
            say(f"a torn tail of {torn.bytes} bytes, never acknowledged, was set aside as {torn.aside}")
        self._adopt()
        self._server = Server(home.socket, self._selector, self._handle)
        pidfile.write(home.pid_file)

    def run(self) -> None:
        """The loop, until a stop is complete. Raises StorageFailed, with nothing acknowledged that is not on the
        disk.
        """
        while not self._leaving and not (
            self._stopping and not self._pool.members and not self._adopted and not self._lost
        ):
            if self._pool.is_flowing() and not self._stopping:
                time.sleep(NAP_S)
            self._turn(self._selector.select(self._timeout_s()))
        self._ledger.checkpoint()
        self._server.close()
        self._ledger.close()
        pidfile.remove(self._home.pid_file)

    def stop_at_end_of(self, descriptor: int) -> None:
        """Whoever holds the other end of this pipe keeps us running; what it writes is ignored."""

        def look(mask: int) -> None:
            if not os.read(descriptor, 4096):
                self._selector.unregister(descriptor)
                self._stop_asked += 1

        self._selector.register(descriptor, selectors.EVENT_READ, look)

    # The turn

    def _turn(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        jump_ms = self._clock.jump_ms()
        if jump_ms:
            say(f"the clock was set by {jump_ms / 1000:g} s; what waits goes on waiting as long as it had to")
            self._ledger.decide(commands.ShiftClock(jump_ms), _now_ms())
        for key, mask in ready:
            key.data(mask)
        if self._look_at_adopted:
            self._look_after_adopted()
        if self._lost:
            self._look_after_lost()
        self._fill_up()
        if self._server.paused_at_s is not None and time.monotonic() >= self._server.paused_at_s + LOOK_S:
            self._server.resume()
        self._note_stop()
        runs = {} if self._stopping or self._leaving else self._decide_runs()
        happened = self._ledger.write()
        for member, given in runs.items():
            self._send(member, given)
        if happened:
            self._answer_waits(happened)
        self._sync_if_due(bool(happened))
        self._more_to_tend = self._ledger.tend() or self._ledger.has_decided()

    def _timeout_s(self) -> float | None:
        """Until the next thing is due; None: for ever."""
        if self._more_to_tend:
            return 0
        due = []
        if self._server.paused_at_s is not None:
            due.append(LOOK_S)
        if self._sync_at_s is not None:
            due.append(self._sync_at_s - time.monotonic())
        if self._pool.has_idle() and not self._stopping:
            next_due_ms = self._ledger.engine.next_due_ms()
            if next_due_ms is not None:
                due.append((next_due_ms - _now_ms()) / 1000)
        if self._lost or (self._adopted and not hasattr(os, "pidfd_open")):
            due.append(LOOK_S)
        if self._pool.target() + self._adopted_workers() < self._wanted and not self._stopping:
            due.append(self._start_delay.left_s())
        return max(0.0, min(due)) if due else None

    def _decide_runs(self) -> dict[Member, list[worker.Run]]:
        """What the workers that have room do next."""
        runs: dict[Member, list[worker.Run]] = {}
        now_ms = _now_ms()
        for member in self._pool.with_room():
            job = self._ledger.decide(commands.Dispatch(member.instance), now_ms)
            if job is None:
                break
            runs.setdefault(member, []).append(self._run_for(job))
        return runs

    def _run_for(self, job: Job) -> worker.Run:
        settings = self._ledger.engine.settings
        max_output, grace_s = int(settings["max-output"]), float(settings["grace"])
        return worker.Run(job.id, job.attempts, job.command, job.cwd, max_output, grace_s)

    def _send(self, member: Member, runs: list[worker.Run]) -> None:
        if not self._pool.send(member, runs):
            for run in runs:
                self._settle(
                    member.instance, worker.Result(run.job_id, None, "its worker had died before", begun=False)
                )

    def _sync_if_due(self, wrote: bool) -> None:
        """Replies leave only when what they speak of is on the disk."""
        if self._replies or self._harvested or (self._sync_at_s is not None and time.monotonic() >= self._sync_at_s):
            self._ledger.sync()
            self._sync_at_s = None
            self._forget_harvested()
            replies, self._replies = self._replies, []
            for answer, content in replies:
                answer(content)
        elif wrote and self._sync_at_s is None:
            self._sync_at_s = time.monotonic() + SYNC_WITHIN_S

    # Workers

    def _start_worker(self) -> None:
        member = self._pool.start_one()
        self._selector.register(member.results._reader, selectors.EVENT_READ, lambda mask: self._take_messages(member))

    def _take_messages(self, member: Member) -> None:
        """All that have gathered."""
        self._take_message(member)
        while member.instance in self._pool.members and not member.results.empty():
            self._take_message(member)

    def _take_message(self, member: Member) -> None:
        message = self._pool.take_message(member)
        if message is None:
            self._bury(member)
        elif isinstance(message, worker.Place):
            id, began_ms, log_file, log_offset = message
            self._ledger.decide(commands.Locate(id, member.instance, began_ms, log_file, log_offset), _now_ms())
        else:
            self._settle(member.instance, message)

    def _settle(self, instance: str, result: worker.Result) -> None:
        if result.ending is not None:
            self._ledger.decide(commands.Finish(result.job_id, instance, result.ending), _now_ms())
        else:
            self._ledger.decide(commands.Release(result.job_id, instance, result.reason, result.begun), _now_ms())

    def _bury(self, member: Member) -> None:
        """A worker has ended: as it was told to, or because something killed it."""
        self._selector.unregister(member.results._reader)
        pid = member.pid
        self._pool.forget(member)
        for run in member.runs[1:]:
            self._settle(
                member.instance, worker.Result(run.job_id, None, "its worker died before it began", begun=False)
            )
        for run in member.runs[:1]:
            say(f"worker {member.instance} (pid {pid}) died while it ran {run.job_id}")
            self._lost[run.job_id] = Adopted(member.instance, run.job_id, run.attempt, pid, member.since_ms)
        if not member.runs:
            adoption.forget(self._home, member.instance)
        if not member.draining:
            self._start_delay.note_death(member.age_s(), member.finished)
        self._fill_up()

    def _fill_up(self) -> None:
        """As many workers as are wanted, those adopted counted in. Those that die at once are not replaced at once."""
        while not self._stopping and self._pool.target() + self._adopted_workers() < self._wanted:
            if not self._start_delay.is_over():
                return
            try:
                self._start_worker()
            except (OSError, QueueError) as fault:
                delay_s = self._start_delay.note_death(0.0, 0)
                say(f"cannot start a worker ({fault}); trying again in {delay_s:g} s")

    def _scale(self, count: int) -> None:
        if not 0 <= count <= pool.MAX_WORKERS:
            raise InvalidInput(what=f"the number of workers must be from 0 to {pool.MAX_WORKERS}, not {count}")
        if self._stopping:
            raise Busy(what="the supervisor is stopping")
        self._wanted = count
        self._fill_up()
        self._pool.shrink(max(0, count - self._adopted_workers()))

    # Runs of an earlier supervisor

    def _adopt(self) -> None:
        living, over = adoption.find(self._home, self._ledger.table)
        for run in living:
            say(f"adopted {run.job_id}, which worker {run.instance} (pid {run.pid}) still runs")
            self._adopted[run.job_id] = run
            self._watch(run)
        self._lost.update({run.job_id: run for run in over})
        self._look_after_lost()
        adoption.sweep(
            self._home, {*self._pool.members, *self._harvested, *(run.instance for run in self._lost.values())}
        )
        self._pool.shrink(max(0, self._wanted - self._adopted_workers()))

    def _adopted_workers(self) -> int:
        return len({adopted.instance for adopted in self._adopted.values()})

    def _watch(self, adopted: Adopted) -> None:
        """Waits for the worker's end without polling, where the system can."""
        self._look_at_adopted = True  # it may end before it is held: look once
        if hasattr(os, "pidfd_open"):
            try:
                held = os.pidfd_open(adopted.pid)
            except ProcessLookupError:
                return
            self._selector.register(held, selectors.EVENT_READ, lambda mask: self._end_watch(held))

    def _end_watch(self, held: int) -> None:
        self._selector.unregister(held)
        os.close(held)
        self._look_at_adopted = True

    def _look_after_adopted(self) -> None:
        self._look_at_adopted = not hasattr(os, "pidfd_open") and bool(self._adopted)
        for job_id, run in list(self._adopted.items()):
            if not adoption.is_alive(self._home, run.instance):
                self._lost[job_id] = self._adopted.pop(job_id)
        self._fill_up()

    def _look_after_lost(self) -> None:
        """Runs whose workers are gone: harvests what they left, ends what still lives of them, and tells the engine."""
        for job_id, run in list(self._lost.items()):
            command = adoption.conclude(self._home, self._ledger.table.get(job_id), self._pool.pids())
            if command is not None:
                del self._lost[job_id]
                self._ledger.decide(command, _now_ms())
                self._harvested.append(run.instance)

    def _forget_harvested(self) -> None:
        for instance in self._harvested:
            adoption.forget(self._home, instance)
        self._harvested.clear()

    # Requests

    def _handle(self, connection: Connection, request: Request) -> None:
        try:
            if request.get("v") != protocol.VERSION:
                raise InvalidInput(
                    what=f"the supervisor speaks protocol {protocol.VERSION}, not {str(request.get('v'))[:20]}"
                )
            own = _OWN_VERBS.get(str(request.get("verb")))
            if own is not None:
                own(self, connection, request)
            else:
                self._reply(connection, verbs.answer(self._ledger, request, _now_ms()))
        except QueueError as refusal:
            connection.staged = []
            self._replies.append((connection.refuse, refusal))

    def _reply(self, connection: Connection, fields: Request) -> None:
        self._replies.append((connection.reply, fields))

    def _enqueue(self, connection: Connection, request: Request) -> None:
        """A request too large for one message comes in parts, all but the last marked `more`; it counts as one."""
        jobs = request.get("jobs")
        if connection.staged and isinstance(jobs, list):
            jobs = connection.staged + jobs
        if request.get("more") is True and isinstance(jobs, list):
            if len(jobs) > MAX_STAGED_JOBS:
                raise InvalidInput(what=f"more than {MAX_STAGED_JOBS} jobs at once; enqueue them in several loads")
            connection.staged = jobs
            self._reply(connection, {})
            return
        connection.staged = []
        self._reply(connection, verbs.answer(self._ledger, {**request, "jobs": jobs}, _now_ms()))

    def _status(self, connection: Connection, request: Request) -> None:
        reply = verbs.answer(self._ledger, request, _now_ms())
        supervisor = {
            "pid": os.getpid(),
            "state": "stopping" if self._stopping else "running",
            "started_at": timestamps.utc(self._started_ms),
            "workers_wanted": self._wanted,
        }
        members = sorted(self._pool.members.values(), key=lambda member: member.slot)
        workers = [_adopted_record(run, "adopted") for run in self._adopted.values()]
        workers += [_adopted_record(run, "lost") for run in self._lost.values()]
        workers += [member.record() for member in members]
        self._reply(connection, {**reply, "supervisor": supervisor, "workers": workers})

    def _scale_workers(self, connection: Connection, request: Request) -> None:
        count, before = request.get("count"), self._wanted
        if isinstance(count, bool) or not isinstance(count, int):
            raise InvalidInput(what="the number of workers must be a whole number")
        self._scale(before + count if request.get("add") is True else count)
        self._reply(connection, {"before": before, "workers": self._wanted})

    def _wait_for(self, connection: Connection, request: Request) -> None:
        """The reply comes once all the named jobs are in a final state."""
        ids = request.get("ids")
        if not isinstance(ids, list) or not ids:
            raise InvalidInput(what="name at least one job")
        open_ids = set()
        for id in ids:
            job = self._ledger.table.get(id) if check_id(id) is None else None
            if job is None:
                raise UnknownJob(id=str(id)[:140])
            if job.state not in FINAL_STATES:
                open_ids.add(id)
        wait = _Wait(connection, open_ids)
        for id in open_ids:
            self._waits.setdefault(id, []).append(wait)
        if not open_ids:
            self._reply(connection, {})

    def _answer_waits(self, happened: list[events.Event]) -> None:
        if not self._waits:
            return
        for event in happened:
            if type(event) in (events.Succeeded, events.Died, events.Purged):
                for wait in self._waits.pop(event.id, ()):
                    wait.open_ids.discard(event.id)
                    if not wait.open_ids:
                        self._reply(wait.connection, {})

    # Stopping

    def _take_signals(self, mask: int) -> None:
        received = os.read(self._wake, 4096)  # SIGCHLD only wakes: a lost run's process may be the one that died
        self._stop_asked += sum(number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) for number in received)

    def _stop(self, connection: Connection, request: Request) -> None:
        if request.get("leave") is True:
            self._leaving = True
            say("leaving: workers finish what they run, for the next supervisor")
        else:
            self._stop_asked += 2 if request.get("now") is True else 1
        self._reply(connection, {"pid": os.getpid(), "workers": self._wanted})

    def _note_stop(self) -> None:
        """The first request lets running jobs finish, the second ends them."""
        if self._stop_asked and not self._stopping:
            self._stopping = True
            say("stopping: running jobs may finish")
            for member in list(self._pool.members.values()):
                self._pool.drain(member)
        if self._stop_asked >= 2 and not self._killing:
            self._killing = True
            say("stopping now: running jobs are ended and go back to pending")
            for member in self._pool.busy():
                self._pool.kill_runs(member, worker.STOPPED_BY_HAND)
            for adopted in self._adopted.values():
                adoption.kill_run(self._home, adopted)


class _Wait:
    """A client that waits for jobs to end."""

    def __init__(self, connection: Connection, open_ids: set[str]) -> None:
        self.connection = connection
        self.open_ids = open_ids


_OWN_VERBS: dict[str, Callable[[Supervisor, Connection, Request], None]] = {
    "enqueue": Supervisor._enqueue,
    "status": Supervisor._status,
    "scale": Supervisor._scale_workers,
    "wait": Supervisor._wait_for,
    "stop": Supervisor._stop,
}


def say(text: str) -> None:
    """A line for the supervisor's log, or its terminal."""
    print(f"{timestamps.utc(_now_ms())} {text}", file=sys.stderr, flush=True)


def _adopted_record(adopted: Adopted, state: str) -> Request:
    return {
        "worker": adopted.instance,
        "pid": adopted.pid,
        "state": state,
        "job": adopted.job_id,
        "attempt": adopted.attempt,
        "since": timestamps.utc(adopted.since_ms),
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _allow_many_files() -> int:
    """Each worker and each client costs descriptors. Returns the old limit, to which workers and commands go back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, MAX_FILES) if hard != resource.RLIM_INFINITY else MAX_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return soft


def _catch_signals() -> int:
    """A descriptor from which the numbers of the signals received can be read. The handlers themselves do nothing."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    return readable
