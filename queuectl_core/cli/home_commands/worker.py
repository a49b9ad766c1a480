"""`queuectl worker`: the supervisor process, which this command starts, stops, restarts, and scales."""

from __future__ import annotations

import fcntl
import os
import signal
import time

from ...api import Queue
from ...errors import Busy, InvalidInput, NoSupervisor, NothingToDo, QueueError
from ...model.settings import MAX_WORKERS
from ...terminal.progress import Progress, watch_of
from ..fast_args import Action, Arguments
from ..screen import Screen, counted
from ..value_args import seconds_of, whole_number

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ...supervisor.foreground import Foreground

SUMMARY = "Manages the supervisor and its workers. Each worker runs one job at a time."
EXAMPLES = ["queuectl worker start --count 3", "queuectl worker stop", "queuectl worker scale 5"]
ACTIONS = {
    "start": Action(
        "start a supervisor in the background, or add workers to it",
        "queuectl worker start --count 3",
        ("workers", "N?", "the same as --count"),
        ("--count", "N", "number of workers (default: 1)"),
        ("--foreground", "", "stay in the foreground, for systemd and containers; --quiet hides jobs"),
        ("--ready-fd", "FD", "with --foreground: descriptor that gets one JSON line when ready"),
        ("--until-eof", "", "with --foreground: stop when standard input ends"),
        ("--exit-when-empty --burst", "", "stay in the foreground until no job is left to run; exit 1 if one died"),
        ("--log-output", "", "with --foreground: print the output of jobs too"),
        ("--log-format", "FORMAT", "with --foreground: text (default) or json, one object a line"),
    ),
    "stop": Action(
        "let running jobs finish, then stop the supervisor and workers",
        "queuectl worker stop --timeout 60",
        ("--now", "", "end running jobs; they become pending and the attempt does not count"),
        ("--timeout", "TIME", "stop waiting after a time like 60 or 2m (exit 75); the stop continues"),
    ),
    "restart": Action(
        "replace the supervisor and the environment of later jobs, without ending a job",
        "queuectl worker restart",
        ("--count", "N", "number of workers (default: unchanged)"),
    ),
    "scale": Action(
        "set the number of workers of the running supervisor",
        "queuectl worker scale 5",
        ("count", "N", "number of workers, from 0"),
    ),
}
RESTART_WITHIN_S = 30.0
"""The longest time in seconds to wait until a service runs again."""

_FOR_FOREGROUND = ("--ready-fd", "--until-eof", "--log-output", "--log-format")


def run(queue: Queue, args: Arguments, screen: Screen) -> int:
    """Start, stop, restart or scale the supervisor, and return the exit status."""
    if args.action == "stop":
        return _stop(queue, args, screen)
    _change(queue, args, screen)
    return 0


def _change(queue: Queue, args: Arguments, screen: Screen) -> None:
    count = _wanted_count(args)
    if args.action == "scale":
        reply = queue.scale(count or 0)
        said = f"scaled to {counted(reply['workers'], 'worker')} (was {reply['before']})"
        return screen.done({"workers": reply["workers"]}, said)
    if args.action == "restart":
        return _restart(queue, count, screen)
    if args.foreground or args.exit_when_empty:
        return _start_in_foreground(queue, 1 if count is None else count, args)
    for flag in _FOR_FOREGROUND:
        if getattr(args, flag[2:].replace("-", "_")):
            raise InvalidInput(what=f"{flag} requires --foreground")
    return _start(queue, count or 1, screen)


def _wanted_count(args: Arguments) -> int | None:
    """Return the number of workers that a call names, or None.

    Raises: InvalidInput.
    """
    counts = [text for text in (args.count, vars(args).get("workers")) if text is not None]
    if len(counts) > 1:
        raise InvalidInput(what="name the number of workers once")
    is_background = args.action == "start" and not args.foreground
    return _count(counts[0], int(is_background)) if counts else None


def _start(queue: Queue, count: int, screen: Screen) -> None:
    """Start a supervisor in the background, or add the workers to a running one.

    If another start is faster, this call adds its workers to that supervisor.
    """
    from ...supervisor import daemon

    queue.home.prepare()
    for is_last_try in (False, True):
        if _add_workers(queue, count, screen):
            return
        try:
            pid = daemon.start(queue.home, count)
            break
        except Busy:
            if is_last_try:
                raise
    said = f"started {counted(count, 'worker')}, supervisor pid {pid}"
    screen.done({"workers": count, "added": False, "pid": pid}, said)


