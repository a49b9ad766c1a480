"""Supervisor: the process that owns the state of a home, and its loop.

    socket ──requests──┐                        ┌──runs──► dispatch queues ► workers
    result queues ─────┼─► decide ─► write ─────┤
    deaths, due times ─┘   (engine)  (journal)  └─► sync ─► replies ► socket

All events of one turn share one frame, and one sync if a reply waits for them.
Runs leave before the sync, replies after it.
When nothing is ready or due, the loop sleeps and does not poll.
Knows how the parts fit together. Does not know what becomes of jobs (the engine) or files (the ledger).

Invariant: any failure of the journal ends the process with `os._exit`, and nothing more is acknowledged.
Recovery is the only error path.
"""

from __future__ import annotations

import math
import os
import resource
import selectors
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

from .. import timestamps
from ..errors import Busy, HomeGone, InvalidInput, QueueError, SupervisorFailed, in_words
from ..escapes import visible
from ..home import Home
from ..model import commands, events
from ..model.job import Job
from ..model.job_spec import shortened
from ..model.settings import MAX_WORKERS
from ..service import clock_anchor, handlers, orphans
from ..service.ledger import Ledger
from ..service.orphans import OpenRun
from ..storage.reserve import told
from ..system import pidfile, process_tree
from ..system.clock import JumpWatch, now_ms
from ..system.descriptors import signal_reader
from ..wire.server import Connection, Request, Server
from ..worker import messages, worker
from .home_watch import Presence
from .orphan_tracker import Strays
from .retention import Retention
from .sessions import Sessions
from .worker_pool import Member, Pool, StartDelay

SYNC_WITHIN_S = 1.0
"""The longest time in seconds before written events are synced if no reply waits for them."""

LOOK_S = 0.1
"""Seconds between two checks of what nothing signals.

Nothing signals the end of a lost run's processes, of an adopted worker without a pidfd, or of a
shortage of descriptors.
"""

ROOM_LOOK_S = 1.0
"""Seconds between two checks whether a full disk has room again."""

MAX_SLEEP_S = 86400.0
"""The longest sleep in seconds. A selector accepts at most 24 days."""

KILL_WITHIN_S = 5.0
"""Seconds after which the supervisor kills a worker that does not do what it must.

If the worker must end its run, the time begins after the grace period.
If the worker is idle and must end, the time begins at once.
"""

NAP_S = 0.005
"""Seconds for which results gather before one turn takes them together (interrupt coalescing).

The loop does this only while all workers have runs waiting and no client asks.
"""

MAX_FILES = 16384


