"""Filters: the jobs that a command selects, by ID or by their fields.

It knows how users name jobs on a command line, but not what a command does to them.
Invariant: a change without IDs and without filters is refused. Only --all changes all jobs.
"""

from __future__ import annotations

from types import SimpleNamespace

from ..api import Queue
from ..errors import InvalidInput, NothingToDo, WrongState
from ..model.states import STATES
from .screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from ..model.records import Chosen

_FILTERS = ("state", "queue", "name", "tag", "since", "until")


def add_filters(parser: ArgumentParser, with_state: bool = True) -> None:
    """Add the options that select jobs by their fields."""
    if with_state:
        parser.add_argument(
            "--state",
            metavar="STATE",
            help="pending, processing, completed, failed or dead; separate several with commas",
        )
    parser.add_argument("--queue", metavar="NAME", help="only jobs in this queue")
    parser.add_argument("--name", metavar="TEXT", help="only jobs with this name")
    parser.add_argument("--tag", metavar="K=V", action="append", help="only jobs with this tag; repeatable")
    parser.add_argument("--since", metavar="WHEN", help="only jobs added since: 2h (ago), 18:30 or 2026-12-24")
    parser.add_argument("--until", metavar="WHEN", help="only jobs added before")


def add_selectors(parser: ArgumentParser, what: str) -> None:
    """Add IDs, --all, and filters; `what` is the verb for the help."""
    parser.add_argument("ids", nargs="*", metavar="ID", help=f"IDs of the jobs to {what}")
    parser.add_argument("--all", action="store_true", help="all jobs in a suitable state")
    add_care(parser)
    add_filters(parser)


def add_care(parser: ArgumentParser) -> None:
    """Add --dry-run and --yes, for a command that can change many jobs."""
    parser.add_argument("--dry-run", action="store_true", help="only list and count the jobs")
    parser.add_argument("--yes", action="store_true", help="skip the confirmation at a terminal")


def wanted_of(pairs: list[str]) -> Chosen:
    """Return the filter that `--where FIELD=VALUE` makes.

    A command has --where if its options, like --queue, set new values.

    Raises: InvalidInput.
    """
    fields: dict[str, Any] = dict.fromkeys(_FILTERS)
    for text in pairs:
        name, sign, value = text.partition("=")
        if name.startswith("tag.") and sign:
            fields["tag"] = [*(fields["tag"] or []), f"{name[4:]}={value}"]
        elif name in fields and name != "tag" and sign:
            fields[name] = value
        else:
            raise InvalidInput(
                what=f"--where needs state=, queue=, name=, tag.KEY=, since= or until=, not {text[:40]!r}"
            )
    return wanted(SimpleNamespace(**fields))


def wanted(args: Namespace | SimpleNamespace) -> Chosen:
    """Return the filter that the options make, which is empty without options.

    Raises: InvalidInput.
    """
    found: Any = {}
    if getattr(args, "state", None) is not None:
        found["state"] = args.state.split(",") if "," in args.state else args.state
    for name in ("queue", "name"):
        if getattr(args, name) is not None:
            found[name] = getattr(args, name)
    if args.tag:
        pairs = [text.partition("=") for text in args.tag]
        if not all(sign for _, sign, _ in pairs):
            raise InvalidInput(what="--tag needs NAME=VALUE")
        found["tags"] = {name: value for name, _, value in pairs}
    for name in ("since", "until"):
        if getattr(args, name) is not None:
            found[f"{name}_ms"] = _instant_ms(getattr(args, name), f"--{name}")
    chosen: Chosen = found
    return chosen


def change(
    args: Namespace,
    screen: Screen,
    states: Sequence[str],
    act: Callable[[Queue, list[str], bool], list[str]],
    done: str,
) -> int:
    """Change the jobs that the arguments select, as `change_these` does."""
    return change_these(args, wanted(args), screen, states, act, done)


def change_these(  # noqa: PLR0913  # the parameters of `change`, and a filter
    args: Namespace,
    chosen: Chosen,
    screen: Screen,
    states: Sequence[str],
    act: Callable[[Queue, list[str], bool], list[str]],
    done: str,
) -> int:
    """Change the named jobs or those that match `chosen`, print how many, and return the exit status.

    `states` are the states that allow the change. `act` changes the jobs with these IDs, and
    returns the IDs of changed jobs. Its flag tells whether to skip jobs in other states. `done` is
    a participle for messages, like `canceled`.
    """
    if bool(args.ids) and bool(chosen or args.all):
        raise InvalidInput(what="use either job IDs or filters, not both")
    if not (args.ids or chosen or args.all):
        raise InvalidInput(what="name job IDs, use a filter, or use --all")
    with Queue(args.home, notice=screen.note) as queue:
        if args.ids:
            ids = _named(queue, args, states, done) if args.dry_run else act(queue, args.ids, False)
        else:
            portions = list(_chosen(queue, states, chosen))  # select all before the first change
            if not args.dry_run:
                _confirm(sum(map(len, portions)), done, args.yes)
            ids = [id for portion in portions for id in (portion if args.dry_run else act(queue, portion, True))]
    if not ids and not args.ids:
        raise NothingToDo(what=f"no matching job can be {done}")
    _tell(args, screen, ids, done)
    return 0


def _confirm(count: int, done: str, is_meant: bool) -> None:
    """Ask the user at a terminal before a change of several jobs.

    Raises: NothingToDo.
    """
    import sys

    if count < 2 or is_meant or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    sys.stderr.write(f"{count} jobs would be {done}; continue? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise NothingToDo(what="nothing was changed")


def _tell(args: Namespace, screen: Screen, ids: list[str], done: str) -> None:
    if screen.json:
        screen.value({"ids": ids, "count": len(ids), "dry_run": args.dry_run})
    elif args.dry_run:
        screen.line("\n".join(ids))
        screen.note(f"{_jobs(len(ids))} would be {done}")
    else:
        screen.line(f"{_jobs(len(ids))} {done}")


def _named(queue: Queue, args: Namespace, states: Sequence[str], done: str) -> list[str]:
    """Return the named IDs, and refuse the jobs that the change would refuse.

    Raises: UnknownJob, WrongState.
    """
    ids = list(dict.fromkeys(args.ids))
    for id in ids:
        state = queue.get(id)["state"]
        if state not in states:
            raise WrongState(id=id, state=state, what=done)
    return ids


def _chosen(queue: Queue, states: Sequence[str], chosen: Chosen) -> Iterator[list[str]]:
    """Yield pages of IDs of the jobs that match in a state that allows the change.

    An unknown state stays in the filter, so that the queue refuses it.
    """
    said = chosen.get("state")
    named = [said] if isinstance(said, str) else said
    if named is None or not set(named) - set(STATES):
        chosen = {**chosen, "state": [state for state in states if named is None or state in named]}
    if chosen["state"]:
        yield from queue.select(**chosen)


def _jobs(count: int) -> str:
    return f"{count} {'job' if count == 1 else 'jobs'}"


def _instant_ms(text: str, flag: str) -> int:
    from ..system.clock import now_ms
    from ..timestamps import parse_duration_s, parse_rfc3339
    from .time_args import instant

    ago_s = parse_duration_s(text)
    if ago_s is not None:
        return now_ms() - round(ago_s * 1000)
    at_ms = parse_rfc3339(instant(text))
    if at_ms is None:
        raise InvalidInput(what=f"{flag} needs a time like 2h (ago), 18:30 or 2026-12-24T18:00, not {text[:40]!r}")
    if len(text) <= 8 and at_ms > now_ms():  # a filter means the last occurrence of a time of day
        at_ms -= 86_400_000
    return at_ms