def _add_workers(queue: Queue, count: int, screen: Screen) -> bool:
    """Add workers to the running supervisor, and return whether one runs."""
    try:
        total = queue.scale(count, add=True)["workers"]
    except NoSupervisor:
        return False
    said = f"added {counted(count, 'worker')} to the running supervisor; {total} in total"
    screen.done({"workers": total, "added": True}, said)
    return True


def _start_in_foreground(queue: Queue, count: int, args: Arguments) -> None:
    ready_fd = None if args.ready_fd is None else _descriptor(args.ready_fd)
    foreground = _foreground(args)
    from ...supervisor import daemon

    report = daemon.report_once(ready_fd) if ready_fd is not None else lambda answer: None
    if queue.status()["supervisor"] is not None:
        advice = "change its workers with `queuectl worker scale N`"
        refusal = NothingToDo(what=f"a supervisor is already running for {queue.home.path}; {advice}")
        report({"error": {"code": refusal.code, "fields": refusal.fields}})
        raise refusal
    queue.close()
    daemon.run(queue.home, count, report, foreground)


def _foreground(args: Arguments) -> Foreground:
    from ...model.log_lines import FORMATS, TEXT
    from ...supervisor.foreground import Foreground

    if args.log_format not in (None, *FORMATS):
        raise InvalidInput(what=f"--log-format needs text or json, not {args.log_format[:40]!r}")
    if args.quiet and args.log_output:
        raise InvalidInput(what="--quiet and --log-output cannot be used together")
    ends = bool(args.until_eof), bool(args.exit_when_empty)
    return Foreground(*ends, not args.quiet, bool(args.log_output), args.log_format or TEXT)


def _stop(queue: Queue, args: Arguments, screen: Screen) -> int:
    from ...system import lockfile, pidfile

    timeout_s = None if args.timeout is None else seconds_of(args.timeout, "--timeout")
    if not queue.home.exists() or not lockfile.is_held(queue.home.lock):
        raise NoSupervisor(home=queue.home.path)
    pid = pidfile.read(queue.home.pid_file) or _pid_as_told(queue)
    if pid is None:
        raise Busy(what=f"a supervisor of {queue.home.path} is starting or stopping")
    # A job that waits here would wait for itself.
    if queue.home.job_inside(os.environ) and not args.now:
        queue.stop()
        screen.done({"pid": pid}, "stopping; this job may finish first")
        return 0
    running = _running(queue)
    if running and not (screen.json or screen.quiet):
        screen.note(_waited_for(running, args.now))
    _ask_to_stop(queue, pid, args.now)
    try:
        with Progress("running jobs have ended", quiet=args.quiet or screen.json) as progress:
            if running and progress.is_live:
                _show_ends(queue, running, timeout_s, progress)
            _wait_for_end(queue, pid, timeout_s, progress.begun_s)
    except KeyboardInterrupt:
        screen.note("interrupted; the stop continues, and ends after the running jobs (--now ends them)")
        return 130
    screen.done({"pid": pid}, "stopped")
    return 0


def _pid_as_told(queue: Queue) -> int | None:
    """Return the PID that the supervisor reports, or None without an answer; its PID file is gone."""
    try:
        queue.deadline_s = 5.0
        supervisor = queue.status()["supervisor"]
    except QueueError:
        return None
    return None if supervisor is None else supervisor["pid"]


def _restart(queue: Queue, count: int | None, screen: Screen) -> None:
    """Replace the supervisor by a new one, without ending a job.

    The old one leaves at once. Its workers finish their jobs, and the new one adopts them.
    """
    from ...supervisor import daemon

    daemon.refuse_inside_a_run()
    socket = _age_of(queue.home.socket)
    old = queue.leave_to_next(count)
    count = old["workers"] if count is None else count
    if old["in_place"]:
        return _restart_service(queue, socket, count, screen)
    try:
        _wait_for_end(queue, old["pid"], None, time.monotonic())
    except KeyboardInterrupt:
        screen.note("the old supervisor ends, and its jobs continue; to start a new one, use `queuectl worker start`")
        raise
    pid = daemon.start(queue.home, count)
    said = f"restarted with {counted(count, 'worker')}, supervisor pid {pid}"
    screen.done({"workers": count, "pid": pid}, said)
    if not screen.quiet and queue.settings().get("environment") != "submit":
        screen.note("jobs that start from now on have the environment of this call")


