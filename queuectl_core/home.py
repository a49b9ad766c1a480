"""Home: the folder that holds all jobs and their state, its file paths, and the check that it is safe.

    lock  supervisor.pid  control.sock  supervisor.log  reserve  clock  web.token  metrics.token
    journal/NNNNNNNNNN.log   append-only segments         store/   the dbm store, CURRENT names its backend
    run/                     worker locks and outcomes    logs/    output of attempts, in segments

Does not know what the files contain.

Warning: a user who can write to the home can run commands as its owner. So queuectl refuses a home that belongs to
another user, or that other users can write to.
"""

from __future__ import annotations

import errno
import os
import stat

from . import home_files
from .errors import BadHome, QueueError
from .system import file_io

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Mapping

NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


class Home:
    """The paths of one home. Nothing is created or checked before `prepare` or `check`."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._is_safe_above = False
        self.lock = os.path.join(self.path, "lock")
        self.pid_file = os.path.join(self.path, "supervisor.pid")
        self.socket = os.path.join(self.path, "control.sock")
        self.clock = os.path.join(self.path, "clock")
        self.reserve = os.path.join(self.path, "reserve")
        self.web_token = os.path.join(self.path, "web.token")
        self.metrics_token = os.path.join(self.path, "metrics.token")
        self.supervisor_log = os.path.join(self.path, "supervisor.log")
        self.journal = os.path.join(self.path, "journal")
        self.store = os.path.join(self.path, "store")
        self.run = os.path.join(self.path, "run")
        self.logs = os.path.join(self.path, "logs")
        self.folders = (self.journal, self.store, self.run, self.logs)

    def job_inside(self, environ: Mapping[str, str]) -> str | None:
        """Return the ID of the job of this home that a process with these variables belongs to, or None."""
        home = environ.get("QUEUECTL_HOME")
        is_ours = home is not None and os.path.realpath(home) == os.path.realpath(self.path)
        return environ.get("QUEUECTL_JOB_ID") if is_ours else None

    def mark(self, worker: str) -> str:
        """Return the mark of the processes of a worker; it differs even from the marks in a copy of this home."""
        return f"{worker}:{os.path.realpath(self.path)}"

    def failure(self, fault: OSError) -> QueueError:
        """Return the error for a file of this home that cannot be used: BadHome, DiskFull or StorageFailed."""
        if fault.errno in NOT_ALLOWED:
            return self._bad(f"{fault.filename or self.path}: {fault.strerror}")
        return file_io.failure(self.path, fault)

    def worker_lock(self, worker: str) -> str:
        """Return the path of the lock that a worker instance holds as long as it lives."""
        return os.path.join(self.run, f"{worker}.lock")

    def tree_lock(self, worker: str) -> str:
        """Return the path of the lock that the processes of a worker's job hold as long as any of them lives."""
        return os.path.join(self.run, f"{worker}.tree")

    def outcome(self, worker: str) -> str:
        """Return the path of the outcome that a worker leaves for the next supervisor."""
        return os.path.join(self.run, f"{worker}.outcome")

    def damaged_outcome(self, worker: str) -> str:
        """Return the path to which an unreadable outcome of this worker is moved."""
        return f"{self.outcome(worker)}.damaged"

    def prepare(self) -> None:
        """Create the missing folders with mode 0700, and check the others.

        Raises: BadHome.
        """
        try:
            if not os.path.isdir(self.path):
                self._check_above()  # a refused path gets no folder
                _make_folders(self.path)
            self.check()
            for folder in self.folders:
                if not os.path.isdir(folder):
                    _make_folder(folder)
        except OSError as fault:
            raise self._bad(_why(fault, self.path)) from None

    def exists(self) -> bool:
        """Check the home if it is there, and return whether it has any of its folders.

        Raises: BadHome.
        """
        try:
            self.check()
        except FileNotFoundError:
            if os.path.islink(self.path):
                raise self._bad("it is a broken link") from None
            return False
        except OSError as fault:
            raise self._bad(_why(fault, self.path)) from None
        return any(map(os.path.isdir, self.folders))

    def has_begun(self) -> bool:
        """Return whether the home has data; it has none when its creation was interrupted."""
        return home_files.has_begun(self.path)

    def check(self) -> None:
        """Check that the home is a folder of this user, safe from other users, and without foreign files.

        Raises: BadHome; OSError when the home cannot be read.
        """
        status = os.stat(self.path)
        if not stat.S_ISDIR(status.st_mode):
            raise self._bad("it is not a folder")
        if status.st_uid != os.geteuid():
            raise self._bad(f"it belongs to UID {status.st_uid}, but you are UID {os.geteuid()}")
        if status.st_mode & 0o022:
            raise self._bad("other users can write to it; run `chmod go-w` on it")
        self._check_above()
        if not os.access(self.path, os.R_OK | os.X_OK):
            raise self._bad("you have no read permission")
        self._check_inside()
        foreign = home_files.first_foreign(self.path)
        if foreign is not None:
            raise self._bad(f"it contains {foreign}, so it is not a home; a new home needs an empty folder")

    def _bad(self, why: str) -> BadHome:
        return BadHome(path=self.path, why=why)

    def _check_above(self) -> None:
        """Check that no other user can replace the home or a folder above it with another folder or a link.

        Without this check, the home could be another folder a moment after it was checked.

        Raises: BadHome.
        """
        if self._is_safe_above:  # then no other user can have changed the folders since
            return
        trusted = {0, os.stat("/").st_uid, os.geteuid()}  # root may have another number in a namespace
        for path in {self.path, os.path.realpath(self.path)}:
            while (above := os.path.dirname(path)) != path:
                if os.path.exists(above):  # or else this user creates it
                    status = os.stat(above)
                    owner = os.lstat(path).st_uid if os.path.lexists(path) else os.geteuid()
                    is_sticky = status.st_mode & stat.S_ISVTX and {status.st_uid, owner} <= trusted
                    if status.st_mode & stat.S_IWOTH and not is_sticky:
                        raise self._bad(f"other users can write to {above} and replace {path}")
                path = above
        self._is_safe_above = True

    def _check_inside(self) -> None:
        """Check the folders and files of the home, which another user may have planted while it was open to others.

        A planted file could make queuectl write through a link or kill a process.
        """
        for folder in self.folders:
            status = _lstat(folder)
            if status is not None and not (_is_own(status, stat.S_IFDIR) and not status.st_mode & 0o022):
                raise self._bad(f"{folder} is not a folder that only you can write to")
        for name in home_files.FILES:
            path = os.path.join(self.path, name)
            status = _lstat(path)
            is_socket = path == self.socket and status is not None and _is_own(status, stat.S_IFSOCK)
            if status is not None and not (is_socket or file_io.is_owned(status)):
                raise self._bad(f"{name}: {file_io.NOT_OURS}")


