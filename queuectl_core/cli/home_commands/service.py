"""`queuectl service`: a supervisor that the system starts at each login or boot, by systemd or launchd."""

from __future__ import annotations

import os
import re
import sys

from ...api import Queue
from ...errors import InvalidInput, NothingToDo
from ...home import expanded
from ...model.settings import MAX_WORKERS
from ..fast_args import Action, Arguments
from ..screen import Screen, write
from ..value_args import whole_number

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ..shell.service_files import Service

SUMMARY = """Runs the supervisor as a service of your user, by systemd (Linux) or launchd (macOS). The service starts
with your session, and again after a failure. A stop waits for running jobs, and a failure does not end them."""
EXAMPLES = ["queuectl service install --count 4", "queuectl service print", "queuectl service status"]
_NAME = ("--name", "NAME", "name of the service (default: queuectl); each home needs its own")
_COUNT = ("--count", "N", "number of workers (default: 1)")
ACTIONS = {
    "install": Action("write the service, and start it now and at each login", EXAMPLES[0], _COUNT, _NAME),
    "uninstall": Action("stop the service after its jobs, and remove it", "queuectl service uninstall", _NAME),
    "status": Action("show whether it is installed and runs (exit 1 if not)", "queuectl service status", _NAME),
    "print": Action(
        "print what `install` writes",
        "queuectl service print --count 4",
        _COUNT,
        _NAME,
        ("--for", "SYSTEM", "systemd or launchd (default: that of this system)"),
        HAS_JSON=False,
    ),
}
SYSTEMS = ("systemd", "launchd")


def run(queue: Queue, args: Arguments, screen: Screen) -> int:
    """Install, remove, show or print the service, and return the exit status."""
    name = "queuectl" if args.name is None else args.name
    if not re.fullmatch(r"queuectl(-[\w.-]{1,60})?", name, re.ASCII):
        raise InvalidInput(what=f"the name of a service is queuectl, or begins with queuectl-, not {name[:40]!r}")
    system = vars(args).get("for") or ("launchd" if sys.platform == "darwin" else "systemd")
    if system not in SYSTEMS:
        raise InvalidInput(what=f"--for needs systemd or launchd, not {system[:40]!r}")
    if args.action == "status":
        return _status(queue, _Manager(system, name), screen)
    if args.action == "uninstall":
        _uninstall(queue, _Manager(system, name), screen)
        return 0
    text = _text_of(_service(queue, name, args, system), system)
    if args.action == "print":
        write(text)
        return 0
    return _install(queue, _Manager(system, name), text, screen)


