"""`queuectl edit`: jobs that do not run become other ones."""

from __future__ import annotations

from ..errors import InvalidInput
from .jobflags import add_job_flags, job_fields
from .render import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = """Changes jobs that wait, or are dead: their command, their priority, whatever `enqueue` can say but id,
key and --after. An empty value takes an option back; --delay 0 runs it now."""
EXAMPLES = [
    "queuectl edit job1 --priority 10",
    "queuectl edit job1 --command 'make -j8' --timeout 1h",
    'queuectl edit job1 --queue ""',
]


def add_arguments(parser: ArgumentParser) -> None:
    parser.usage = "queuectl edit [options] ID …"
    parser.add_argument("ids", nargs="*", metavar="ID", help="the jobs")
    parser.add_argument("--command", metavar="TEXT", help="another shell command line")
    add_job_flags(parser)


def run(args: Namespace, screen: Screen) -> int:
    from ..api import Queue

    if not args.ids:
        raise InvalidInput(what="name the jobs to edit")
    fields = {name: None if value == "" else value for name, value in job_fields(args).items()}
    if args.command is not None:
        fields["command"] = args.command
    with Queue(args.home, notice=screen.note) as queue:
        ids = queue.edit(args.ids, fields)
    if screen.json:
        screen.value({"ids": ids, "count": len(ids)})
    else:
        screen.line(f"{len(ids)} {'job is' if len(ids) == 1 else 'jobs are'} changed")
    return 0
