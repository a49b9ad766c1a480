"""`queuectl events`: the events of a home, one JSON object per line."""

from __future__ import annotations

from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = """Prints events, one JSON object per line, with `seq`, `event`, `at` and details. `seq` keeps counting across
restarts: after you read event N, continue with --since N. Exit 1 means that some of those events are gone."""
EXAMPLES = ["queuectl events --since 0", "queuectl events --follow --since 1041", "queuectl events --follow"]
LOOK_EVERY_S = 0.2


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    parser.add_argument(
        "-f", "--follow", action="store_true", help="keep printing new events, from now or from --since"
    )
    parser.add_argument("--since", metavar="SEQ", help="print only events after this number (default: all events kept)")


def run(args: Namespace, screen: Screen) -> int:
    """Print the events, with --follow until an interrupt, and return the exit status."""
    import time

    from ...api import Queue
    from ...storage import journal_reader
    from ..screen import flush

    with Queue(args.home, notice=screen.note) as queue:
        folder = journal_reader.journal_folder(queue.home)
        after = _since(args.since, journal_reader.first_known(folder) - 1)
        if args.follow and args.since is None:
            after = max((one["seq"] for one in journal_reader.read(folder, after)), default=after)
        while True:
            for one in journal_reader.read(folder, after):
                screen.value_line(one)
                after = one["seq"]
            if not args.follow:
                return 0
            flush()
            time.sleep(LOOK_EVERY_S)


def _since(text: str | None, otherwise: int) -> int:
    from ...errors import InvalidInput

    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidInput(what=f"--since must be an event number, not {text[:40]!r}")
    return int(text)