def default_path(environ: dict[str, str]) -> str:
    """Return $QUEUECTL_HOME, else $XDG_STATE_HOME/queuectl, else ~/.local/state/queuectl.

    Raises: BadHome.
    """
    if environ.get("QUEUECTL_HOME"):
        return expanded(environ["QUEUECTL_HOME"])
    state = environ.get("XDG_STATE_HOME")
    if not state or not os.path.isabs(state):
        return expanded("~/.local/state/queuectl")
    return os.path.join(state, "queuectl")


def expanded(path: str) -> str:
    """Return the path with the home folder of a user in place of `~`.

    An unknown home folder is an error: queuectl must not use a folder with the name `~`.

    Raises: BadHome.
    """
    whole = os.path.expanduser(path)
    if path.startswith("~") and not os.path.isabs(whole):
        raise BadHome(path=path, why="your home folder (~) is unknown; set HOME")
    return whole


def _make_folders(path: str) -> None:
    """Create a folder and the missing ones above it, closed to other users, who could otherwise replace it."""
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        _make_folders(parent)
    _make_folder(path)


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _is_own(status: os.stat_result, kind: int) -> bool:
    """Return whether a file is of this kind and belongs to this user."""
    return stat.S_IFMT(status.st_mode) == kind and status.st_uid == os.geteuid()


def _make_folder(path: str) -> None:
    """Create a folder with mode 0700 whatever the umask, unless another process has just created it."""
    try:
        os.mkdir(path, 0o700)
        os.chmod(path, 0o700)
    except FileExistsError:
        pass


def _why(fault: OSError, path: str) -> str:
    if isinstance(fault, (FileExistsError, NotADirectoryError)):
        return "part of its path is a file, not a folder"
    where = f" ({fault.filename})" if fault.filename and fault.filename != path else ""
    return f"{fault.strerror}{where}"
