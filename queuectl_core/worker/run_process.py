"""Run process: the process of the current run, from its start to the end of its output.

It knows files, pipes, and processes, but no queue and no time.

Invariant: no run shares its pipe or its lock with another run.
"""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Mapping

from ..errors import QueueError
from ..home import Home
from ..model import job_environment, trace_context
from ..model.job_spec import DEFAULT_QUEUE
from ..storage.output_log import OutputWriter
from ..system import descriptors, file_io, lockfile, process_tree
from .command_line import SHELL, command_line, open_input
from .echo import Echo
from .hook_environment import hook_variables
from .messages import Run

SCARCE = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
"""What the system says if it lacks processes, memory, or descriptors, perhaps only for a while."""

_READ_BYTES = 64 * 1024
_JOB_ID = job_environment.JOB_ID.encode()
_ATTEMPT = job_environment.ATTEMPT.encode()
_QUEUE = job_environment.QUEUE.encode()
_JOB_NAME = job_environment.JOB_NAME.encode()
_SLOT = job_environment.SLOT.encode()


_OF_EVERY_JOB = (job_environment.MARK.encode(), job_environment.HOME.encode(), _JOB_ID, _ATTEMPT)


class NotReady(Exception):
    """The worker lacks something that every run needs.

    Another worker must run the job, which is not at fault.
    """


class RunProcess:
    """The process of the current run, and the parts that the next run uses again."""

    def __init__(self, home: Home, instance: str, poll: select.poll, echo: Echo | None) -> None:
        """Prepare for the first run. `poll` is the worker's; it watches the pipe of the output.

        `echo` gets all output too.
        """
        self.output = OutputWriter(home.logs, instance)
        self.pipe = self._pipe_in = -1
        self._poll = poll
        self._echo = echo
        self._is_subreaper = process_tree.become_subreaper()
        self._tree_lock = home.tree_lock(instance)
        self._lock_number = process_tree.lock_descriptor()
        self._logs = home.logs
        self._draft = os.path.join(home.run, f"{instance}.input")
        self._stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        environ = job_environment.without_own(os.environ)
        for name in trace_context.VARIABLES:  # they are of the call that started the supervisor
            environ.pop(name, None)
        environ.update({job_environment.MARK: home.mark(instance), job_environment.HOME: home.path})
        self._environ = {os.fsencode(name): os.fsencode(environ[name]) for name in environ}

    def start(self, run: Run) -> int:
        """Start the command of a run, and return the PID of its shell.

        OSError can mean that a resource is lacking for a while.

        Raises: NotReady, OSError, ValueError.
        """
        lock = self._prepare(run.max_output)
        if self._echo is not None:
            self._echo.begin(run.job_id)
        try:
            os.chdir(run.cwd.encode())
            self._environ[_JOB_ID] = run.job_id.encode()
            self._environ[_ATTEMPT] = b"%d" % run.attempt
            return self._spawn(run, (self._pipe_in, lock, self._lock_number))
        finally:
            os.close(lock)

    def _prepare(self, max_output: int) -> int:
        """Prepare output, pipe, and lock, and return the descriptor that holds the lock of its processes.

        Raises: NotReady, OSError.
        """
        try:
            self.output.begin(max_output)
            self._open_pipe()
            lock = lockfile.acquire(self._tree_lock)
        except OSError as fault:
            if fault.errno in (*SCARCE, *file_io.FULL):
                raise
            raise NotReady(f"its worker cannot use {fault.filename}: {fault.strerror}") from fault
        except QueueError as fault:
            raise NotReady(str(fault)) from fault
        if lock is None:
            raise NotReady("processes of an earlier run are still alive")
        return lock

    def _open_pipe(self) -> None:
        """Open the pipe for a run's output, unless an earlier try has opened it.

        This side keeps the write end open as well. Otherwise an end of file would wake the loop.

        Raises: OSError.
        """
        if self.pipe >= 0:
            return
        readable, writable = os.pipe()
        try:
            os.set_blocking(readable, False)
            self._poll.register(readable, select.POLLIN)
        except BaseException:  # a half-configured pipe would block every later read
            descriptors.close_all((readable, writable))
            raise
        self.pipe, self._pipe_in = readable, writable

    def _spawn(self, run: Run, inherited: process_tree.Inherited) -> int:
        """Start the command. A job without options costs no more than it must.

        Raises: OSError, ValueError.
        """
        options, environ = run.options, self._environ
        if options is None:
            shell_words = (b"sh", b"-c", run.command.encode())
            return process_tree.spawn(SHELL, shell_words, environ, self._stdin, inherited)
        if "environ" in options:
            environ = {**_encoded(options["environ"]), **{name: environ[name] for name in _OF_EVERY_JOB}}
        environ = {**environ, **_encoded(options.get("env", {}))}
        environ[_QUEUE] = options.get("queue", DEFAULT_QUEUE).encode()
        if "name" in options:
            environ[_JOB_NAME] = options["name"].encode()
        if "slot" in options:
            environ[_SLOT] = b"%d" % options["slot"]
        if "hook" in options:
            environ.update(hook_variables(options["hook"], self._logs))
        path, words = command_line(run.command, options)
        stdin = open_input(options, self._draft)
        try:
            return process_tree.spawn(path, words, environ, stdin or self._stdin, inherited)
        finally:
            if stdin is not None:
                os.close(stdin)

    def read_output(self) -> None:
        """Copy output from the pipe to the log.

        Raises: BlockingIOError.
        """
        data = os.read(self.pipe, _READ_BYTES)
        self.output.write(data)
        if self._echo is not None:
            self._echo.take(data)

    def finish(self, leader: int, has_others: bool) -> None:
        """End the processes that the reaped shell `leader` left, and take the last output.

        `has_others` says whether this process has other children.
        The output is limited, because a process that has escaped can continue to write.
        """
        process_tree.end_rest(leader, self._tree_lock, self._is_subreaper, has_others)
        try:
            for _ in range(16):
                self.read_output()
        except BlockingIOError:
            pass
        self.output.finish()
        if self._echo is not None:
            self._echo.finish()
        self._poll.unregister(self.pipe)
        os.close(self.pipe)
        os.close(self._pipe_in)
        self.pipe = self._pipe_in = -1


def _encoded(variables: Mapping[str, str]) -> dict[bytes, bytes]:
    """Return variables of a job, without those that only queuectl sets."""
    return {name.encode(): value.encode() for name, value in job_environment.without_own(variables).items()}
