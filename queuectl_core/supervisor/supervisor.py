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
import time
from collections.abc import Sequence
from typing import Any

from ..errors import Busy, HomeGone, InvalidInput, SupervisorFailed
from ..home import Home
from ..model import commands
from ..model.reasons import shortage_message
from ..model.settings import MAX_WORKERS
from ..model.states import FAILED, PENDING, PROCESSING
from ..model.validators import shortened
from ..service import clock_anchor, orphans
from ..service.ledger import Ledger
from ..system import file_io, pidfile, process_tree
from ..system.clock import JumpWatch
from ..system.descriptors import signal_reader
from ..wire.server import Request, Server
from ..worker.worker import Conditions
from .foreground import Foreground, JobWatch
from .home_watch import HomeWatch
from .log import log
from .orphan_tracker import OrphanTracker
from .reports import Reports
from .retention import Retention
from .sessions import Handler, Sessions
from .shutdown import Shutdown, StopLevel
from .worker_handle import WorkerHandle
from .worker_pool import Pool

SYNC_WITHIN_S = 1.0
"""The longest time in seconds before written events are synced if no reply waits for them."""

CHECK_S = 0.1
"""Seconds between two tries to accept clients, while the system lacks descriptors."""

MAX_SLEEP_S = 86400.0
"""The longest sleep in seconds. A selector accepts at most 24 days."""

COALESCE_S = 0.005
"""Seconds for which results gather before one turn takes them together (interrupt coalescing).

The loop does this only while all workers have runs waiting and no client asks.
"""

