"""`queuectl prune`: the removal of finished jobs."""

from __future__ import annotations

from ...api import Queue
from ...errors import InvalidInput
from ...system.clock import now_ms
from ..confirmation import YES, confirm
from ..fast_args import Arguments
from ..screen import Screen, Tally, counted
from ..value_args import seconds_of

SUMMARY = """Removes finished jobs: completed jobs, or those in --state. A running supervisor removes completed jobs
automatically (see config retention and retention-jobs)."""
EXAMPLES = ["queuectl prune --older 7d", "queuectl prune --older 30d --state completed,dead --dry-run"]
OPTIONS = (
    ("--older", "TIME", "only jobs that finished before this long ago, like 7d (default: all)"),
    ("--state", "STATE", "completed (default), dead, or completed,dead"),
    ("--dry-run", "", "only count the jobs"),
    YES,
)
ONCE = ("--older", "--state")
FOR_A_FILTER = "to remove finished jobs by a filter, use `queuectl rm {0} --state completed,dead`"


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Remove or only count finished jobs."""
    states = (args.state or "completed").split(",")
    if not set(states) <= {"completed", "dead"}:
        raise InvalidInput(what="prune removes only finished jobs: use --state completed, dead or completed,dead")
    older_s = 0.0 if args.older is None else seconds_of(args.older, "--older")
    portions = list(queue.select(state=states, ended_until_ms=now_ms() - round(older_s * 1000)))
    count = sum(map(len, portions))
    if not args.dry_run:
        confirm(count, "removed", args)
        with Tally("removed") as tally:
            for ids in portions:
                tally.count += len(queue.remove(ids, True, states))
        count = tally.count
    jobs, result = counted(count), {"count": count, "dry_run": args.dry_run}
    if args.dry_run:
        return screen.result(result, f"{jobs} would be removed")
    screen.done(result, f"removed {jobs}")
