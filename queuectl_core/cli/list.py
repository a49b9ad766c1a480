"""`queuectl list`: jobs in a table, or as JSON."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..api import Queue
from ..errors import InvalidInput
from .render import Screen

TABLE_LIMIT = 100
SUMMARY = f"""Lists jobs: first those that run, wait or will be retried, in that order, then dead and completed ones,
newest first. A table shows the first {TABLE_LIMIT}, --json all, unless --limit says otherwise."""
EXAMPLES = ["queuectl list --state pending", "queuectl list --state dead --limit 0 --json", "queuectl list | head"]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--state", metavar="STATE", help="pending, processing, completed, failed or dead")
    parser.add_argument("--limit", metavar="N", type=_limit, help="at most so many; 0 is all")


def run(args: Namespace, screen: Screen) -> int:
    with Queue(args.home) as queue:
        if screen.json:
            screen.values(queue.list(args.state, args.limit or 0))
            return 0
        limit = TABLE_LIMIT if args.limit is None else args.limit
        jobs = list(queue.list(args.state, limit and limit + 1))
    show_table(screen, jobs[:limit] if limit else jobs)
    if limit and len(jobs) > limit:
        screen.note(f"only the first {limit} are shown; --limit 0 shows all")
    return 0


def show_table(screen: Screen, jobs: list[dict[str, object]]) -> None:
    rows = [[job["id"], job["state"], job["attempts"], job["updated_at"], note_of(job), job["command"]] for job in jobs]
    screen.table(["ID", "STATE", "ATTEMPTS", "UPDATED", "NOTE", "COMMAND"], rows, colour_column=1)


def note_of(job: dict[str, object]) -> str:
    """The most useful fact about a job in its state."""
    if job["state"] == "failed":
        return f"{job['reason']}; again at {job['next_run_at']}"
    if job["state"] == "processing":
        return f"on {job['worker']}"
    return str(job["reason"] or "-")


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(what=f"--limit must be a whole number from 0 on, not {text[:40]!r}")
    return int(text)
