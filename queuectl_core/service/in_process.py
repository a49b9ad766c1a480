"""In process: answers to requests while no supervisor runs, by whoever asks: it takes the writer lock, recovers the
home, does the work, and lets go.

Knows the order in which that must happen; what is asked and answered is the affair of `handlers`. The traps: once what
was decided is synced it is done, and whatever fails behind that is no answer to the request; and SQLite, once forked
with an open file, calls it locked for ever, so a fork in another thread waits until the work is done.
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
"""Changed jobs are moved into the store when there are more; else every call would replay them."""


def answer(
    home: Home, line: lockfile.Line, request: Fields, only_reads: bool, notice: Callable[[str], None]
) -> Fields | None:
    """The answer, or None when the writer lock is not ours within the patience of `line`. `notice` is told what is
    found beside it. What `only_reads` makes no home, and is answered from one on a read-only disk.

    Raises QueueError.
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
    """Answers one request after the other; durable when this returns True. False: the writer lock is not ours within
    the patience of `line`.

    Raises QueueError, with nothing changed.
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
        for text in notes:  # only now, for whoever hears it may use the queue
            notice(text)
    return True


def _converse_with_lock(
    home: Home, requests: Iterable[Fields], notice: Callable[[str], None], hear: Callable[[Fields], None]
) -> None:
    home.prepare()  # a folder may be missing: whoever only asks gets the same answer as whoever writes
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
        ledger.relieve(CHANGED_LIMIT)
    except (QueueError, OSError) as fault:
        notice(in_words(fault))
    except KeyboardInterrupt:  # it is done; whoever comes next moves the rest
        pass
    finally:
        _close(ledger, notice)


def _close(ledger: Ledger, notice: Callable[[str], None]) -> None:
    try:
        ledger.close()
    except (QueueError, OSError) as fault:
        notice(in_words(fault))


def _harvest(home: Home, ledger: Ledger, notice: Callable[[str], None]) -> None:
    """Decides what became of runs that are over."""
    for run in orphans.find(ledger.table):
        if not orphans.is_under_way(home, run):
            command = orphans.conclude(home, ledger.table.existing(run.job_id), spared=None)
            if command is not None:
                ledger.decide(command, now_ms())
                damage = orphans.told_of_damage(command)
                if damage is not None:
                    notice(damage)


def _answer_from_full_disk(home: Home, line: lockfile.Line, request: Fields) -> Fields | None:
    """The answer from a home that cannot even be opened for writing; None when the lock is another's by now."""
    lock = line.take(home.lock)
    if lock is None:
        return None
    try:
        return _answer_reading(home, request, is_full=True)
    finally:
        lockfile.release(lock)


def _answer_reading(home: Home, request: Fields, is_full: bool = False) -> Fields:
    """The answer from a home on a disk that cannot be written to. What workers have left there is not harvested."""
    with no_fork:
        ledger = Ledger(home, read_only=True)
        ledger.is_short = is_full
        try:
            return handlers.answer(ledger, request, now_ms())
        finally:
            ledger.close()


def _answer_from_nothing(request: Fields) -> Fields:
    """The answer of a home that does not exist; asking makes none."""
    table = JobTable(MemoryStore())
    ledger = SimpleNamespace(table=table, engine=Engine(table), shortage=lambda: None)
    return handlers.answer(ledger, request, now_ms())  # type: ignore[arg-type]  # all that is read of a Ledger