class _Manager:
    """The service manager of this user, and the file of one service in it."""

    def __init__(self, system: str, name: str) -> None:
        self.is_systemd = system == "systemd"
        self.name = name
        config = os.environ.get("XDG_CONFIG_HOME", "")
        units = os.path.join(config if os.path.isabs(config) else expanded("~/.config"), "systemd", "user")
        agents = expanded("~/Library/LaunchAgents")
        self.path = os.path.join(*((units, f"{name}.service") if self.is_systemd else (agents, f"{name}.plist")))
        domain = f"gui/{os.getuid()}"
        self.begin = [["launchctl", "bootstrap", domain, self.path]]
        self.end = [["launchctl", "bootout", f"{domain}/{name}"]]
        self.look = ["launchctl", "print", f"{domain}/{name}"]
        if self.is_systemd:
            user = ["systemctl", "--user"]
            self.begin = [[*user, "daemon-reload"], [*user, "enable", "--now", f"{name}.service"]]
            self.end = [[*user, "disable", "--now", f"{name}.service"]]
            self.look = [*user, "is-active", f"{name}.service"]

    def text(self) -> str | None:
        """Return the text of the file, or None without one.

        Raises: OSError.
        """
        try:
            with open(self.path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def check_ours(self, home: str) -> bool:
        """Return whether the file is there. Refuse a file of another home, or one that somebody else wrote.

        Raises: NothingToDo, OSError.
        """
        from ..shell.service_files import is_for

        text = self.text()
        if text is not None and not is_for(text, home):
            raise NothingToDo(what=f"{self.path} is not the service of {home}; choose another name with --name")
        return text is not None


def _service(queue: Queue, name: str, args: Arguments, system: str) -> Service:
    """Return the service that the call describes. systemd keeps what it says about jobs; launchd has only a file."""
    from ...supervisor.foreground import Foreground
    from ...supervisor.invocation import words_of
    from ..shell.service_files import Service

    count = 1 if args.count is None else whole_number(args.count, "the number of workers", 1, MAX_WORKERS)
    words = words_of(queue.home, count, Foreground(log_jobs=system == "systemd"))
    return Service(name, queue.home.path, words, os.environ.get("PATH", os.defpath), queue.home.supervisor_log)


def _text_of(service: Service, system: str) -> str:
    from ..shell.service_files import property_list, unit

    return unit(service) if system == "systemd" else property_list(service).decode()


def _install(queue: Queue, manager: _Manager, text: str, screen: Screen) -> int:
    """Write the file, and start the service. Return 1 if the service manager refuses."""
    is_there = manager.check_ours(queue.home.path)
    if not is_there and queue.status()["supervisor"] is not None:
        raise NothingToDo(what="a supervisor already runs; stop it first with `queuectl worker stop`")
    queue.home.prepare()
    _write(manager.path, text)
    if is_there and not manager.is_systemd:
        _run_all(manager.end)  # launchd loads no service twice
    failure = _run_all(manager.begin)
    if failure:
        screen.note(f"wrote {manager.path}, but could not start it: {failure}")
        return 1
    screen.done({"name": manager.name, "path": manager.path}, f"installed and started {manager.path}")
    if manager.is_systemd and not screen.quiet:
        screen.note("it runs while you are logged in; `loginctl enable-linger` lets it run from boot on")
        if is_there:
            screen.note(f"a running service keeps its settings until `systemctl --user restart {manager.name}`")
    return 0


def _uninstall(queue: Queue, manager: _Manager, screen: Screen) -> None:
    """Stop the service, and remove its file.

    Raises: NothingToDo, OSError.
    """
    if not manager.check_ours(queue.home.path):
        raise NothingToDo(what=f"no service is installed at {manager.path}")
    if not screen.quiet and any(worker["job"] for worker in queue.status()["workers"]):
        screen.note("waiting for running jobs; `queuectl worker stop --now` ends them")
    failure = _run_all(manager.end)
    if failure:
        raise NothingToDo(what=f"could not stop {manager.name}: {failure}; {manager.path} stays")
    os.unlink(manager.path)
    if manager.is_systemd:
        _run_all(manager.begin[:1])
    screen.done({"name": manager.name, "path": manager.path}, f"removed {manager.path}")


def _status(queue: Queue, manager: _Manager, screen: Screen) -> int:
    """Print whether the service is there and runs, and return 0 if it runs."""
    is_there = manager.check_ours(queue.home.path)
    failure = _run_all([manager.look]) if is_there else "not installed"
    value = {"name": manager.name, "path": manager.path, "installed": is_there, "active": not failure}
    state = "runs" if not failure else f"does not run ({failure})"
    screen.result(value, f"{manager.name} {state}; {manager.path}" if is_there else f"no service at {manager.path}")
    return 0 if value["active"] else 1


def _write(path: str, text: str) -> None:
    """Write a file of this user, whole or not at all.

    Raises: OSError.
    """
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    half = f"{path}.{os.getpid()}"
    with open(half, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(half, path)


def _run_all(calls: list[list[str]]) -> str:
    """Run these programs in order, and return what the first one that fails says, or an empty text."""
    import subprocess

    for call in calls:
        try:
            done = subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        except OSError as fault:
            return f"{call[0]}: {fault.strerror}"
        if done.returncode:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().partition("\n")[0]
            return said or f"{call[0]} exited with {done.returncode}"
    return ""
