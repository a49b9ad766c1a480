"""Main: the entry point, which runs one command and turns each failure into one line and an exit status.

It knows the names of the commands, but not what they do.
Warning: every call of every command pays for each import in this module.
"""

from __future__ import annotations

import gc
import os
import sys

from .. import errors
from ..errors import InvalidInput, QueueError, UnknownJob
from . import fast_args
from .screen import Screen, flush, tell, write

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from ..api import Queue

COMMANDS: dict[str, tuple[str, str]] = {
    "enqueue": ("job_commands.enqueue", "add one job, many, or a file of jobs"),
    "run": ("job_commands.run", "run a job, print its output, exit with its status"),
    "worker": ("home_commands.worker", "start, stop, restart or scale the workers"),
    "status": ("home_commands.status", "count jobs by state and show the workers"),
    "summary": ("home_commands.summary", "sum up what ran, failed and was retried"),
    "list": ("job_commands.list", "list jobs"),
    "show": ("job_commands.show", "show jobs with all their attempts"),
    "why": ("job_commands.why", "explain the state of a job, in one sentence"),
    "graph": ("job_commands.graph", "show which jobs wait for which others"),
    "history": ("job_commands.history", "show what happened to a job, in words"),
    "events": ("home_commands.events", "print all events as JSON lines"),
    "top": ("home_commands.top", "watch workers, queues and jobs, and act on them"),
    "metrics": ("home_commands.metrics", "print metrics for Prometheus"),
    "health": ("home_commands.health", "tell whether a supervisor accepts work"),
    "web": ("home_commands.web", "serve a web page of this home"),
    "logs": ("job_commands.logs", "print the output of jobs"),
    "wait": ("job_commands.wait", "wait until jobs finish"),
    "cancel": ("job_commands.change", "cancel waiting or running jobs"),
    "retry": ("job_commands.change", "run waiting jobs now, or dead ones again"),
    "edit": ("job_commands.change", "change waiting or dead jobs"),
    "move": ("job_commands.order", "move a waiting job to the front, the back or a place"),
    "switch": ("job_commands.order", "let two waiting jobs take each other's place"),
    "rm": ("job_commands.change", "remove jobs permanently"),
    "prune": ("home_commands.prune", "remove old finished jobs"),
    "suspend": ("job_commands.change", "suspend running jobs"),
    "continue": ("job_commands.change", "continue suspended jobs"),
    "queue": ("home_commands.queue", "list, limit or pause named queues"),
    "schedule": ("home_commands.schedule", "add, list or pause recurring jobs"),
    "pause": ("home_commands.pause", "stop starting jobs"),
    "resume": ("home_commands.pause", "start jobs again"),
    "drain": ("home_commands.drain", "stop starting jobs and wait until none runs"),
    "dlq": ("job_commands.dlq", "list, retry or purge dead jobs"),
    "export": ("home_commands.export", "print jobs as JSON lines for another home"),
    "import": ("home_commands.import_", "add jobs from another home"),
    "backup": ("home_commands.backup", "write a home to one file while it runs"),
    "restore": ("home_commands.restore", "fill a new home from a backup"),
    "doctor": ("home_commands.doctor", "check this home, or recover a damaged one"),
    "config": ("home_commands.config", "set, get, list or unset defaults"),
    "service": ("home_commands.service", "run the supervisor as a service of systemd or launchd"),
    "completion": ("home_commands.completion", "complete words in bash, zsh and fish"),
}
"""The module of every command, and its line in the help."""

HIDDEN = {"__complete": "shell.complete"}
"""The modules of the commands that only programs call."""

TOLD = ""
"""The command of a call that only asks for help or for the version."""

_SWITCHES = {flag: name for name in ("json", "quiet") for flag in fast_args.spellings(f"--{name}")}

