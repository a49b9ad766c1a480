"""`queuectl list`: jobs as a table, as JSON, or as lines of a template."""

from __future__ import annotations

from ...api import Queue
from ..fast_args import Arguments
from ..filters import FILTERS, STATE, chosen_by
from ..screen import Screen
from ..tables import COLUMNS, LIMIT, TABLE_LIMIT, View, note_shortage

SUMMARY = f"""Lists running, waiting and failed jobs in that order, then dead and completed jobs, each newest first. A
table shows the first {TABLE_LIMIT} jobs and --json shows all, unless you set --limit. Filters other than --state read
all jobs, and so does --sort, which adds its field to the table. `queuectl summary` sums up what ran lately."""
FOR_A_WORD = "for one job, use `queuectl show {0}`; for a queue or a batch, use filters like --queue"
EXAMPLES = [
    "queuectl list --state pending,failed --queue mail",
    "queuectl list --sort duration --reverse --limit 10      slowest first",
    "queuectl list --state completed --sort memory --reverse --columns id,duration,cpu,memory",
    "queuectl list --ended-since 1d --csv > jobs.csv",
    "queuectl list --format '{id} {state} {command}'",
    "queuectl list --watch",
]
OPTIONS = (
    LIMIT,
    ("--sort", "FIELD", "sort by a field, like created_at or duration"),
    ("--reverse", "", "with --sort: largest, slowest or latest first"),
    ("--columns", "A,B", "fields to show, like id,state,exit_code,duration,command"),
    ("--format", "TEXT", "template for one line per job, with {id}, {state}, {command} …"),
    ("--csv", "", "print CSV, with seconds, bytes and times in UTC"),
    ("--markdown", "", "print a Markdown table"),
    ("--watch", "", "refresh every 2 s until Ctrl-C; fits the terminal"),
    STATE,
    *FILTERS,
)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the jobs that match, with --watch until an interrupt."""
    view, chosen = View(args, COLUMNS), chosen_by(args)

    def show() -> None:
        view.show(queue, chosen, screen)
        note_shortage(queue, screen)

    screen.watch(show) if args.watch else show()
