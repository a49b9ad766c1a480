"""`queuectl enqueue`: new jobs from JSON, from words, or from a file of JSON lines, all or none."""

from __future__ import annotations

from ...api import Queue
from ...errors import InvalidInput, QueueError
from ..fast_args import Arguments
from ..job_options import NEW_JOB_FLAGS, job_fields, join, order_fields
from ..screen import Screen

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import Any

TAKES_WORDS = True

SUMMARY = """Adds one job or a file of jobs (all or none). Prints only the ID of each job; exit 0 means stored."""
EXAMPLES = [
    """queuectl enqueue '{"id": "job1", "command": "sleep 2"}'""",
    "queuectl enqueue -- make -j4 all",
    "queuectl enqueue --id nightly --max-retries 5 --command 'cd /srv && ./backup | gzip > b.gz'",
    "queuectl enqueue --file jobs.jsonl      one JSON object per line; - reads standard input",
]
USAGE = "queuectl enqueue [options] (JSON | --command TEXT | --file FILE | -- WORD …)"
OPTIONS = (
    ("job", "JSON…", "job as a JSON object, with fields named like the options"),
    ("--id", "ID", "ID of the job (default: generated)"),
    ("--command", "TEXT", "shell command line"),
    ("--file", "FILE", "file of jobs, one JSON object per line; - is standard input"),
    ("--dry-run", "", "show the job and its retry delays without adding it"),
)
JOB_FLAGS = NEW_JOB_FLAGS


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Add the jobs, and print their IDs."""
    _check_ways(args)
    if args.dry_run:
        return _preview(queue, args, screen)
    ids = _enqueue_file(queue, args.file) if args.file is not None else queue.enqueue_many([_wanted(args)])
    screen.result({"ids": ids}, "\n".join(ids))


def _preview(queue: Queue, args: Arguments, screen: Screen) -> None:
    if args.file is not None:
        raise InvalidInput(what="--dry-run shows one job and cannot be used with --file")
    jobs = queue.preview([_wanted(args)])
    if screen.json:
        return screen.value(jobs[0] if jobs else None)
    from ...timestamps import format_span
    from ..job_details import print_field

    for job in jobs:
        waits = ", ".join(format_span(round(wait_s * 1000)) for wait_s in job.pop("retries_after_s"))
        for name, value in job.items():
            print_field(name, value or None, screen)
        print_field("retries after", waits or "none", screen)
    if not jobs:
        screen.note("nothing would be added: a job with this ID, or an unfinished job with this key, exists")


def _check_ways(args: Arguments) -> None:
    if len(args.job) > 1 or (args.job and args.words is not None):
        raise InvalidInput(what="more than one word; quote the JSON, or put a command after --: enqueue -- sleep 5")
    ways = [args.job or None, args.command, args.file, args.words]
    if sum(way is not None for way in ways) != 1:
        raise InvalidInput(what="use exactly one of JSON, --command TEXT, --file FILE, or -- WORD …")
    fields = _flags(args) if args.file is not None else {}
    if fields:
        flag = next(iter(fields)).replace("_", "-")
        raise InvalidInput(what=f"--{flag} cannot be used with --file; set the field in each line")


def _wanted(args: Arguments) -> Any:
    if args.job:
        return _merge(_parse_job(args.job[0]), _flags(args))
    command = args.command if args.command is not None else join(args.words)
    return {"command": command, **_flags(args)}


def _flags(args: Arguments) -> dict[str, object]:
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
    from ..jsonl import Lines, opened
    from ..progress import Progress

    with opened(path) as file, Progress("jobs read; all are stored at the end") as progress:
        lines = Lines("standard input" if path == "-" else path, file)
        try:
            return queue.enqueue_lines(lines, progress=progress.show)
        except QueueError as refusal:
            raise lines.placed(refusal) from None