USAGE = """usage: queuectl [--home DIR] [--json] [--quiet] COMMAND …

A job queue on this machine. Runs shell commands in the background, retries
failed jobs, keeps the jobs that fail for good, and never loses one.

commands (default: status):
{commands}

options (before or after the command):
  --home DIR   home: folder that holds the jobs (default: $QUEUECTL_HOME,
               $XDG_STATE_HOME/queuectl or ~/.local/state/queuectl)
  -j, --json   print one JSON value, for programs
  -q, --quiet  print only data, warnings and errors
  -V, --version
               print the version
  -h, --help   print this help; `queuectl COMMAND --help` has details, examples

more help: queuectl help TOPIC
  {topics}

get started:
  queuectl enqueue -- sleep 2
  queuectl worker start --count 2
  queuectl status
"""


def main() -> None:
    """Run the command in `sys.argv`, and end the process."""
    if sys.path[:1] == [os.path.dirname(os.path.realpath(sys.argv[0]))]:
        del sys.path[0]  # files beside an installed command must not replace modules of Python
    gc.set_threshold(10_000, 10, 1000)  # most commands end before they have garbage
    _open_missing_streams()
    os.umask(os.umask(0o077) & 0o077)  # our own rights stay, or we could not open our files again
    status = run(sys.argv[1:])
    try:
        sys.stderr.flush()
    except OSError:  # nobody can read the message
        pass
    os._exit(status)  # all output is written, and an orderly exit would cost 2 ms


def run(argv: list[str]) -> int:
    """Run the command that the arguments name, and return its exit status."""
    try:
        status = _run(argv)
        flush()
        return status
    except BrokenPipeError:
        # The reader has closed the pipe (`| head`): exit silently, as a process killed by SIGPIPE.
        _silence_stdout()
        return 141
    except (Exception, KeyboardInterrupt) as fault:
        text, status = _message_of(fault)
        _complain(text)
        return status


def _message_of(fault: BaseException) -> tuple[str, int]:
    """Return the message and the exit status for an exception."""
    if isinstance(fault, KeyboardInterrupt):
        return "interrupted", 130
    if isinstance(fault, UnicodeEncodeError):
        return f"{fault.object!r:.100} cannot be a path in this locale ({fault.encoding}); use a UTF-8 locale", 1
    if isinstance(fault, FileNotFoundError) and not fault.filename:  # for a relative path
        text = "the current folder no longer exists; change to another, or use absolute paths"
        return text, InvalidInput.exit_status
    if isinstance(fault, OSError):
        return errors.in_words(fault), 1
    if isinstance(fault, ImportError):
        from ..system.interpreter import lacks

        fault = lacks(fault)
    refusal = fault if isinstance(fault, QueueError) else errors.unforeseen(fault)
    return str(refusal), refusal.exit_status


def _run(argv: list[str]) -> int:
    streams: tuple[Any, ...] = (sys.stdout, sys.stderr)
    for stream in streams:
        stream.reconfigure(errors="backslashreplace")
    if sys.getfilesystemencoding() != "utf-8":
        argv = [_as_utf8(word) for word in argv]
    options, name, rest = _split(argv)
    if name not in COMMANDS and name not in HIDDEN:
        name, rest = _without_command(name, rest)
    if name == TOLD:
        return 0
    if sys.implementation.name != "cpython":
        from ..system.interpreter import check

        check()
    command = command_of(name)
    args = fast_args.parse(command, rest, options)
    if args is None:
        from .arguments import parse

        args = parse(name, command, rest, options, _commands_with)
    from ..api import Queue

    screen = Screen(args.json, args.quiet)
    with Queue(args.home, notice=screen.note) as queue:
        queue.say_if_slow(screen.note)
        try:
            return _status_of(command, queue, name, args, screen)
        except QueueError as refusal:
            _name_options(refusal, args)
            raise


def _status_of(command: Any, queue: Queue, name: str, args: fast_args.Arguments, screen: Screen) -> int:
    """Run a command, once more with whole IDs if it names jobs by the beginnings, and return its exit status."""
    try:
        status: int = command.run(queue, args, screen) or 0
    except UnknownJob:  # the command has done nothing, so it can run again with the whole IDs
        from .filters import complete_ids

        if not complete_ids(queue, name, args):
            raise
        status = command.run(queue, args, screen) or 0
    return status


