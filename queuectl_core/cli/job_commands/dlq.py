"""`queuectl dlq`: the dead letter queue, which holds the jobs that failed for good."""

from __future__ import annotations

from ...api import PAGE_JOBS, Queue
from ...errors import InvalidInput, NotDead, NothingToDo
from ...model.reasons import FAILURES
from ...terminal.progress import Progress
from ...view.job_notes import reason_of
from ...wire.protocol import jobs_at_once
from ..confirmation import DRY_RUN, YES, confirm, show_dry_run
from ..fast_args import Action, Arguments
from ..filters import FILTERS, chosen_by, count_canceled, dead_dependants_of
from ..job_details import print_job
from ..job_export import OUTPUT, export
from ..job_options import number
from ..screen import Screen, Tally, counted
from ..tables import LIMIT, View, age_of

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable

    from ...model.records import Chosen
    from ..screen import Columns

SUMMARY = """Manages the dead letter queue: jobs that failed with no retry left, that you canceled, or whose dependency
died. They stay until you retry or purge them."""
EXAMPLES = ["queuectl dlq list", "queuectl dlq retry job1", "queuectl dlq purge --all"]

_COLUMNS: Columns = {
    "ID": "id",
    "ATTEMPTS": "attempts",
    "SINCE": age_of,
    "REASON": reason_of,
    "COMMAND": "command",
}

_JOBS = (("ids", "ID…", "IDs of the jobs"), ("--all", "", "all dead jobs"), DRY_RUN, YES)
_DONE = {"retry": "retried", "purge": "removed"}
ACTIONS = {
    "list": Action(
        "list dead jobs and their reasons, newest first", "queuectl dlq list --limit 0", LIMIT, *FILTERS
    ),
    "show": Action("show a dead job and all its attempts", "queuectl dlq show job1", ("id", "ID", "ID of the job")),
    "retry": Action(
        "make dead jobs pending again, with attempts reset to 0",
        "queuectl dlq retry job1 job2",
        *_JOBS,
        ("--command", "TEXT", "new shell command line"),
        ("--max-retries", "N", "new number of retries, 0 to 1000"),
        ("--with-dependants", "", "also retry the jobs that died because of these"),
        ("--canceled", "", "with --all or a filter: also retry canceled jobs"),
        *FILTERS,
    ),
    "purge": Action("remove dead jobs permanently", "queuectl dlq purge --until 30d", *_JOBS, *FILTERS),
    "export": Action(
        "print dead jobs as JSON lines, for `import`", "queuectl dlq export --output dead.jsonl", *OUTPUT, *FILTERS
    ),
}


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print, retry, purge or export dead jobs."""
    if args.action == "list":
        return View(args, _COLUMNS).show(queue, {"state": "dead", **chosen_by(args)}, screen)
    if args.action == "export":
        return export(queue, args, screen, state="dead")
    if args.action == "show":
        job = queue.get(args.id)
        if job["state"] != "dead":
            raise NotDead(id=args.id, state=job["state"])
        return print_job(job, screen)
    done = _DONE[args.action]
    ids = _selected(queue, args)
    if args.dry_run:
        retries_more = args.action == "retry" and args.with_dependants
        return show_dry_run(_with_dependants(queue, ids, args) if retries_more else ids, done, screen)
    spared = "" if args.ids or _takes_canceled(args) else ", apart from canceled ones"
    dead = queue.status()["counts"]["dead"] if args.all else len(ids)
    if not args.ids:
        confirm(dead, f"{done}{spared}", args)
    count = _change(queue, args, ids)
    screen.done({"count": count}, f"{done} {counted(count)}{_left_behind(queue, args, ids)}")
    if args.all and spared and count < dead:
        screen.note(f"{counted(dead - count, 'dead job')} left; --canceled retries canceled jobs too")
    elif spared and not (args.all or args.quiet or screen.json):
        _tell_canceled(count_canceled(queue, chosen_by(args)), screen)


def _left_behind(queue: Queue, args: Arguments, ids: list[str]) -> str:
    """Return a clause about the dependants of retried jobs that stay dead."""
    stay = "" if args.action == "purge" or args.with_dependants else dead_dependants_of(queue, ids)
    return stay and f"; {stay}"


def _tell_canceled(count: int, screen: Screen) -> None:
    if count:
        them = "it" if count == 1 else "them"
        screen.note(f"{counted(count, 'canceled job')} left; --canceled retries {them} too")


def _selected(queue: Queue, args: Arguments) -> list[str]:
    """Return the dead jobs that the call selects, or the named jobs.

    For a change of all dead jobs, return none: one request changes them, however many there are.

    Raises: InvalidInput, NothingToDo.
    """
    chosen = chosen_by(args)
    if bool(args.ids) + bool(args.all) + bool(chosen) != 1:
        raise InvalidInput(what=f"name the jobs to {args.action}, use a filter, or use --all")
    if args.ids or (args.all and not args.dry_run):
        return list(args.ids)
    dead: Chosen = {"state": "dead", **chosen}
    if not _takes_canceled(args):
        dead["where"] = {"cause": list(FAILURES), **(chosen.get("where") or {})}
    ids = [id for portion in queue.select(**dead) for id in portion]
    if not ids and chosen:
        advice = "" if _takes_canceled(args) else "; --canceled retries canceled jobs too"
        raise NothingToDo(what=f"no dead job matches{advice}")
    return ids


def _with_dependants(queue: Queue, ids: list[str], args: Arguments) -> list[str]:
    """Return these dead jobs, and those that died because of them, each once.

    Raises: UnknownJob, NotDead.
    """
    portions = (ids[start : start + PAGE_JOBS] for start in range(0, len(ids), PAGE_JOBS))
    return list(dict.fromkeys(id for portion in portions for id in queue.preview_retry(portion, bool(args.all))))


def _takes_canceled(args: Arguments) -> bool:
    """Return whether the call also changes jobs that somebody canceled."""
    return args.action == "purge" or args.canceled or args.cause is not None


def _change(queue: Queue, args: Arguments, ids: list[str]) -> int:
    """Change the jobs in portions, or all dead jobs in one call that tells its progress."""
    size = min(PAGE_JOBS, jobs_at_once(_fields(args) if args.action == "retry" else None))
    portions: list[list[str] | None] = [ids[start : start + size] for start in range(0, len(ids), size)]
    if args.all or args.ids:
        portions = [None if args.all else ids]
    with Progress("jobs so far", quiet=args.quiet) as progress, Tally(_DONE[args.action]) as tally:
        for portion in portions:
            before = tally.count

            def show(count: int, before: int = before) -> None:
                tally.count = before + count
                progress.show(tally.count)

            tally.count = before + _change_these(queue, args, portion, show)
    return tally.count


def _change_these(queue: Queue, args: Arguments, ids: list[str] | None, show: Callable[[int], None]) -> int:
    is_selected = not args.ids
    if args.action == "purge":
        return queue.purge_dead(ids, show, is_selected)
    if ids is None and not args.canceled:
        return queue.retry_failed(show, _fields(args), args.with_dependants)
    try:
        return queue.retry_dead(ids, show, _fields(args), args.with_dependants, is_selected)
    except NotDead as fault:
        fault.hint = dead_dependants_of(queue, args.ids) or fault.hint
        raise


def _fields(args: Arguments) -> dict[str, object]:
    """Return the fields that a retry changes."""
    fields = {"command": args.command, "max_retries": None if args.max_retries is None else number(args.max_retries)}
    return {name: value for name, value in fields.items() if value is not None}