def _restart_service(queue: Queue, socket: int | None, count: int, screen: Screen) -> None:
    """Wait until the supervisor of a service has replaced its socket, which had this age.

    Raises: Busy.
    """
    deadline_s, pause_s = time.monotonic() + RESTART_WITHIN_S, 0.005
    while _age_of(queue.home.socket) in (socket, None):
        if time.monotonic() >= deadline_s:
            raise Busy(what=f"the service has not started again within {RESTART_WITHIN_S:g} s; see its log")
        time.sleep(pause_s)
        pause_s = min(0.1, pause_s * 1.5)
    pid = _pid_as_told(queue)
    screen.done({"workers": count, "pid": pid}, f"restarted the service with {counted(count, 'worker')}, pid {pid}")


def _age_of(path: str) -> int | None:
    """Return when the file at a path was made, in ns, or None without one."""
    try:
        return os.stat(path).st_ctime_ns
    except FileNotFoundError:
        return None


def _running(queue: Queue) -> list[str]:
    """Return the IDs of the jobs that the workers run, as far as the supervisor answers."""
    try:
        queue.deadline_s = 5.0
        return [worker["job"] for worker in queue.status()["workers"] if worker["job"]]
    except QueueError:
        return []


def _waited_for(running: list[str], now: bool) -> str:
    what = "running job" if len(running) == 1 else f"{len(running)} running jobs"
    more = ", …" if len(running) > 5 else ""
    return f"{'ending' if now else 'waiting for'} {what}: {', '.join(running[:5])}{more}"


def _show_ends(queue: Queue, running: list[str], timeout_s: float | None, progress: Progress) -> None:
    """Show the progress of the running jobs until none runs, or the supervisor no longer answers."""
    try:
        queue.wait_idle(running, timeout_s, watch_of(progress))
    except QueueError:
        pass


def _ask_to_stop(queue: Queue, pid: int, now: bool) -> None:
    """Ask the supervisor to stop, by signal if it does not answer on its socket.

    On the socket, a repeated request has no further effect.
    """
    from ...system import lockfile, pidfile

    try:
        queue.stop(now)
    except (NoSupervisor, Busy):
        # Two signals mean --now; without a pause, they could merge into one.
        for _ in range(2 if now else 1):
            if not lockfile.is_held(queue.home.lock) or pidfile.read(queue.home.pid_file) != pid:
                break  # it has ended meanwhile
            os.kill(pid, signal.SIGTERM)
            time.sleep(0.3)
    queue.close()


def _wait_for_end(queue: Queue, pid: int | None, timeout_s: float | None, begun_s: float) -> None:
    """Wait until the writer lock is free, or another supervisor holds it.

    By then, the old supervisor has written everything. The timeout counts from `begun_s`.
    """
    from ...system import lockfile, pidfile

    deadline_s = None if timeout_s is None else begun_s + timeout_s
    pause_s = 0.005
    while lockfile.is_held(queue.home.lock):
        if deadline_s is not None and time.monotonic() >= deadline_s:
            fault = Busy(what=f"still stopping after {timeout_s:g} s; the stop continues")
            fault.hint = "run `queuectl worker stop` again to wait, or add --now to end running jobs"
            raise fault
        time.sleep(pause_s)
        if pidfile.read(queue.home.pid_file) not in (pid, None):
            return
        pause_s = min(0.1, pause_s * 1.5)


def _count(text: str, least: int) -> int:
    return whole_number(text, "the number of workers", least, MAX_WORKERS)


def _descriptor(text: str) -> int:
    """Return the number of a descriptor that is open for writing.

    The check comes before we open any file, because that file could get this number.
    """
    try:
        if text.isascii() and text.isdigit() and fcntl.fcntl(int(text), fcntl.F_GETFL) & os.O_ACCMODE:
            return int(text)
    except (OSError, OverflowError):
        pass
    raise InvalidInput(what=f"--ready-fd needs the number of a descriptor open for writing, not {text[:40]!r}")
