"""`queuectl web`: the web page of a home, and the metrics of a monitoring program."""

from __future__ import annotations

import os
import signal

from ...api import Queue
from ...errors import InvalidInput
from ..fast_args import Arguments, path_of
from ..screen import Screen, flush
from ..value_args import whole_number

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

    from ...web.start import Options, Started

CLOSE_WITHIN_S = 5.0
"""How long changes that run may take to end, in seconds."""

HAS_JSON = False
SUMMARY = """Serves a web page of this home until Ctrl-C, and prints its address first. The address
has a secret: who knows it can run commands as you. Unless you say otherwise, only your user on this
machine can connect."""
EXAMPLES = [
    "queuectl web --open",
    "queuectl web --read-only --port 8080",
    "queuectl web --socket ~/web.sock      then, elsewhere: ssh -L 8080:/home/me/web.sock HOST",
]
OPTIONS = (
    ("--open", "", "open the page in your browser"),
    ("--read-only", "", "show everything, change nothing"),
    ("--port", "N", "port (default: a free one)"),
    ("--socket", "PATH", "listen at a Unix socket that only you can use, instead of a port"),
    ("--base-path", "PATH", "path before all addresses, behind a proxy that keeps it"),
    (
        "--host",
        "ADDRESS",
        "IP address to listen at (default: 127.0.0.1); other machines need --allow-host too",
    ),
    (
        "--allow-host",
        "NAME…",
        "name and port in the address that browsers use, like hub.example.org, repeatable",
    ),
    (
        "--allow-user",
        "NAME…",
        "user of this machine who may connect too, like that of a proxy, repeatable",
    ),
)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Serve the page until an interrupt, and print its address first.

    Raises: InvalidInput.
    """
    options = _options(args)
    from ...web.start import start

    started = start(queue, options)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, _interrupt)
    files = []
    try:
        _announce(started, options, screen)
        if args.open:
            from ...web.browser import show

            files.append(show(started.address, screen.note))
        started.server.serve_forever(poll_interval=None)  # type: ignore[arg-type]  # None is no limit
    except KeyboardInterrupt:
        pass
    finally:
        _end(queue, started, files)
    if not screen.quiet:
        screen.note("stopped")


def _options(args: Arguments) -> Options:
    from ...web.start import LOCAL, Options

    if args.socket is not None and args.host is not None:
        raise InvalidInput(what="use either --socket or --host")
    return Options(
        port=0 if args.port is None else whole_number(args.port, "--port", 1, 65_535),
        socket=None if args.socket is None else os.path.expanduser(path_of(args.socket)),
        host=args.host or LOCAL,
        base_path=args.base_path or "",
        hosts=args.allow_host or (),
        users=args.allow_user or (),
        is_read_only=args.read_only,
    )


def _announce(started: Started, options: Options, screen: Screen) -> None:
    from ...web.start import LOCAL, tunnel_port

    screen.line(started.address)
    flush()
    if screen.quiet:
        return
    if options.socket:
        path, port = os.path.abspath(options.socket), tunnel_port(options)
        screen.note(
            f"from your own computer: ssh -L {port}:{path} HOST, then open the address above; Ctrl-C ends it"
        )
    else:
        screen.note("Ctrl-C ends it")
    if options.hosts and options.host != LOCAL:
        screen.note(
            "warning: without a proxy with TLS, everybody on the way can read the address and its secret"
        )


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _end(queue: Queue, started: Started, files: list[str]) -> None:
    """Close the server, and remove the files of this start."""
    from ...system.file_io import remove
    from ...web.tokens import forget

    started.server.server_close()
    started.server.site.context.close(CLOSE_WITHIN_S)
    for path in files:
        remove(path)
    forget(queue.home, started.tokens)