class Supervisor:
    """The supervisor of one home. Create it while you hold the writer lock, and call `run`."""

    def __init__(self, home: Home, lock: int, count: int, umask: int) -> None:
        """Recover the home, start `count` workers, and open the socket. `lock` holds the writer lock.

        Raises: QueueError, OSError.
        """
        self._home = home
        self._presence = Presence(home.lock, lock)
        self._is_gone = False
        self._wanted = count
        self._selector = selectors.DefaultSelector()
        self._wake = signal_reader((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD))
        self._selector.register(self._wake, selectors.EVENT_READ, self._take_signals)
        self._clients = selectors.DefaultSelector()
        """The clients' sockets alone. They end a nap."""
        self._selector.register(self._clients, selectors.EVENT_READ, self._hear_clients)
        self._stop_asked = 0
        self._culprit: str | None = None
        """The job that asked for the stop. Its attempt counts, or it would stop every new supervisor."""
        self._stopping = False
        self._killing = False
        self._leaving = False
        self._kill_workers_at_s = math.inf
        self._nothing_at_ms = 0
        """The time of the last dispatch that found no job. Jobs due by then wait for something else."""
        self._said_short = False
        self._held_until_s = 0.0
        self._sync_at_s: float | None = None
        self._more_to_tend = True
        self._start_delay = StartDelay()
        self._clock = JumpWatch()
        self._started_ms = self._clock.now_ms()
        if not process_tree.can_find_processes():
            why = "/proc is not mounted; mount it so that the processes of jobs can be found"
            raise SupervisorFailed(why=why)
        process_tree.reap_all_but(frozenset())  # no signal reports children that ended before
        foreign = frozenset(process_tree.orphans())
        process_tree.become_subreaper()
        self._pool = Pool(home, umask, _allow_many_files())
        for _ in range(count):
            self._start_worker()
        self._ledger = Ledger(home)
        if self._ledger.torn is not None:
            say(self._ledger.torn.told())
        jump_ms = clock_anchor.follow(home, self._ledger.engine, self._ledger.decide, self._clock.now_ms())
        if jump_ms < 0:
            say(f"the clock is {-jump_ms / 1000:g} s behind the last supervisor's; waits continue from there")
        elif jump_ms:
            say(f"the clock jumped {jump_ms / 1000:g} s; waits keep their length")
        self._strays = Strays(
            home, self._ledger.table, self._selector, lambda: process_tree.orphans(self._pool.pids() | foreign)
        )
        self._retention = Retention(home, self._ledger, lambda: {*self._pool.members, *self._strays.instances()})
        self._adopt()
        own = {"status": self._status, "scale": self._scale_workers, "stop": self._stop}
        self._sessions = Sessions(self._ledger, own, _places_to_wait(), self._clock.now_ms)
        self._server = Server(
            home.socket, self._clients, self._hear, self._sessions.end, self._sessions.turn_away
        )
        pidfile.write(home.pid_file)

    def run(self) -> None:
        """Run the loop until a stop is complete.

        Runs of lost workers are left to the next supervisor, because the processes that they
        started may still live.
        After StorageFailed, everything acknowledged is on the disk. HomeGone means that the
        home is gone from its path.

        Raises: StorageFailed, HomeGone.
        """
        while not self._is_over():
            if self._pool.is_flowing() and not self._stopping and not self._server.has_next():
                self._clients.select(NAP_S)
            self._turn(self._selector.select(self._timeout_s()))
        self._ledger.write()
        if self._is_gone:  # the path may lead to another home; the journal of this one has everything
            self._ledger.sync()
            raise HomeGone(path=self._home.path)
        self._ledger.checkpoint()
        self._server.close()
        self._ledger.close()
        pidfile.remove(self._home.pid_file)

    def _is_over(self) -> bool:
        """Return whether the loop must end.

        It does not wait for adopted runs of a home that is gone, because nobody can find out whether they live.
        """
        return self._leaving or (
            self._stopping and not self._pool.members and (self._is_gone or not self._strays.adopted)
        )

    def stop_at_end_of(self, descriptor: int) -> None:
        """Stop when the other end of this pipe is closed. Ignore its data."""

        def look(mask: int) -> None:
            if not os.read(descriptor, 4096):
                self._selector.unregister(descriptor)
                self._stop_asked = max(1, self._stop_asked)

        try:
            self._selector.register(descriptor, selectors.EVENT_READ, look)
        except PermissionError:  # a file or /dev/null, which is always at its end
            self._stop_asked = 1

    # The turn

    def _hear(self, connection: Connection, request: Request) -> None:
        if self._is_gone and request.get("verb") != "stop":
            self._sessions.refuse(connection, request, HomeGone(path=self._home.path))
        else:
            self._sessions.take(connection, request)

    def _look_for_home(self) -> None:
        """Begin to stop if the home is gone, so that nothing more is decided for it."""
        if self._is_gone or (self._presence.is_there() and self._ledger.journal.is_there()):
            return
        self._is_gone = True
        self._stop_asked = max(1, self._stop_asked)
        what = f"the journal of {self._home.path} was removed or replaced"
        if not self._presence.is_there():
            what = f"home {self._home.path} was removed or moved"
        say(f"{what}; stopping, running jobs may finish")

    def _hear_clients(self, mask: int) -> None:
        for key, ready in self._clients.select(0):
            key.data(ready)

    def _turn(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        jump_ms = self._clock.jump_ms()
        if jump_ms:
            say(f"the clock jumped {jump_ms / 1000:g} s; waits keep their length")
            self._ledger.decide(commands.ShiftClock(jump_ms), self._clock.now_ms())
            clock_anchor.note(self._home, self._ledger.engine, self._clock.now_ms(), jump_ms)
            self._retention.doubt(jump_ms / 1000)
            self._nothing_at_ms = 0
        for key, mask in ready:
            key.data(mask)
        self._look_for_home()
        self._server.handle_next()
        if not self._is_gone:
            self._look_after_strays()
            self._fill_up()
        if self._server.paused_at_s is not None and time.monotonic() >= self._server.paused_at_s + LOOK_S:
            self._server.resume()
        self._note_stop()
        if not self._ledger.is_short and not self._is_gone:
            self._retention.tend(self._clock.now_ms())
            self._tick()
        decided = self._decide_runs() if self._may_begin() else {}
        happened = self._ledger.write()
        if self._ledger.is_short != self._said_short:
            self._tell_of_room()
        for member, given in decided.items():
            self._send(member, given)
        if happened:
            self._act_upon(happened)
            self._sessions.note(happened)
            self._retention.note(happened)
        self._sync_if_due(bool(happened))
        # A failed `_send` has decided something: write that first, as the store must not get ahead of the journal.
        self._more_to_tend = self._ledger.has_decided() or (not self._is_gone and self._ledger.tend())

    def _timeout_s(self) -> float | None:  # noqa: C901  # one condition for each part that can be due
        """Return the seconds until something is due, or None to sleep until something is ready."""
        if self._more_to_tend or self._sessions.owe() or self._server.has_next():
            return 0
        due = [] if self._is_gone else [self._presence.due_in_s()]
        if self._server.paused_at_s is not None:
            due.append(LOOK_S)
        if self._sync_at_s is not None:
            due.append(self._sync_at_s - time.monotonic())
        if self._room() > 0 and not self._stopping and not self._ledger.is_short:
            next_due_ms = self._ledger.engine.next_due_ms(self._clock.now_ms())
            if next_due_ms is not None and next_due_ms > self._nothing_at_ms:
                due.append((next_due_ms - self._clock.now_ms()) / 1000)
        tick_ms = None if self._stopping or self._ledger.is_short else self._ledger.engine.schedules.next_ms()
        if tick_ms is not None:
            due.append((tick_ms - self._clock.now_ms()) / 1000)
        if self._strays.must_look_again() and not self._is_gone:
            due.append(LOOK_S)
        if self._pool.staying() + self._strays.workers() < self._wanted and not self._stopping:
            due.append(self._start_delay.left_s())
        if self._ledger.is_short or time.monotonic() < self._held_until_s:
            due.append(ROOM_LOOK_S)
        retention_in_s = None if self._ledger.is_short else self._retention.due_in_s()
        if retention_in_s is not None:
            due.append(retention_in_s)
        if self._killing:
            due.append(self._kill_workers_at_s - time.monotonic())
        if self._pool.leaving:
            due.append(self._pool.overdue_in_s(KILL_WITHIN_S))
        return max(0.0, min(*due, MAX_SLEEP_S)) if due else None

    def _tick(self) -> None:
        """Let the schedules that are due add their jobs."""
        due_ms = self._ledger.engine.schedules.next_ms()
        if due_ms is not None and due_ms <= self._clock.now_ms() and not self._stopping:
            self._ledger.decide(commands.FireSchedules(), self._clock.now_ms())

    def _may_begin(self) -> bool:
        """Return whether new runs may begin. On a full disk, their ends could not be recorded."""
        if self._stopping or self._leaving or time.monotonic() < self._held_until_s:
            return False
        return self._ledger.has_room()

    def _tell_of_room(self) -> None:
        self._said_short = self._ledger.is_short
        lack = self._ledger.shortage()
        say("the disk has room again; starting jobs" if lack is None else told(self._home.path, lack))

    def _hold_back(self) -> None:
        """Begin nothing for a while, because a worker has found the disk full.

        A check of the disk by this process may say otherwise.
        """
        self._ledger.note_full_disk()
        self._held_until_s = time.monotonic() + ROOM_LOOK_S

    def _decide_runs(self) -> dict[Member, list[messages.Run]]:
        """Decide on the next runs of the workers that have room."""
        decided: dict[Member, list[messages.Run]] = {}
        at_ms = self._clock.now_ms()
        settings = self._ledger.engine.settings
        max_output, grace_s = settings.usable("max-output"), float(settings.usable("grace"))
        room, workers = self._room(), self._pool.staying() + self._strays.workers()
        for member in self._pool.with_room():
            if not member.runs and room <= 0:
                continue
            dispatch = commands.Dispatch(member.instance, 1 if member.runs else room, workers)
            job: Job | None = self._ledger.decide(dispatch, at_ms)
            if job is None:
                self._nothing_at_ms = at_ms
                break
            run = self._run_for(job, max_output, grace_s)
            room -= 0 if member.runs else run.slots
            self._pool.promise(member, run)
            decided.setdefault(member, []).append(run)
        return decided

    def _room(self) -> int:
        """Return how many workers may begin a run; adopted runs keep the places that they took."""
        return self._pool.room() - self._strays.places()

    def _run_for(self, job: Job, max_output: int, grace_s: float) -> messages.Run:
        run = messages.Run(job.id, job.running()["run"], job.attempts, job.command, job.cwd, max_output, grace_s)
        if not job.options:
            return run
        given: Mapping[str, object] = job.options
        options: Any = {name: given[name] for name in messages.EXECUTION if name in given}
        return run._replace(grace_s=job.options.get("grace", grace_s), options=options or None)

    def _send(self, member: Member, given: list[messages.Run]) -> None:
        if not self._pool.send(member, given):
            for run in given:
                self._settle(messages.Result(run.job_id, run.run, None, "its worker died before it began", begun=False))

    def _act_upon(self, happened: list[events.Event]) -> None:
        """End, stop, or continue runs as the events say."""
        for event in happened:
            if isinstance(event, events.CancelRequested):
                if not self._pool.kill_run_of(event.id, "canceled", event.signal):
                    self._strays.end(event.id)
            elif isinstance(event, events.Suspended):
                if not self._pool.signal_run_of(event.id, signal.SIGSTOP):  # its worker takes no orders
                    self._ledger.decide(commands.Continue([event.id], skip_ineligible=True), self._clock.now_ms())
            elif isinstance(event, events.Continued):
                self._pool.signal_run_of(event.id, signal.SIGCONT)

    def _sync_if_due(self, wrote: bool) -> None:
        """Sync if something waits for that, and send the replies only after the sync."""
        is_time = self._sync_at_s is not None and time.monotonic() >= self._sync_at_s
        if self._sessions.owe() or (self._strays.has_harvested() and not self._is_gone) or is_time:
            self._ledger.sync()
            self._sync_at_s = None
            if not self._is_gone:
                self._strays.forget_harvested()
            self._sessions.send()
        elif wrote and self._sync_at_s is None:
            self._sync_at_s = time.monotonic() + SYNC_WITHIN_S

    # Workers

    def _start_worker(self) -> None:
        member = self._pool.start_one()
        self._selector.register(member.results._reader, selectors.EVENT_READ, lambda mask: self._take_messages(member))

    def _take_messages(self, member: Member) -> None:
        """Take all messages of a worker that have arrived."""
        self._take_message(member)
        while member.instance in self._pool.members and member.has_message():
            self._take_message(member)

    def _take_message(self, member: Member) -> None:
        message = self._pool.take_message(member)
        if message is None:
            self._bury(member)
        elif isinstance(message, messages.OutputLocation):
            self._ledger.decide(commands.Locate(*message), self._clock.now_ms())
        else:
            self._settle(message)

    def _settle(self, result: messages.Result) -> None:
        if result.full:
            self._hold_back()
        self._ledger.decide(result.to_command(), self._clock.now_ms())

    def _bury(self, member: Member) -> None:
        """Clean up after a worker that has ended, as ordered or not."""
        self._selector.unregister(member.results._reader)
        pid = member.pid
        self._pool.forget(member)
        for run in member.runs[1:]:
            reason = "its worker died before it began"
            self._settle(messages.Result(run.job_id, run.run, None, reason, begun=False))
        for run in member.runs[:1]:
            say(f"worker {member.instance} (pid {pid}) died while running {run.job_id}")
            self._strays.lose(self._ledger.table.existing(run.job_id))
        if not member.runs:
            self._strays.harvest(member.instance)
        if not member.draining:
            self._start_delay.note_death(member.age_s(), member.finished)

    def _fill_up(self) -> None:
        """Start workers until there are as many as wanted, including adopted ones.

        Workers that die early are replaced only after a delay.
        """
        while not self._stopping and self._pool.staying() + self._strays.workers() < self._wanted:
            if not self._start_delay.is_over():
                return
            try:
                self._start_worker()
            except (OSError, QueueError) as fault:
                delay_s = self._start_delay.note_death(0.0, 0)
                say(f"cannot start a worker ({in_words(fault)}); retrying in {delay_s:g} s")

    def _scale(self, count: int) -> None:
        if not 0 <= count <= MAX_WORKERS:
            raise InvalidInput(what=f"the number of workers must be from 0 to {MAX_WORKERS}, not {shortened(count)}")
        if self._stopping:
            raise Busy(what="the supervisor is stopping")
        self._wanted = count
        self._fill_up()
        self._pool.shrink(max(0, count - self._strays.workers()))

    # Runs of an earlier supervisor, and those of dead workers

    def _adopt(self) -> None:
        for run in self._strays.find():
            say(f"adopted {run.job_id}, still running on worker {run.instance}")
            if self._ledger.table.existing(run.job_id).cancel is not None:
                self._strays.end(run.job_id)
            # A worker continues a suspended run when it notices that its supervisor is gone.
            self._ledger.decide(commands.Continue([run.job_id], skip_ineligible=True), self._clock.now_ms())
        orphans.sweep(self._home, {*self._pool.members, *self._strays.instances()})
        self._look_after_strays()
        self._pool.shrink(max(0, self._wanted - self._strays.workers()))

    def _look_after_strays(self) -> None:
        for command in self._strays.look():
            self._ledger.decide(command, self._clock.now_ms())
            damage = orphans.told_of_damage(command)
            if damage is not None:
                say(damage)

    # Requests that the supervisor answers itself

    def _status(self, request: Request) -> Request:
        reply = handlers.answer(self._ledger, request, self._clock.now_ms())
        supervisor = {
            "pid": os.getpid(),
            "state": "stopping" if self._stopping else "running",
            "started_at": timestamps.utc(self._started_ms),
            "workers_wanted": self._wanted,
        }
        members = sorted(self._pool.members.values(), key=lambda member: member.slot)
        workers = [self._record_of(run, "adopted") for run in self._strays.adopted.values()]
        workers += [self._record_of(run, "lost") for run in self._strays.lost.values()]
        workers += [member.record() for member in members]
        return {**reply, "supervisor": supervisor, "workers": workers}

    def _record_of(self, run: OpenRun, state: str) -> Request:
        return {
            "worker": run.instance,
            "pid": orphans.pid_of(self._home, run.instance),
            "state": state,
            "job": run.job_id,
            "attempt": run.attempt,
            "since": timestamps.utc(run.since_ms),
        }

    def _scale_workers(self, request: Request) -> Request:
        count, before = request.get("count"), self._wanted
        if isinstance(count, bool) or not isinstance(count, int):
            raise InvalidInput(what="the number of workers must be a whole number")
        self._scale(before + count if request.get("add") is True else count)
        return {"before": before, "workers": self._wanted}

    # Stopping

    def _take_signals(self, mask: int) -> None:
        received = os.read(self._wake, 4096)
        if signal.SIGCHLD in received:  # it also wakes the loop for processes of lost runs
            process_tree.reap_all_but(self._pool.pids())
        self._stop_asked += sum(number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) for number in received)

    def _stop(self, request: Request) -> Request:
        if request.get("leave") is True:
            self._leaving = True
            say("leaving; workers finish their jobs, and the next supervisor takes the results")
        else:
            self._stop_asked = max(self._stop_asked, 2 if request.get("now") is True else 1)
            self._culprit = str(request["job"]) if request.get("job") else self._culprit
        return {"pid": os.getpid(), "workers": self._wanted}

    def _note_stop(self) -> None:
        """Act on requests to stop. The first lets running jobs finish, the second ends them."""
        if self._stop_asked and not self._stopping:
            self._stopping = True
            say("stopping; running jobs may finish")
            for member in list(self._pool.members.values()):
                self._pool.drain(member)
        if self._stop_asked >= 2 and not self._killing:
            self._killing = True
            say("stopping now; running jobs are ended and become pending")
            for member in self._pool.busy():
                self._pool.kill_runs(member, worker.STOPPED_BY_HAND, self._culprit)
            self._strays.end_all()
            grace_s = float(self._ledger.engine.settings.usable("grace"))
            self._kill_workers_at_s = time.monotonic() + grace_s + KILL_WITHIN_S
        if self._killing and time.monotonic() >= self._kill_workers_at_s:
            self._kill_workers_at_s = math.inf
            for pid in [member.pid for member in self._pool.busy()] + self._strays.living_pids():
                _kill_worker(pid, "does not end its run")
        if self._pool.leaving:
            for member in self._pool.take_overdue(KILL_WITHIN_S):
                _kill_worker(member.pid, "is idle but does not end")


def _kill_worker(pid: int, why: str) -> None:
    say(f"killing the worker with pid {pid}, which {why}")
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:  # it ended just now
        pass


def say(text: str) -> None:
    """Print a line to standard error, which is the supervisor's log or its terminal."""
    try:
        print(f"{timestamps.utc(now_ms())} {visible(text)}", file=sys.stderr, flush=True)
    except OSError:  # a full disk, a closed terminal: no reason to end
        pass


def _allow_many_files() -> int:
    """Raise the limit of descriptors, because each worker and each client needs some.

    Return the old limit, which workers and commands use.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, MAX_FILES) if hard != resource.RLIM_INFINITY else MAX_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):  # macOS has a lower limit of its own
            pass
    return soft


def _places_to_wait() -> int:
    """Return how many clients may wait for jobs. They use at most half of the descriptors."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (MAX_FILES if soft == resource.RLIM_INFINITY else min(soft, MAX_FILES)) // 2
