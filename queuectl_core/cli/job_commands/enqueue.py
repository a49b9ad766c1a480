"""`queuectl enqueue`: new jobs from JSON, from words, or from a file of JSON lines, all or none."""

from __future__ import annotations

import sys

from ...api import Queue
from ...errors import InvalidInput, InvalidJob, QueueError
from ..fast_args import Arguments
from ..job_options import NEW_JOB_FLAGS, job_fields, join, order_fields, variable_fields
from ..screen import Screen, counted

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import Any

    from ..jsonl import JobLines

TAKES_WORDS = True
_LIST_SIGNS = (":::", ":::+", "::::", "::::+")
PREVIEW_COMMANDS = 5
"""The number of commands that --dry-run shows of many jobs."""

SUMMARY = """Adds one job, or many (all or none), and prints only their IDs; exit 0 means stored. JSON is an object with
fields named like the options. For many jobs, {} is the value; without {}, --each-line
appends it."""
EXAMPLES = [
    """queuectl enqueue '{"id": "job1", "command": "sleep 2"}'""",
    "queuectl enqueue --id nightly --max-retries 5 --command 'cd /srv && ./backup | gzip > b.gz'",
    "ls *.log | queuectl enqueue --each-line -- gzip -k {}",
    "queuectl enqueue -- ./train.sh {1} --seed {2} ::: small large ::: 1 2 3",
    "queuectl enqueue --array 1-100:5 -- ./step.sh {}",
]
USAGE = "queuectl enqueue [options] (JSON | --command TEXT | --file FILE | -- WORD … [::: VALUE …])"
INSTEAD_OF = {
    "--index": "QUEUECTL_ARRAY_INDEX is the index of a job; to add only some, use --array 4,7",
}
OPTIONS = (
    ("job", "JSON…", ""),
    ("--id", "ID", "ID of the job (default: generated)"),
    ("--command", "TEXT", "shell command line"),
    ("--file", "FILE", "file of JSON jobs, one per line; - is standard input"),
    ("--dry-run", "", "show what would be added, without adding it"),
)
JOB_FLAGS = (
    ("--each-line", "FILE?", "one job per line"),
    ("--null", "", "lines end with NUL"),
    ("--array", "RANGES", "1-100, 0-9:3, 1,5"),
    ("--csv", "FILE", "one job per row"),
    ("--header", "", "row 1: {name} {size}"),
    ("--print", "WHAT", "ids | batch"),
    *NEW_JOB_FLAGS[:3],
    ("--after-tag", "K=V…", "after jobs so tagged"),
    *NEW_JOB_FLAGS[3:],
)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Add the jobs, and print their IDs."""
    if args.after:
        from ..filters import with_newest

        args = with_newest(queue, args)
    if args.after_tag:
        from ..after_tag import tagged

        args = args.replaced(after=[*(args.after or ()), *tagged(queue, args.after_tag)])
    if args.batch is None and _makes_batch(args):
        args = args.replaced(batch=_new_batch())
    lines = _lines(args)
    if lines is None:
        _check_ways(args)
    if args.dry_run:
        return _preview(queue, args, screen) if lines is None else _preview_lines(lines, screen)
    ids = queue.enqueue_many([_wanted(args)]) if lines is None else _enqueue_lines(queue, lines, args.quiet)
    if args.print == "batch":
        screen.result({"batch": args.batch}, args.batch)
    else:
        batch = {} if args.batch is None else {"batch": args.batch}
        screen.result({"ids": ids, **batch}, "\n".join(ids))
    if not (args.quiet or screen.json):
        _add_notes(queue, args, "" if lines is None else _added(len(ids), args.batch, lines.first_command), screen)


def _added(count: int, batch: str | None, first_command: str) -> str:
    """Return how many jobs a call added, and at a terminal the first command if it was made from others."""
    first = f"; first: {first_command[:60]}" if first_command and sys.stderr.isatty() else ""
    return f"added {counted(count)}" + (f" to batch {batch}" if batch else "") + first


def _add_notes(queue: Queue, args: Arguments, added: str, screen: Screen) -> None:
    """Print what a person wants to know beside the IDs. `added` says what a call of many jobs added."""
    if added:
        screen.note(added)
    elif args.stdin != "-":
        _warn_of_unused_input(screen)
    if queue.is_alone and sys.stderr.isatty():
        screen.note("no supervisor is running; start one with `queuectl worker start`")


def _warn_of_unused_input(screen: Screen) -> None:
    import os

    try:
        is_pipe = os.fstat(0).st_mode & 0o170000 == 0o010000  # most calls need no more to know
    except OSError:
        return
    if is_pipe:
        from ...terminal.unused_input import is_piped

        if is_piped():
            advice = "use --each-line for a job per line, or --stdin - for the input of the job"
            screen.note(f"warning: standard input was not read; {advice}")


def _makes_batch(args: Arguments) -> bool:
    """Return whether a call without --batch makes a batch: one command for many jobs, or --print batch.

    Raises: InvalidInput.
    """
    if args.print not in (None, "ids", "batch"):
        raise InvalidInput(what=f"--print needs ids or batch, not {args.print[:40]!r}")
    is_sweep = any(value is not None for value in (args.each_line, args.array, args.csv)) or _has_lists(args)
    return is_sweep or args.print == "batch"


def _has_lists(args: Arguments) -> bool:
    return any(word in _LIST_SIGNS for word in (*args.job, *(args.words or ())))


def _new_batch() -> str:
    """Return a name that no other batch has: with a million batches, the chance of a repeat is one in a million."""
    import os

    digits = int.from_bytes(os.urandom(5), "big")
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[digits >> shift & 31] for shift in range(0, 40, 5))


def _lines(args: Arguments) -> JobLines | None:
    """Return the jobs of a call that adds many, or None.

    Raises: InvalidInput.
    """
    options = {"--file": args.file, "--each-line": args.each_line, "--array": args.array, "--csv": args.csv}
    given = [flag for flag, value in options.items() if value is not None]
    for flag, is_set, needed in (("--null", args.null, "--each-line"), ("--header", args.header, "--csv")):
        if is_set and options[needed] is None:
            raise InvalidInput(what=f"{flag} needs {needed}")
    if _has_lists(args):
        given.append("lists after :::")
    if not given:
        return None
    has_command = args.words is not None or args.command is not None
    others = given[1:] + ["a job"] * bool(args.job and args.job[0] not in _LIST_SIGNS)
    others += ["a command"] * (args.file is not None and has_command)
    if others:
        raise InvalidInput(what=f"{given[0]} and {others[0]} cannot be used together{_meant(args)}")
    if args.id is not None:
        raise InvalidInput(what="--id names one job and cannot be used for many")
    if args.file is not None:
        from ..jsonl import FileLines, name_of, opened

        return FileLines(name_of(args.file), opened(args.file, args.quiet), _defaults(args))
    from ..sweeps import SweepLines

    return SweepLines(args, _defaults(args))


def _meant(args: Arguments) -> str:
    """Return what a call with words before -- or with a command and a file may have meant."""
    if args.job and not args.job[0].startswith("{"):
        return "; put the command after --, like -- gzip {}"
    return "; for a job per line, use --each-line" if args.file is not None and not args.job else ""


def _preview_lines(lines: JobLines, screen: Screen) -> None:
    """Check each job, and print how many there are and the first commands."""
    from ...model.job_spec import check_spec
    from ...model.job_text import parse
    from ...wire.protocol import check_load

    commands: list[str] = []
    count = 0
    for count, line in enumerate(lines, 1):
        check_load(count)
        try:
            spec = check_spec(parse(line), count - 1)
        except ValueError as fault:
            raise lines.refusal(count - 1, f"invalid JSON ({fault})") from None
        except InvalidJob as refusal:
            raise lines.placed(refusal) from None
        if count <= PREVIEW_COMMANDS:
            commands.append(spec["command"])
    screen.result({"count": count, "commands": commands}, "\n".join(commands))
    if not screen.json:
        screen.note(f"{counted(count, 'job')} would be added")


def _preview(queue: Queue, args: Arguments, screen: Screen) -> None:
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
        stray = args.job[-1] if args.words is None else args.job[0]
        if args.words is None and not stray.startswith("{"):
            from ..guidance.guesses import behind_dashes

            raise InvalidInput(what=behind_dashes(["queuectl", "enqueue"], args.job))
        advice = "use --queue (-q is --quiet)" if args.quiet else "quote JSON as one word"
        raise InvalidInput(what=f"{stray[:40]!r} belongs to no option; {advice}")
    ways = [args.job or None, args.command, args.words]
    if sum(way is not None for way in ways) != 1:
        raise InvalidInput(what="use exactly one of JSON, --command TEXT, --file FILE, or -- WORD …")


def _wanted(args: Arguments) -> Any:
    if args.job:
        return _merge(_parse_job(args.job[0]), _flags(args))
    command = args.command if args.command is not None else join(args.words)
    return {"command": command, **_defaults(args)}


def _defaults(args: Arguments) -> dict[str, object]:
    """Return the fields of the jobs that do not set them."""
    return {**variable_fields(), **_flags(args)}


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
    return {**variable_fields(), **job, **flags} if isinstance(job, dict) else job


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


def _enqueue_lines(queue: Queue, lines: JobLines, quiet: bool) -> list[str]:
    from ...terminal.progress import Progress

    with Progress("jobs read; all are stored at the end", quiet=quiet) as progress:
        try:
            return queue.enqueue_lines(lines, progress=progress.show)
        except QueueError as refusal:
            raise lines.placed(refusal) from None
