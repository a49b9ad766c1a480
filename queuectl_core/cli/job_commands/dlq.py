"""`queuectl dlq`: the dead letter queue, which holds the jobs that failed for good."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ...api import SELECT_JOBS, Queue
from ...errors import InvalidInput, NotDead, NothingToDo
from ...wire.protocol import jobs_at_once
from ..arguments import add_action, add_actions
from ..filters import add_filters, wanted
from ..job_details import print_job
from ..job_export import add_output, write_exported
from ..job_options import number
from ..no_match import add_allow_empty
from ..progress import Progress
from ..screen import Screen
from ..tables import age_of, limit_of, show

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ...model.records import Chosen

SUMMARY = "Manages the dead letter queue: failed jobs with no retries left. They stay until you retry or purge them."
EXAMPLES = ["queuectl dlq list", "queuectl dlq retry job1", "queuectl dlq purge --all"]

_COLUMNS = [
    ("ID", lambda job: job["id"]),
    ("ATTEMPTS", lambda job: job["attempts"]),
    ("SINCE", age_of),
    ("REASON", lambda job: job["reason"]),
    ("COMMAND", lambda job: job["command"]),
]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    actions = add_actions(parser, "actions")
    shown = add_action(actions, "list", "list dead jobs and their reasons, newest first", "queuectl dlq list --limit 0")
    shown.add_argument(
        "--limit", metavar="N", type=limit_of, help="maximum number of jobs; 0 is all (default: 100 in a table)"
    )
    one = add_action(actions, "show", "show a dead job and all its attempts", "queuectl dlq show job1")
    one.add_argument("id", metavar="ID", help="ID of the job")
    retry = add_action(
        actions, "retry", "make dead jobs pending again, with attempts reset to 0", "queuectl dlq retry job1 job2"
    )
    purge = add_action(actions, "purge", "remove dead jobs permanently", "queuectl dlq purge --until 30d")
    for action in (retry, purge):
        action.add_argument("ids", nargs="*", metavar="ID", help="IDs of the jobs")
        action.add_argument("--all", action="store_true", help="all dead jobs")
    retry.add_argument("--command", metavar="TEXT", help="new shell command line")
    retry.add_argument("--max-retries", metavar="N", help="new number of retries, 0 to 1000")
    retry.add_argument("--with-dependants", action="store_true", help="also retry the jobs that died because of these")
    export = add_action(
        actions, "export", "print dead jobs as JSON lines, for `import`", "queuectl dlq export --output dead.jsonl"
    )
    add_output(export)
    add_allow_empty(export)
    for action in (shown, retry, purge, export):
        add_filters(action, with_state=False)


def run(args: Namespace, screen: Screen) -> int:
    """Print, retry, purge or export dead jobs, and return the exit status."""
    with Queue(args.home, notice=screen.note) as queue:
        if args.action == "list":
            return show(queue, {"state": "dead", **wanted(args)}, args.limit, screen, _COLUMNS)
        if args.action == "show":
            return _show(queue, args.id, screen)
        if args.action == "export":
            chosen = wanted(args)
            may_be_empty = not chosen or args.allow_empty
            return write_exported(queue, {"state": "dead", **chosen}, args.output, screen, may_be_empty)
        count = _change(queue, args)
    if screen.json:
        screen.value({"count": count})
    else:
        done = "pending again" if args.action == "retry" else "removed"
        screen.line(f"{count} {'job' if count == 1 else 'jobs'} {done}")
    return 0


def _show(queue: Queue, id: str, screen: Screen) -> int:
    job = queue.get(id)
    if job["state"] != "dead":
        raise NotDead(id=id, state=job["state"])
    screen.value(job) if screen.json else print_job(job, screen)
    return 0


def _change(queue: Queue, args: Namespace) -> int:
    chosen = wanted(args)
    if bool(args.ids) + bool(args.all) + bool(chosen) != 1:
        raise InvalidInput(what=f"name the jobs to {args.action}, use a filter, or use --all")
    with Progress("jobs so far") as progress:
        if not chosen:
            return _change_these(queue, args, None if args.all else args.ids, progress)
        dead: Chosen = {"state": "dead", **chosen}
        ids = [id for portion in queue.select(**dead) for id in portion]
        if not ids:
            raise NothingToDo(what="no dead job matches")
        size = min(SELECT_JOBS, jobs_at_once(_fields(args) if args.action == "retry" else None))
        portions = (ids[start : start + size] for start in range(0, len(ids), size))
        return sum(_change_these(queue, args, portion, progress) for portion in portions)


def _change_these(queue: Queue, args: Namespace, ids: list[str] | None, progress: Progress) -> int:
    if args.action == "purge":
        return queue.purge_dead(ids, progress.show)
    return queue.retry_dead(ids, progress.show, _fields(args), args.with_dependants)


def _fields(args: Namespace) -> dict[str, object]:
    """Return the fields that a retry changes."""
    fields = {"command": args.command, "max_retries": None if args.max_retries is None else number(args.max_retries)}
    return {name: value for name, value in fields.items() if value is not None}
