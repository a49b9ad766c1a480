"""Lockfile: `flock` locks that show whether their holder is alive.

It does not know what a lock protects.

Invariant: nobody unlinks a locked file, because then two processes could hold "the" lock. The writer lock is never
unlinked. A worker's lock is unlinked only after the worker is dead.
Invariant: a forked child closes its copies of the descriptors. A flock belongs to the open file description, so the
child shares the lock until then.
"""

from __future__ import annotations

import _thread
import errno
import fcntl
import os
import time

from ..errors import BadHome

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)

_held: set[int] = set()
"""Descriptors that a forked child must close. The child shares the locks, and would keep them."""

_abandoned: dict[str, list[_WaitingThread]] = {}
"""By path: waiting threads whose callers gave up. The next caller takes one over, so their number does not grow."""

_CAREFULLY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Flags that do not follow a link, and do not block on a FIFO."""


def acquire(path: str) -> int | None:
    """Return a descriptor that holds the lock until you close it, or None if another process holds it."""
    descriptor, is_locked = _opened(path), False
    try:
        is_locked = _try_to_lock(descriptor, fcntl.LOCK_EX, path)
    finally:
        if not is_locked:
            os.close(descriptor)
    return descriptor if is_locked else None


def is_held(path: str) -> bool:
    """Return whether somebody holds the lock now; False if the file does not exist."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _CAREFULLY)
    except FileNotFoundError:
        return False
    try:
        return not _try_to_lock(descriptor, fcntl.LOCK_SH, path)
    finally:
        os.close(descriptor)


def _try_to_lock(descriptor: int, how: int, path: str) -> bool:
    """Lock the file, or return False at once if somebody else holds the lock.

    BadHome means that the file system has no locks.

    Raises: BadHome, OSError.
    """
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    except OSError as fault:
        if fault.errno not in _NO_LOCKS:
            raise
        why = f"its file system does not support locks ({fault.strerror})"
        raise BadHome(path=os.path.dirname(path), why=why) from fault


def release(descriptor: int) -> None:
    """Release a lock that a `Line` has taken, even if a forked child has a copy of the descriptor."""
    if descriptor in _held:  # a forked child has closed it already
        _held.discard(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)


class Line:
    """One caller's place in the line of all callers that want a lock.

    The kernel keeps the line, so waiting costs no processor time and no caller starves. Only a thread can wait there
    with a time limit. The modification time of the file says when the lock last changed hands. Call `leave` when you no
    longer want the lock.
    """

    def __init__(self) -> None:
        self.wait_s = 0.0
        """How long `take` waits, in seconds."""
        self._waiting: _WaitingThread | None = None
        self._seen_ns: int | None = None

    def take(self, path: str) -> int | None:
        """Return a descriptor for `release`, or None if the lock does not come within `wait_s`.

        After None, the caller keeps its place in the line.

        Raises: OSError.
        """
        if self._waiting is None:
            descriptor = acquire(path)
            if descriptor is not None:
                _held.add(descriptor)
                return _confirmed(descriptor, path)
            self._waiting = _waiting_thread(path)
        if self._waiting is None:  # no thread can start now
            time.sleep(self.wait_s)
            return None
        if self._seen_ns is None:
            self._seen_ns = self._waiting.changed_ns()
        descriptor = self._waiting.wait(self.wait_s)
        if descriptor is None:
            return None
        self._waiting = None
        return _confirmed(descriptor, path)

    def has_moved(self) -> bool:
        """Return whether somebody got the lock since the caller joined the line or last asked.

        If so, the caller's turn will come.
        """
        before, self._seen_ns = self._seen_ns, None if self._waiting is None else self._waiting.changed_ns()
        return before != self._seen_ns

    def leave(self) -> None:
        """Give up the place in the line."""
        if self._waiting is not None:
            self._waiting.give_up()
            self._waiting = None


def _confirmed(descriptor: int, path: str) -> int | None:
    """Record that the lock has changed hands; return None if the path no longer names the locked file.

    In that case, and after an error, the lock is released.

    Raises: OSError.
    """
    is_there = False
    try:
        os.utime(descriptor)
        is_there = os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        pass
    finally:
        if not is_there:
            release(descriptor)  # otherwise this process would wait for itself
    return descriptor if is_there else None


class _WaitingThread:
    """A thread that waits for a lock."""

    def __init__(self, path: str) -> None:
        """Start the thread.

        Raises: OSError, or RuntimeError if no thread can start.
        """
        self._path = path
        self._fault: OSError | None = None
        self._is_wanted = True
        self._is_over = False
        self._mutex = _thread.allocate_lock()
        self._over = _thread.allocate_lock()
        self._over.acquire()
        self._descriptor = _opened(path)
        _held.add(self._descriptor)
        try:
            _thread.start_new_thread(self._wait_for_lock, ())
        except RuntimeError:
            release(self._descriptor)
            raise

    def wait(self, timeout_s: float) -> int | None:
        """Return the lock's descriptor, or None if the lock does not come within `timeout_s`, in seconds.

        Raises: OSError.
        """
        if not self._over.acquire(timeout=timeout_s):
            return None
        if self._fault is not None:
            release(self._descriptor)
            raise self._fault
        return self._descriptor

    def changed_ns(self) -> int:
        """Return when somebody last got the lock, in nanoseconds since 1970."""
        return os.fstat(self._descriptor).st_mtime_ns

    def give_up(self) -> None:
        """Leave the thread to the next caller in this process; release the lock if it comes before that."""
        with self._mutex:
            self._is_wanted = False
            if self._is_over:
                release(self._descriptor)
            else:
                _abandoned.setdefault(self._path, []).append(self)

    def take_over(self) -> bool:
        """Make the thread the caller's, and return whether it still waits for the lock."""
        with self._mutex:
            self._is_wanted = not self._is_over
            return self._is_wanted

    def _wait_for_lock(self) -> None:
        """Wait for the lock, in the thread."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError as fault:
            self._fault = fault
        with self._mutex:
            self._is_over = True
            if not self._is_wanted:
                release(self._descriptor)
        self._over.release()


def _waiting_thread(path: str) -> _WaitingThread | None:
    """Return a thread that waits for the lock, or None if no thread can start.

    Raises: OSError.
    """
    try:
        while True:
            thread = _abandoned[path].pop()
            if thread.take_over():
                return thread
    except (KeyError, IndexError):  # there is none, or another caller was faster
        pass
    try:
        return _WaitingThread(path)
    except RuntimeError:
        return None


def _opened(path: str) -> int:
    """Open a lock file, and create it if it does not exist."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _forget_in_child() -> None:
    """Close the copies of the locks: the threads and the locks belong to the parent."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()
    _abandoned.clear()


os.register_at_fork(after_in_child=_forget_in_child)
