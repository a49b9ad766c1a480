"""`queuectl enqueue`: new jobs from JSON, from words, or from a file of JSON lines, all or none."""

from __future__ import annotations

from ...api import Queue
from ...errors import InvalidInput, QueueError
from ..fast_args import path_of
from ..job_options import ORDER_FLAGS, add_job_flags, job_fields, join, order_fields
from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any

TAKES_WORDS = True

SUMMARY = """Adds one job or a file of jobs (all or none). Prints only the ID of each job; exit 0 means stored."""
EXAMPLES = [
    """queuectl enqueue '{"id": "job1", "command": "sleep 2"}'""",
    "queuectl enqueue -- make -j4 all",
    "queuectl enqueue --id nightly --max-retries 5 --command 'cd /srv && ./backup | gzip > b.gz'",
    "queuectl enqueue --file jobs.jsonl      one JSON object per line; - reads standard input",
]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    parser.add_argument(
        "job", nargs="*", metavar="JSON", help="job as a JSON object, with fields named like the options"
    )
    parser.usage = "queuectl enqueue [options] (JSON | --command TEXT | --file FILE | -- WORD …)"
    parser.add_argument("--id", help="ID of the job (default: generated)")
    parser.add_argument("--command", metavar="TEXT", help="shell command line")
    parser.add_argument("--file", metavar="FILE", help="file of jobs, one JSON object per line; - is standard input")
    add_job_flags(parser, ORDER_FLAGS)
    parser.add_argument("--dry-run", action="store_true", help="show the job and its retry delays without adding it")


def run(args: Namespace, screen: Screen) -> int:
    """Add the jobs, print their IDs, and return the exit status."""
    _check_ways(args)
    with Queue(args.home, notice=screen.note) as queue:
        if args.dry_run:
            return _preview(queue, args, screen)
        ids = _enqueue_file(queue, args.file) if args.file is not None else queue.enqueue_many([_wanted(args)])
    if screen.json:
        screen.value({"ids": ids})
    else:
        screen.line("\n".join(ids))
    return 0


def _preview(queue: Queue, args: Namespace, screen: Screen) -> int:
    if args.file is not None:
        raise InvalidInput(what="--dry-run shows one job and cannot be used with --file")
    jobs = queue.preview([_wanted(args)])
    if screen.json:
        screen.value(jobs[0] if jobs else None)
        return 0
    from ...timestamps import format_span
    from ..screen import shown, visible

    for job in jobs:
        waits = job.pop("retries_after_s")
        for name, value in job.items():
            if value not in (None, [], ""):
                screen.line(f"{name:13} {visible(shown(value))}")
        shown_waits = ", ".join(format_span(round(wait_s * 1000)) for wait_s in waits)
        screen.line(f"{'retries after':13} {shown_waits or 'none'}")
    if not jobs:
        screen.note("nothing would be added: a job with this ID, or an unfinished job with this key, exists")
    return 0


def _check_ways(args: Namespace) -> None:
    if len(args.job) > 1 or (args.job and args.words is not None):
        raise InvalidInput(what="more than one word; quote the JSON, or put a command after --: enqueue -- sleep 5")
    ways = [args.job or None, args.command, args.file, args.words]
    if sum(way is not None for way in ways) != 1:
        raise InvalidInput(what="use exactly one of JSON, --command TEXT, --file FILE, or -- WORD …")
    fields = _flags(args) if args.file is not None else {}
    if fields:
        flag = next(iter(fields)).replace("_", "-")
        raise InvalidInput(what=f"--{flag} cannot be used with --file; set the field in each line")


def _wanted(args: Namespace) -> Any:
    if args.job:
        return _merge(_parse_job(args.job[0]), _flags(args))
    command = args.command if args.command is not None else join(args.words)
    return {"command": command, **_flags(args)}


def _flags(args: Namespace) -> dict[str, object]:
    flags = {
        "id": args.id,
        **order_fields(args),
        **job_fields(args),
    }
    return {name: value for name, value in flags.items() if value is not None}


def _merge(job: object, flags: dict[str, object]) -> object:
    twice = [name for name in flags if isinstance(job, dict) and name in job]
    if twice:
        raise InvalidInput(what=f"{twice[0]} is set in both the JSON and a flag; remove one")
    return {**job, **flags} if isinstance(job, dict) else job


def _parse_job(text: str) -> object:
    from ...model.job_text import parse

    try:
        return parse(text)
    except ValueError as fault:
        what = f"invalid JSON ({fault}): {text[:60]!r}"
        if not text.lstrip().startswith(("{", "[", '"')):
            import shlex

            what += f"; to run a command: queuectl enqueue -- {shlex.quote(text[:60])}"
        raise InvalidInput(what=what) from None


def _enqueue_file(queue: Queue, path: str) -> list[str]:
    import sys

    from ..jsonl import Lines
    from ..progress import Progress

    try:
        file = sys.stdin.buffer if path == "-" else open(path_of(path), "rb")
    except OSError as fault:
        raise InvalidInput(what=f"cannot read {path}: {fault.strerror}") from None
    except ValueError:  # a NUL, or a character that a file name cannot have
        raise InvalidInput(what=f"cannot read {path!a}: not a valid file name") from None
    with file, Progress("jobs read; all are stored at the end") as progress:
        lines = Lines("standard input" if path == "-" else path, file)
        try:
            return queue.enqueue_lines(lines, progress=progress.show)
        except QueueError as refusal:
            raise lines.placed(refusal) from None
