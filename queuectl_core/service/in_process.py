"""In process: answers to requests while no supervisor runs.

The process that asks takes the writer lock, recovers the home, does the work, and releases the lock.
Knows the order of these steps. Does not know what the requests mean; `handlers` does.

Invariant: after the sync, the request is done. A later failure is a notice and does not change the answer.
Warning: if a process forks while it has a SQLite file open, SQLite reports the file as locked forever.
So a fork in another thread waits until the work is done.
"""

from __future__ import annotations

import os

from ..engine.engine import Engine
from ..errors import DiskFull, QueueError, in_words
from ..home import NOT_ALLOWED, Home
from ..model.job import PROCESSING
from ..storage.memory_store import MemoryStore
from ..system import lockfile
from ..system.clock import now_ms
from ..system.forks import no_fork
from ..table.job_table import JobTable
from ..wire.protocol import READ_ONLY
from . import clock_anchor, handlers
from .fields import Fields
from .ledger import Ledger

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    OnReply = Callable[[Fields], None]

CHANGED_LIMIT = 256
"""The most changed jobs that stay in the journal alone. Every call replays them."""



class InProcess:
    """The answers of one home, each under the writer lock, for which `line` waits.

    `notice` receives problems that are not part of a reply.
    """

    def __init__(self, home: Home, line: lockfile.Line, notice: Callable[[str], None]) -> None:
        self._home = home
        self._line = line
        self._notice = notice
        self._notes: list[str] = []

    def answer(self, request: Fields) -> Fields | None:
        """Return the reply to a request, or None if the writer lock is not free within `line.wait_s`.

        A request that only reads does not create a home, and also works on a full or read-only disk.

        Raises: QueueError.
        """
        replies: list[Fields] = []
        if request["verb"] not in READ_ONLY:
            return replies[0] if self.converse([request], replies.append) else None
        if not self._home.exists() or not self._home.has_begun():
            return handlers.answer(EmptyLedger(), request, now_ms())
        try:
            lock = self._line.take(self._home.lock)
        except OSError as fault:
            if fault.errno in NOT_ALLOWED:
                return self._read(request)
            raise self._home.failure(fault) from fault

        def read() -> None:
            try:
                self._answer_all([request], replies.append)
            except DiskFull:
                replies.insert(0, self._read(request, is_full=True))

        return replies[0] if self._use(lock, read) else None

    def converse(self, requests: Iterable[Fields], on_reply: OnReply) -> bool:
        """Answer several requests in order, and return True when their effects are durable.

        Return False if the writer lock is not free within `line.wait_s`. If it raises, nothing has changed.

        Raises: QueueError.
        """
        try:
            self._home.prepare()
            lock = self._line.take(self._home.lock)
        except OSError as fault:
            raise self._home.failure(fault) from fault
        return self._use(lock, lambda: self._answer_all(requests, on_reply))

    def _use(self, lock: int | None, work: Callable[[], None]) -> bool:
        """Do work under the lock, and release it. Return False without a lock."""
        if lock is None:
            return False
        try:
            with no_fork:
                work()
        except OSError as fault:
            raise self._home.failure(fault) from fault
        finally:
            lockfile.release(lock)
            while self._notes:  # after the release, because the receiver may use the home itself
                self._notice(self._notes.pop(0))
        return True

    def _answer_all(self, requests: Iterable[Fields], on_reply: OnReply) -> None:
        # Recreate missing folders, so that reads and writes give the same answer.
        self._home.prepare()
        ledger = Ledger(self._home)
        if ledger.torn is not None:
            self._notes.append(ledger.torn.message())
        try:
            clock_anchor.follow(self._home, ledger.engine, ledger.decide, now_ms())
            self._harvest(ledger)
            session = handlers.Session(ledger)
            for request in requests:
                on_reply(session.answer(request, now_ms()))
            ledger.write()
            ledger.sync()
        except BaseException:
            ledger.close()
            raise
        try:
            try:
                self._sweep(ledger)
                ledger.checkpoint_if_over(CHANGED_LIMIT)
            finally:
                ledger.close()
        except (QueueError, OSError) as fault:
            self._notes.append(in_words(fault))
        except KeyboardInterrupt:  # the request is done; the next process does the rest
            pass

    def _harvest(self, ledger: Ledger) -> None:
        """Record the outcome of each run that has ended without a supervisor."""
        if not ledger.table.counts[PROCESSING]:
            return
        from . import orphans  # most calls find no run, and need not import it

        for run in orphans.find(ledger.table):
            if orphans.is_under_way(self._home, run):
                continue
            command = orphans.conclude(self._home, ledger.table.existing(run.job_id), find_orphans=list)
            if command is not None:
                ledger.decide(command, now_ms())
                self._notes += filter(None, [orphans.damage_message(command)])

    def _sweep(self, ledger: Ledger) -> None:
        """Remove the files that dead workers without an open run have left."""
        if os.listdir(self._home.run):
            from . import orphans

            orphans.sweep(self._home, {run.instance for run in orphans.find(ledger.table)})

    def _read(self, request: Fields, is_full: bool = False) -> Fields:
        """Return the reply of a home on a disk that nobody can write to. Do not harvest results."""
        with no_fork:
            ledger = Ledger(self._home, read_only=True)
            ledger.is_short = is_full
            try:
                return handlers.answer(ledger, request, now_ms())
            finally:
                ledger.close()


class EmptyLedger(Ledger):
    """The ledger of a home that does not exist, only for reads."""

    def __init__(self) -> None:
        self.table = JobTable(MemoryStore())
        self.engine = Engine(self.table)
        self.is_short = False
