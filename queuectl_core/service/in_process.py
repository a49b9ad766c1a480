"""In process: answers to requests while no supervisor runs.

The process that asks takes the writer lock, recovers the home, does the work, and releases the lock.
Knows the order of these steps. Does not know what the requests mean; `handlers` does.

Invariant: after the sync, the request is done. A later failure is a notice and does not change the answer.
Warning: if a process forks while it has a SQLite file open, SQLite reports the file as locked forever.
So a fork in another thread waits until the work is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace

from ..engine.engine import Engine
from ..errors import DiskFull, QueueError, in_words
from ..home import NOT_ALLOWED, Home
from ..storage.memory_store import MemoryStore
from ..system import lockfile
from ..system.clock import now_ms
from ..system.forks import no_fork
from ..table.job_table import JobTable
from . import clock_anchor, handlers, orphans
from .handlers import Fields
from .ledger import Ledger

CHANGED_LIMIT = 256
"""The most changed jobs that stay in the journal alone. Every call replays them."""


def answer(
    home: Home, line: lockfile.Line, request: Fields, only_reads: bool, notice: Callable[[str], None]
) -> Fields | None:
    """Return the reply to a request, or None if the writer lock is not free within `line.wait_s`.

    `notice` receives problems that are not part of the reply.
    A request that `only_reads` does not create a home, and also works on a read-only disk.

    Raises: QueueError.
    """
    replies: list[Fields] = []
    if not only_reads:
        return replies[0] if converse(home, line, [request], notice, replies.append) else None
    if not home.exists() or not home.has_begun():
        return _answer_from_nothing(request)
    try:
        lock = line.take(home.lock)
    except OSError as fault:
        if fault.errno in NOT_ALLOWED:
            return _answer_reading(home, request)
        raise home.failure(fault) from fault
    try:
        return replies[0] if _converse(home, lock, [request], notice, replies.append) else None
    except DiskFull:
        return _answer_from_full_disk(home, line, request)


def converse(
    home: Home,
    line: lockfile.Line,
    requests: Iterable[Fields],
    notice: Callable[[str], None],
    hear: Callable[[Fields], None],
) -> bool:
    """Answer several requests in order, and return True when their effects are durable.

    Return False if the writer lock is not free within `line.wait_s`. If it raises, nothing has changed.

    Raises: QueueError.
    """
    try:
        home.prepare()
        lock = line.take(home.lock)
    except OSError as fault:
        raise home.failure(fault) from fault
    return _converse(home, lock, requests, notice, hear)


def _converse(
    home: Home,
    lock: int | None,
    requests: Iterable[Fields],
    notice: Callable[[str], None],
    hear: Callable[[Fields], None],
) -> bool:
    if lock is None:
        return False
    notes: list[str] = []
    try:
        with no_fork:
            _converse_with_lock(home, requests, notes.append, hear)
    except OSError as fault:
        raise home.failure(fault) from fault
    finally:
        lockfile.release(lock)
        for text in notes:  # after the release, because the receiver may use the queue itself
            notice(text)
    return True


def _converse_with_lock(
    home: Home, requests: Iterable[Fields], notice: Callable[[str], None], hear: Callable[[Fields], None]
) -> None:
    home.prepare()  # recreate missing folders, so that reads and writes give the same answer
    ledger = Ledger(home)
    if ledger.torn is not None:
        notice(ledger.torn.told())
    try:
        clock_anchor.follow(home, ledger.engine, ledger.decide, now_ms())
        _harvest(home, ledger, notice)
        conversation = handlers.Conversation(ledger)
        for request in requests:
            hear(conversation.answer(request, now_ms()))
        ledger.write()
        ledger.sync()
    except BaseException:
        ledger.close()
        raise
    try:
        orphans.sweep(home, {run.instance for run in orphans.find(ledger.table)})
        ledger.checkpoint_if_over(CHANGED_LIMIT)
    except (QueueError, OSError) as fault:
        notice(in_words(fault))
    except KeyboardInterrupt:  # the request is done; the next process does the rest
        pass
    finally:
        _close(ledger, notice)


def _close(ledger: Ledger, notice: Callable[[str], None]) -> None:
    try:
        ledger.close()
    except (QueueError, OSError) as fault:
        notice(in_words(fault))


def _harvest(home: Home, ledger: Ledger, notice: Callable[[str], None]) -> None:
    """Record the outcome of each run that has ended without a supervisor."""
    for run in orphans.find(ledger.table):
        if not orphans.is_under_way(home, run):
            command = orphans.conclude(home, ledger.table.existing(run.job_id), find_orphans=list)
            if command is not None:
                ledger.decide(command, now_ms())
                damage = orphans.told_of_damage(command)
                if damage is not None:
                    notice(damage)


def _answer_from_full_disk(home: Home, line: lockfile.Line, request: Fields) -> Fields | None:
    """Return the reply of a home that a full disk prevents from opening for writing.

    Return None if another process has taken the lock meanwhile.
    """
    lock = line.take(home.lock)
    if lock is None:
        return None
    try:
        return _answer_reading(home, request, is_full=True)
    finally:
        lockfile.release(lock)


def _answer_reading(home: Home, request: Fields, is_full: bool = False) -> Fields:
    """Return the reply of a home on a disk that nobody can write to. Do not harvest results."""
    with no_fork:
        ledger = Ledger(home, read_only=True)
        ledger.is_short = is_full
        try:
            return handlers.answer(ledger, request, now_ms())
        finally:
            ledger.close()


def _answer_from_nothing(request: Fields) -> Fields:
    """Return the reply of a home that does not exist, without creating it."""
    table = JobTable(MemoryStore())
    ledger = SimpleNamespace(table=table, engine=Engine(table), shortage=lambda: None)
    return handlers.answer(ledger, request, now_ms())  # type: ignore[arg-type]  # enough of a Ledger for reads
