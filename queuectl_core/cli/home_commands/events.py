"""`queuectl events`: the events of a home, one JSON object per line."""

from __future__ import annotations

import time

from ...api import Queue
from ...storage import journal_reader
from ...timestamps import utc
from ..fast_args import Arguments
from ..filters import instant_ms
from ..screen import Screen, flush
from ..value_args import whole_number

HAS_JSON = False
SUMMARY = """Prints events, one JSON object per line, with `seq`, `event`, `at` and details. `seq` keeps counting across
restarts: after you read event N, continue with --since N. Exit 1 means that some of those events are gone."""
EXAMPLES = ["queuectl events --since 0", "queuectl events --follow --since 1041", "queuectl events --follow"]
OPTIONS = (
    ("--follow", "", "keep printing new events, from now or from --since"),
    ("--since", "SEQ", "print only events after this number, or since 2h, 18:30 … (default: all events kept)"),
)
LOOK_EVERY_S = 0.2


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the events, with --follow until an interrupt."""
    folder = journal_reader.journal_folder(queue.home)
    after = journal_reader.first_known(folder) - 1
    if args.since is not None:
        after = whole_number(args.since, "--since") if args.since.isdigit() else _before(folder, args.since)
    elif args.follow:
        after = max((event["seq"] for event in journal_reader.read(folder, after)), default=after)
    while True:
        for event in journal_reader.read(folder, after):
            screen.value_line(event)
            after = event["seq"]
        if not args.follow:
            return
        flush()
        time.sleep(LOOK_EVERY_S)


def _before(folder: str, text: str) -> int:
    """Return the number of the last event before a time.

    Raises: InvalidInput.
    """
    since = utc(instant_ms(text, "--since"))
    after = journal_reader.first_known(folder) - 1
    for event in journal_reader.read(folder, after):
        if event["at"] >= since:
            break
        after = event["seq"]
    return after
