"""`queuectl edit`: changes to jobs that do not run."""

from __future__ import annotations

from ...api import Queue
from ...errors import InvalidInput
from ..filters import add_care, change_these, wanted_of
from ..job_options import add_job_flags, job_fields
from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = """Changes waiting or dead jobs: any `enqueue` option except --id, --key and --after. An empty value resets an
option; --delay 0 makes a job run now."""
EXAMPLES = [
    "queuectl edit job1 --priority 10",
    "queuectl edit job1 --command 'make -j8' --timeout 1h",
    'queuectl edit job1 --queue ""',
]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    parser.usage = "queuectl edit [options] (ID … | --where FIELD=VALUE | --all)"
    parser.add_argument("ids", nargs="*", metavar="ID", help="IDs of the jobs")
    parser.add_argument("--where", metavar="F=V", action="append", help="jobs with state=, queue=, name=, tag.KEY= …")
    parser.add_argument("--all", action="store_true", help="all waiting and dead jobs")
    add_care(parser)
    parser.add_argument("--command", metavar="TEXT", help="new shell command line")
    add_job_flags(parser)


def run(args: Namespace, screen: Screen) -> int:
    """Change the selected jobs, and return the exit status."""
    fields = {name: None if value == "" else value for name, value in job_fields(args).items()}
    if args.command is not None:
        fields["command"] = args.command
    if not fields:
        raise InvalidInput(what="name a change, like --priority 10")

    def act(queue: Queue, ids: list[str], lenient: bool) -> list[str]:
        return queue.edit(ids, fields, lenient)

    return change_these(args, wanted_of(args.where or []), screen, ("pending", "failed", "dead"), act, "changed")