def _name_options(refusal: QueueError, args: fast_args.Arguments) -> None:
    """Let the message of a refusal name options of the call instead of the fields that they set."""
    from .job_options import in_options

    said = in_options(str(refusal), args)
    refusal.text, refusal.hint = said.replace("{", "{{").replace("}", "}}"), ""


def command_of(name: str) -> Any:
    """Return what defines a command: its module, or its entry in the `COMMANDS` of a module of several."""
    # The import of importlib costs half a millisecond.
    module = __import__(f"{__package__}.{HIDDEN.get(name) or COMMANDS[name][0]}", fromlist=["run"])
    return module.COMMANDS[name] if hasattr(module, "COMMANDS") else module


def _as_utf8(word: str) -> str:
    """Return a word as UTF-8, whatever the locale, because the text of a job always is UTF-8."""
    try:
        return os.fsencode(word).decode("utf-8")
    except UnicodeError:
        return word


def definitions() -> Iterator[tuple[str, Any]]:
    """Yield what defines each command, or each action of a group like `worker`, and the words that call it."""
    for name in COMMANDS:
        command = command_of(name)
        for action, definition in getattr(command, "ACTIONS", {"": command}).items():
            yield f"{name} {action}".strip(), definition


def _commands_with(flag: str, known: Sequence[str]) -> list[str]:
    """Return the commands with an option, those first that share most of the `known` options, then `list`."""
    parsers = ((words, fast_args.Parser(definition)) for words, definition in definitions())
    having = [(parser.shared(known), words) for words, parser in parsers if parser.knows(flag)]
    return [words for _, words in sorted(having, key=lambda pair: (-pair[0], pair[1] != "list"))]


def usage() -> str:
    """Return the help that lists all commands."""
    from .guidance.topics import TOPICS

    width = max(map(len, COMMANDS))
    lines = (f"  {name:{width}}   {said}" for name, (_, said) in COMMANDS.items())
    return USAGE.format(commands="\n".join(lines), topics=", ".join(TOPICS))


def _without_command(name: str, rest: list[str]) -> tuple[str, list[str]]:
    """Return the command and its words for another name, or print what the call asks for and return `TOLD`.

    Raises: InvalidInput.
    """
    from .guidance.aliases import meaning, unknown_command
    from .guidance.topics import TOPICS

    if name == "help":
        name, rest = (rest[0], [*rest[1:], "--help"]) if rest else ("--help", [])
        if name in TOPICS:
            write(TOPICS[name])
            return TOLD, []
    name, *rest = [*(meaning(name) or [name]), *rest]
    if name == "--help":
        write(usage())
    elif name == "--version":
        from .. import __version__

        write(f"queuectl {__version__}\n")
    elif name in COMMANDS:
        return name, rest
    else:
        raise InvalidInput(what=unknown_command(name, COMMANDS))
    return TOLD, []


def _split(argv: list[str]) -> tuple[dict[str, object], str, list[str]]:
    """Return the options before the command, the command (default: `status`), and the words after it."""
    options: dict[str, object] = {"home": None, "json": False, "quiet": False}
    words = iter(argv)
    for word in words:
        if word in _SWITCHES:
            options[_SWITCHES[word]] = True
        elif word == "--home":
            options["home"] = next(words, "")
        elif word.startswith("--home="):
            options["home"] = word[7:]
        elif word in ("-h", "--help"):
            return options, "--help", []
        elif word in ("-V", "--version"):
            return options, "--version", []
        elif word.startswith("-"):
            from .guidance.guesses import before_command

            raise InvalidInput(what=before_command(word, [*_SWITCHES, "--home", "--help", "--version"]))
        else:
            return options, word, list(words)
    return options, "status", []


def _complain(text: str) -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _silence_stdout()
    tell(f"queuectl: {text}")


def _open_missing_streams() -> None:
    """Open descriptors 0, 1 and 2 if the process started without them.

    Cron and service managers can start it that way. Otherwise, the next file that it opens would
    take their place.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            while os.open(os.devnull, os.O_RDWR) < descriptor:
                pass
            setattr(sys, name, open(descriptor, "r" if name == "stdin" else "w", closefd=False))


def _silence_stdout() -> None:
    """Redirect stdout to /dev/null, so that the flush of the interpreter at exit cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
