"""Locks on files: who holds one is alive. `flock`; the writer lock is never unlinked, a worker's only when it is
dead.

Knows nothing of what a lock stands for. The traps: a flock belongs to the open file description, so a forked child
shares it until it closes its copy; and unlinking a locked file would let two hold "the" lock.
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
"""Descriptors that a forked child must close: it shares the locks, and would keep them."""

_left: dict[str, list[_Place]] = {}
"""By path: places whose owners gave up. The next owner takes one over, so threads do not pile up."""

_CAREFULLY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""A link is not followed, and a FIFO of this name holds nobody up."""


def acquire(path: str) -> int | None:
    """A descriptor that holds the lock until it is closed, or None while somebody else holds it."""
    descriptor = _opened(path)
    try:
        _try_to_lock(descriptor, fcntl.LOCK_EX, path)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_held(path: str) -> bool:
    """Whether somebody holds the lock now; a file that is not there is held by nobody."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _CAREFULLY)
    except FileNotFoundError:
        return False
    try:
        _try_to_lock(descriptor, fcntl.LOCK_SH, path)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _try_to_lock(descriptor: int, how: int, path: str) -> None:
    """Raises BlockingIOError when somebody else holds the lock; BadHome where the file system has no locks; OSError."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except OSError as fault:
        if fault.errno not in _NO_LOCKS:
            raise
        why = f"its file system does not support locks ({fault.strerror})"
        raise BadHome(path=os.path.dirname(path), why=why) from fault


def release(descriptor: int) -> None:
    """Lets go of a lock that a `Line` has taken, even if a forked child has a copy of the descriptor."""
    if descriptor in _held:  # in a forked child it is closed already
        _held.discard(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)


class Line:
    """One caller's way to a lock: in turn with all others who want it.

    The kernel keeps the line, so waiting costs nothing and nobody starves. Only a thread can wait there with a
    time limit. The file's time of change says when the lock last changed hands. `leave` when it is no longer wanted.
    """

    def __init__(self) -> None:
        self.wait_s = 0.0
        """How long `take` waits, in seconds."""
        self._place: _Place | None = None
        self._seen_ns: int | None = None

    def take(self, path: str) -> int | None:
        """The lock, for `release`; None when it is not our turn within `wait_s`. The place in the line remains ours.
        Raises OSError.
        """
        if self._place is None:
            descriptor = acquire(path)
            if descriptor is not None:
                _held.add(descriptor)
                return _marked(descriptor, path)
            self._place = _place_for(path)
        if self._place is None:  # no thread can be started: try again later
            time.sleep(self.wait_s)
            return None
        if self._seen_ns is None:
            self._seen_ns = self._place.changed_ns()
        descriptor = self._place.wait(self.wait_s)
        if descriptor is None:
            return None
        self._place = None
        return _marked(descriptor, path)

    def has_moved(self) -> bool:
        """Whether somebody has got the lock since we joined the line, or last asked: then our turn will come."""
        before, self._seen_ns = self._seen_ns, None if self._place is None else self._place.changed_ns()
        return before != self._seen_ns

    def leave(self) -> None:
        if self._place is not None:
            self._place.give_up()
            self._place = None


def _marked(descriptor: int, path: str) -> int | None:
    """Note that the lock has changed hands; None when it is of a file that is no longer at this path. Raises OSError,
    with the lock let go.
    """
    try:
        os.utime(descriptor)
        is_there = os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        is_there = False
    except OSError:
        release(descriptor)  # else this very process would wait for itself
        raise
    if not is_there:
        release(descriptor)
        return None
    return descriptor


class _Place:
    """A thread that waits for a lock."""

    def __init__(self, path: str) -> None:
        """Raises OSError; RuntimeError when no thread can be started."""
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
            _thread.start_new_thread(self._stand, ())
        except RuntimeError:
            release(self._descriptor)
            raise

    def wait(self, timeout_s: float) -> int | None:
        """The lock, if it is ours by then. Raises OSError."""
        if not self._over.acquire(timeout=timeout_s):
            return None
        if self._fault is not None:
            release(self._descriptor)
            raise self._fault
        return self._descriptor

    def changed_ns(self) -> int:
        """When somebody last got the lock."""
        return os.fstat(self._descriptor).st_mtime_ns

    def give_up(self) -> None:
        """Keeps the place for whoever asks next in this process; a lock that arrives before is let go."""
        with self._mutex:
            self._is_wanted = False
            if self._is_over:
                release(self._descriptor)
            else:
                _left.setdefault(self._path, []).append(self)

    def take_over(self) -> bool:
        """Whether it still waits, and is the caller's now."""
        with self._mutex:
            self._is_wanted = not self._is_over
            return self._is_wanted

    def _stand(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError as fault:
            self._fault = fault
        with self._mutex:
            self._is_over = True
            if not self._is_wanted:
                release(self._descriptor)
        self._over.release()


def _place_for(path: str) -> _Place | None:
    """A place in the line; None when no thread can be started. Raises OSError."""
    left = _left.get(path, [])
    while left:
        try:
            place = left.pop()
        except IndexError:  # another thread was faster
            break
        if place.take_over():
            return place
    try:
        return _Place(path)
    except RuntimeError:
        return None


def _opened(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _forget_in_child() -> None:
    """The threads and the locks are the parent's."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()
    _left.clear()


os.register_at_fork(after_in_child=_forget_in_child)
