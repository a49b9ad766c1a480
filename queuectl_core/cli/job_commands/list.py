"""`queuectl list`: jobs as a table, as JSON, or as lines of a template."""

from __future__ import annotations

from ...api import Queue
from ..filters import add_filters, wanted
from ..screen import Screen, write
from ..tables import TABLE_LIMIT, columns_of, key_of, limit_of, note_shortage, show

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = f"""Lists running, waiting and failed jobs in that order, then dead and completed jobs, newest first. A table
shows the first {TABLE_LIMIT} jobs and --json shows all, unless you set --limit. Filters other than --state read all
jobs, and so does --sort."""
EXAMPLES = [
    "queuectl list --state pending,failed --queue mail",
    "queuectl list --sort attempts --reverse --columns id,attempts,reason --limit 10",
    "queuectl list --format '{id} {state} {command}'",
    "queuectl list --watch",
]
WATCH_EVERY_S = 2.0


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    parser.add_argument(
        "--limit",
        metavar="N",
        type=limit_of,
        help=f"maximum number of jobs; 0 is all (default: {TABLE_LIMIT} in a table)",
    )
    parser.add_argument("--sort", metavar="FIELD", help="sort by a field, like created_at")
    parser.add_argument("--reverse", action="store_true", help="with --sort: largest first")
    parser.add_argument("--columns", metavar="A,B", help="fields to show, like id,state,queue,command")
    parser.add_argument(
        "--format", metavar="TEXT", help="template for one line per job, with {id}, {state}, {command} …"
    )
    parser.add_argument("--watch", action="store_true", help="refresh every 2 s until Ctrl-C")
    add_filters(parser)


def run(args: Namespace, screen: Screen) -> int:
    """Print the jobs that match, with --watch until an interrupt, and return the exit status."""
    columns = None if args.columns is None else columns_of(args.columns)
    sort = None if args.sort is None else key_of(args.sort, args.reverse)
    with Queue(args.home, notice=screen.note) as queue:
        chosen = wanted(args)
        if not args.watch:
            show(queue, chosen, args.limit, screen, columns, sort, args.format)
            note_shortage(queue, screen)
            return 0
        import time

        while True:
            if screen.is_terminal:
                write("\x1b[H\x1b[2J")
            show(queue, chosen, args.limit, screen, columns, sort, args.format)
            note_shortage(queue, screen)
            time.sleep(WATCH_EVERY_S)