MAX_FILES = 16384

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Supervisor:
    """The supervisor of one home. Create it while you hold the writer lock, and call `run`."""

    def __init__(self, home: Home, lock: int, count: int, umask: int, foreground: Foreground) -> None:
        """Recover the home, start `count` workers, and open the socket. `lock` holds the writer lock.

        Raises: QueueError, OSError.
        """
        self._home = home
        self._clock = JumpWatch()
        self._home_watch = HomeWatch(home.lock, lock)
        self._is_gone = False
        self._sync_at_s = math.inf
        self._logged_short = False
        self._has_more_to_do = True
        self._selector = selectors.DefaultSelector()
        self._wake = signal_reader((*_STOP_SIGNALS, signal.SIGCHLD))
        self._selector.register(self._wake, selectors.EVENT_READ, self._take_signals)
        self._clients = selectors.DefaultSelector()
        """The clients' sockets alone. They end the wait for more results."""
        self._selector.register(self._clients, selectors.EVENT_READ, self._serve_clients)
        _become_parent_of_orphans()
        old_max_files, max_files = _allow_many_files()
        echo = foreground.log_format if foreground.log_output else ""
        conditions = Conditions(home, umask, old_max_files, echo)
        # Before the ledger, whose files could take the last descriptors that a start needs.
        workers = [WorkerHandle(slot, conditions) for slot in range(1, count + 1)]
        self._ledger = ledger = Ledger(home)
        self._ends_when_empty = foreground.until_empty
        self._job_watch = JobWatch(foreground, ledger.table) if foreground.needs_events else None
        self.exit_status = 0
        self.next_count: int | None = None
        """The number of workers with which this process starts again, or None if it ends."""
        self._restarts_in_place = foreground.restarts_in_place
        self._follow_last_supervisor()
        self._orphans = OrphanTracker(home, ledger.table, self._decide, self._selector)
        self._pool = Pool(conditions, ledger, self._orphans, self._clock, self._selector)
        for worker in workers:
            self._pool.add(worker)
        ledger.find_prefetched = self._pool.prefetched
        self._orphans.adopt_all()
        orphans.sweep(home, self._writers())
        self._orphans.run_due()
        self._pool.scale(count)
        self._shutdown = Shutdown(self._pool, self._orphans, ledger.engine.settings)
        self._retention = Retention(home, ledger, self._writers, self._clock.now_ms)
        self._reports = reports = Reports(ledger, self._pool, self._shutdown, self._clock.now_ms)
        own: dict[str, Handler] = {"scale": self._scale, "stop": self._stop}
        own.update({"status": reports.status, "overview": reports.overview, "metrics": reports.metrics})
        self._sessions = sessions = Sessions(ledger, own, max_files // 2, self._clock.now_ms)
        callbacks = sessions.handle, sessions.on_disconnect, sessions.defer_waits
        self._server = Server(home.socket, self._clients, *callbacks)
        pidfile.write(home.pid_file)

    def _writers(self) -> set[str]:
        return {*self._pool.workers, *self._orphans.instances()}

    def _follow_last_supervisor(self) -> None:
        """Continue the journal and the steady time of the home, even if the wall clock was set."""
        if self._ledger.torn is not None:
            log(self._ledger.torn.message())
        now_ms = self._clock.now_ms()
        jump_ms = clock_anchor.follow(self._home, self._ledger.engine, self._ledger.decide, now_ms)
        if jump_ms < 0:
            log(f"the clock is {-jump_ms / 1000:g} s behind the last supervisor's; waits continue from there")
        elif jump_ms:
            _log_jump(jump_ms)

    def run(self) -> None:
        """Run the loop until a stop is complete.

        Runs of lost workers are left to the next supervisor, because the processes that they
        started may still live.
        After StorageFailed, everything acknowledged is on the disk. HomeGone means that the
        home is gone from its path.

        Raises: StorageFailed, HomeGone.
        """
        while not self._shutdown.is_complete(self._is_gone):
            if self._pool.is_saturated() and not self._shutdown.level and not self._server.has_next():
                self._clients.select(COALESCE_S)
            self._turn(self._selector.select(self._timeout_s()))
        self._ledger.write()
        if self._is_gone:  # the path may lead to another home; the journal of this one has everything
            self._ledger.sync()
            raise HomeGone(path=self._home.path)
        if self._ends_when_empty:  # somebody stopped it before
            self._note_exit_status("stopped before the end")
        self._ledger.checkpoint()
        self._server.close()
        self._ledger.close()
        file_io.remove(self._home.pid_file)

    def stop_at_end_of(self, descriptor: int) -> None:
        """Stop when the other end of this pipe is closed. Ignore its data."""

        def read(mask: int) -> None:
            if not os.read(descriptor, 4096):
                self._selector.unregister(descriptor)
                self._shutdown.ask(StopLevel.FINISH_JOBS)

        try:
            self._selector.register(descriptor, selectors.EVENT_READ, read)
        except PermissionError:  # a file or /dev/null, which is always at its end
            self._shutdown.ask(StopLevel.FINISH_JOBS)

    # The turn

    def _timeout_s(self) -> float:
        """Return the seconds until something is due."""
        if self._has_more_to_do:
            return 0.0
        return max(0.0, min(self._next_deadline() - time.monotonic(), MAX_SLEEP_S))

    def _next_deadline(self) -> float:
        """Return when `_run_due` has something to do, or when to sync, by `time.monotonic`."""
        next_s = min(self._sync_at_s, self._next_request_s(), self._shutdown.next_deadline())
        if self._is_gone:
            return next_s
        watch_s, orphans_s = self._home_watch.next_deadline(), self._orphans.next_deadline()
        next_s = min(next_s, watch_s, orphans_s, self._retention.next_deadline())
        if self._shutdown.level != StopLevel.RUN:
            return next_s
        return min(next_s, self._pool.next_start_s(), self._next_schedule_s(), self._pool.next_dispatch_s())

    def _run_due(self) -> None:
        """Do what is due. A check of the home and a stop end the work of the later parts."""
        if not self._is_gone:
            self._check_home()
        self._handle_requests()
        self._shutdown.run_due()
        if self._is_gone:
            return
        self._orphans.run_due()
        self._retention.run_due()
        if self._shutdown.level == StopLevel.RUN:
            self._pool.fill_up()
            self._fire_schedules()
            self._pool.dispatch()

    def _turn(self, ready: Sequence[tuple[selectors.SelectorKey, int]]) -> None:
        self._follow_clock()
        for key, mask in ready:
            key.data(mask)
        self._run_due()
        happened = self._ledger.write()
        self._log_shortage()
        self._pool.send()
        if happened:
            self._pool.on_events(happened)
            self._sessions.on_events(happened)
            self._retention.on_events(happened)
            if self._job_watch is not None:
                self._job_watch.on_events(happened)
        self._sync_if_due(bool(happened))
        # A failed `send` has decided something, which must be in the journal before the store.
        self._has_more_to_do = self._ledger.has_decided() or (not self._is_gone and self._ledger.maintain())
        if self._ends_when_empty and not self._has_more_to_do:
            self._stop_if_empty()

    def _stop_if_empty(self) -> None:
        """Stop if no job runs, and none can start by itself."""
        counts, pool = self._ledger.table.counts, self._pool
        if counts[PROCESSING] or min(pool.next_start_s(), pool.next_dispatch_s()) < math.inf:
            return
        self._ends_when_empty, self._has_more_to_do = False, True
        self._note_exit_status("no job is left to run")
        self._shutdown.ask(StopLevel.FINISH_JOBS)

    def _note_exit_status(self, why: str) -> None:
        """Let the exit status tell whether a job died, or is left. `why` is why the supervisor ends."""
        counts = self._ledger.table.counts
        if self._job_watch is not None:
            left = counts[PENDING] + counts[FAILED] + counts[PROCESSING]
            self.exit_status = self._job_watch.exit_status(left, why)

    def _follow_clock(self) -> None:
        """Keep the length of all waits if somebody has set the wall clock."""
        jump_ms = self._clock.jump_ms()
        if jump_ms:
            _log_jump(jump_ms)
            self._decide(commands.ShiftClock(jump_ms))
            clock_anchor.note(self._home, self._ledger.engine, self._clock.now_ms(), jump_ms)
            self._retention.hold_by_age(jump_ms / 1000)
            self._pool.found_none_at_ms = 0

    def _decide(self, command: commands.Command) -> Any:
        return self._ledger.decide(command, self._clock.now_ms())

    def _check_home(self) -> None:
        """Begin to stop if the home is gone, so that nothing more is decided for it."""
        if not self._home_watch.is_there():
            what = f"home {self._home.path} was removed or moved"
        elif not self._ledger.journal.is_there():
            what = f"the journal of {self._home.path} was removed or replaced"
        else:
            return
        self._is_gone = True
        self._sessions.gone_path = self._home.path
        self._shutdown.ask(StopLevel.FINISH_JOBS)
        log(f"{what}; stopping, running jobs may finish")

    def _log_shortage(self) -> None:
        if self._ledger.is_short != self._logged_short:
            self._logged_short = self._ledger.is_short
            self._sessions.on_change()
            lack = self._ledger.shortage()
            text = "the disk has room again; starting jobs"
            log(text if lack is None else shortage_message(self._home.path, lack))

    def _sync_if_due(self, wrote: bool) -> None:
        """Sync if something waits for that, and send the replies only after the sync."""
        has_home = not self._is_gone
        must_forget = has_home and self._orphans.has_files_to_remove()
        if self._sessions.has_replies() or must_forget or time.monotonic() >= self._sync_at_s:
            began_s = time.monotonic()
            self._ledger.sync()
            self._reports.note_sync(time.monotonic() - began_s)
            self._sync_at_s = math.inf
            if has_home:
                self._orphans.remove_files()
            self._sessions.send()
        elif wrote:
            self._sync_at_s = min(self._sync_at_s, time.monotonic() + SYNC_WITHIN_S)

    # Clients

    def _serve_clients(self, mask: int) -> None:
        for key, ready in self._clients.select(0):
            key.data(ready)

    def _next_request_s(self) -> float:
        """Return when to handle a request, or to accept clients again."""
        if self._server.has_next() or self._sessions.has_replies():
            return 0.0
        paused_at_s = self._server.paused_at_s
        return math.inf if paused_at_s is None else paused_at_s + CHECK_S

    def _handle_requests(self) -> None:
        self._server.handle_next()
        paused_at_s = self._server.paused_at_s
        if paused_at_s is not None and time.monotonic() >= paused_at_s + CHECK_S:
            self._server.resume()

    def _scale(self, request: Request) -> Request:
        count, before = request.get("count"), self._pool.wanted
        if type(count) is not int:
            raise InvalidInput(what="the number of workers must be a whole number")
        if request.get("add") is True:
            count += before
        if not 0 <= count <= MAX_WORKERS:
            raise InvalidInput(what=f"the number of workers must be from 0 to {MAX_WORKERS}, not {shortened(count)}")
        if self._shutdown.level:
            raise Busy(what="the supervisor is stopping")
        self._pool.scale(count)
        log(f"scaled to {count} workers (was {before})")
        return {"before": before, "workers": count}

    def _stop(self, request: Request) -> Request:
        level = StopLevel.END_JOBS if request.get("now") is True else StopLevel.FINISH_JOBS
        if request.get("leave") is True:
            level = StopLevel.LEAVE_JOBS
            if self._restarts_in_place and request.get("restart") is True and not self._shutdown.level:
                count = request.get("count")
                self.next_count = count if type(count) is int else self._pool.wanted
        self._shutdown.ask(level, str(request["job"]) if request.get("job") else None)
        return {"pid": os.getpid(), "workers": self._pool.wanted, "in_place": self.next_count is not None}

    def _take_signals(self, mask: int) -> None:
        received = os.read(self._wake, 4096)
        if signal.SIGCHLD in received:  # it also wakes the loop for processes of lost runs
            process_tree.reap_all_but(self._pool.pids())
        for number in received:
            if number in _STOP_SIGNALS:
                self.next_count = None
                self._shutdown.ask_by_signal()

    # Schedules

    def _next_schedule_s(self) -> float:
        due_ms = self._ledger.engine.schedules.next_ms()
        if due_ms is None or self._ledger.is_short:
            return math.inf
        return time.monotonic() + (due_ms - self._clock.now_ms()) / 1000

    def _fire_schedules(self) -> None:
        """Let the schedules that are due add their jobs."""
        if time.monotonic() >= self._next_schedule_s():
            self._decide(commands.FireSchedules())


def _log_jump(jump_ms: int) -> None:
    log(f"the clock jumped {jump_ms / 1000:g} s; waits keep their length")


def _become_parent_of_orphans() -> None:
    """Become the parent of all processes that lost runs leave.

    Raises: SupervisorFailed.
    """
    if not process_tree.can_find_processes():
        why = "/proc is not mounted; mount it so that the processes of jobs can be found"
        raise SupervisorFailed(why=why)
    process_tree.reap_all_but(frozenset())  # no signal reports children that ended before
    process_tree.become_subreaper()


def _allow_many_files() -> tuple[int, int]:
    """Raise the limit of descriptors, because each worker and each client needs some.

    Return the old limit, which workers and commands use, and the new one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, MAX_FILES) if hard != resource.RLIM_INFINITY else MAX_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft, wanted
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):  # macOS has a lower limit of its own
        return soft, soft
    return soft, wanted
