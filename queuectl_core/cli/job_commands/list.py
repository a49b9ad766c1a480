"""`queuectl list`: jobs as a table, as JSON, or as lines of a template."""

from __future__ import annotations

from ...api import Queue
from ..fast_args import Arguments, Parser
from ..filters import add_filters, chosen_by
from ..screen import Screen, write
from ..tables import COLUMNS, TABLE_LIMIT, View, add_limit, note_shortage

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


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command to the parser."""
    add_limit(parser)
    parser.add_argument("--sort", metavar="FIELD", help="sort by a field, like created_at")
    parser.add_argument("--reverse", action="store_true", help="with --sort: largest first")
    parser.add_argument("--columns", metavar="A,B", help="fields to show, like id,state,queue,command")
    help = "template for one line per job, with {id}, {state}, {command} …"
    parser.add_argument("--format", metavar="TEXT", help=help)
    parser.add_argument("--watch", action="store_true", help="refresh every 2 s until Ctrl-C")
    add_filters(parser)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the jobs that match, with --watch until an interrupt."""
    view, chosen = View(args, COLUMNS), chosen_by(args)
    while True:
        if args.watch and screen.is_terminal:
            write("\x1b[H\x1b[2J")
        view.show(queue, chosen, screen)
        note_shortage(queue, screen)
        if not args.watch:
            return
        import time

        time.sleep(WATCH_EVERY_S)
