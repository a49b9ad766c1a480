"""Filters: the options that select jobs by their fields.

It knows how users name jobs on a command line, and what to answer when no job matches, but not what a command does.
"""

from __future__ import annotations

from ..errors import AmbiguousId, InvalidInput, NothingToDo
from .fast_args import Arguments

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any, TypeVar

    from ..api import Queue
    from ..model.records import Chosen, JobRecord
    from .screen import Screen

    Job = TypeVar("Job")

STATE = ("--state", "STATE", "pending,failed …")
FILTERS = (
    ("--id", "GLOB", "ID like 'web-*'"),
    ("--batch", "NAME", "of this batch"),
    ("--queue", "NAME", "in this queue"),
    ("--name", "GLOB", "name like 'night*'"),
    ("--tag", "K=V…", "with tag, repeatable"),
    ("--grep", "TEXT", "command contains it"),
    ("--exit-code", "N", "latest ended with 3,4"),
    ("--reason", "TEXT", "reason contains it"),
    ("--cause", "CAUSE", "failed, canceled …"),
    ("--since", "WHEN", "added since 2h, 18:30"),
    ("--until", "WHEN", "added before"),
    ("--ended-since", "WHEN", "finished since"),
)
"""The options that select jobs by their fields other than the state. The help shows them in two columns."""

ALLOW_EMPTY = ("--allow-empty", "", "succeed when no job matches")

MAX_WORDS = 20
_NAMED = 5
"""The most dead dependants that a message names."""

_READERS = ("show", "why", "history", "logs", "graph")

_IF_TWICE = {
    "--id": "use a pattern or name the jobs",
    "--name": "use a pattern",
    "--state": "separate states with commas",
    "--exit-code": "separate the numbers with commas",
    "--cause": "separate causes with commas",
}
_TIMES = ("since", "until", "ended_since")
_FIELDS = ("state", *(names[2:].replace("-", "_") for names, _, _ in FILTERS))


def where_filter(args: Arguments, new_values: Sequence[str]) -> Chosen:
    """Return the filter that the options and `--where FIELD=VALUE` make.

    A command has --where if some of its options, like --queue, set new values. Those are in `new_values`.

    Raises: InvalidInput.
    """
    fields: dict[str, Any] = {name: None if name in new_values else getattr(args, name) for name in _FIELDS}
    for text in args.where or ():
        name, sign, value = text.partition("=")
        field = name.replace("-", "_")
        if name.startswith("tag.") and sign:
            fields["tag"] = [*(fields["tag"] or []), f"{name[4:]}={value}"]
        elif field in fields and field != "tag" and sign:
            if fields[field] is not None:
                raise given_twice(f"--{field.replace('_', '-')}")
            fields[field] = value
        else:
            known = ", ".join(f"{known.replace('_', '-')}=" for known in _FIELDS if known != "tag")
            raise InvalidInput(what=f"--where needs {known} or tag.KEY=, not {text[:40]!r}")
    return chosen_by(Arguments(**fields))


def given_twice(flag: str) -> InvalidInput:
    """Return the error for a filter with two values, of which only one would count."""
    return InvalidInput(what=f"{flag} is given twice; {_IF_TWICE.get(flag, 'give one value in each call')}")


def chosen_by(args: Arguments) -> Chosen:
    """Return the filter that the options make, which is empty without options.

    Raises: InvalidInput.
    """
    given = {name: value for name in _FIELDS if (value := getattr(args, name, None)) is not None}
    times = {f"{name}_ms": instant_ms(given[name], f"--{name.replace('_', '-')}") for name in _TIMES if name in given}
    chosen: Any = {name: given[name] for name in ("state", "batch", "queue", "name") if name in given}
    where = {name: given[name] for name in ("id", "grep", "reason") if name in given}
    if "," in given.get("state", ""):
        chosen["state"] = given["state"].split(",")
    if any(sign in given.get("name", "") for sign in "*?["):
        where["name"] = chosen.pop("name")
    if "tag" in given:
        chosen["tags"] = tags_of(given["tag"], "--tag")
        twice = [text.partition("=")[0] for text in given["tag"] if text not in map("=".join, chosen["tags"].items())]
        if twice:
            raise given_twice(f"--tag {twice[0]}")
    if "exit_code" in given:
        where["exit_code"] = _exit_codes(given["exit_code"])
    if "cause" in given:
        where["cause"] = given["cause"].split(",")
    if "ended_since_ms" in times:
        where["ended_since_ms"] = times.pop("ended_since_ms")
    chosen.update(times, **{"where": where} if where else {})
    checked: Chosen = chosen
    return checked


def chosen_ids(queue: Queue, args: Arguments) -> list[str]:
    """Return the IDs that the call names, each once, or those of the jobs that its filter selects.

    Raises: InvalidInput, NothingToDo.
    """
    chosen = _choice_of(args)
    return list(dict.fromkeys(args.ids)) or list(_found(id for page in queue.select(**chosen) for id in page))


def count_canceled(queue: Queue, chosen: Chosen) -> int:
    """Return how many of the dead jobs that a filter matches were canceled, or died because of such a job."""
    from ..model.reasons import CAUSES, FAILURES

    causes = [cause for cause in CAUSES if cause not in FAILURES]
    canceled: Chosen = {**chosen, "state": "dead", "where": {**(chosen.get("where") or {}), "cause": causes}}
    return sum(map(len, queue.select(**canceled)))


def dead_dependants_of(queue: Queue, ids: Sequence[str]) -> str:
    """Return a clause about the dead jobs that died because of these, with the call that retries them, or ``""``."""
    from ..api import PAGE_JOBS

    if not 0 < len(ids) <= PAGE_JOBS:
        return ""
    try:
        dead = queue.dead_dependants(ids)
    except InvalidInput:  # an older supervisor does not know this request
        return ""
    if not dead:
        return ""
    stay = "1 dependant stays" if len(dead) == 1 else f"{len(dead)} dependants stay"
    call = f"retry {' '.join(dead)}" if len(dead) <= _NAMED else "list --cause dependency_failed,dependency_canceled"
    return f"{stay} dead: `queuectl dlq {call}`"


def chosen_jobs(queue: Queue, args: Arguments) -> Iterable[JobRecord]:
    """Return the jobs that the call names, each once, or yield those that its filter selects.

    Raises: InvalidInput, NothingToDo, UnknownJob.
    """
    chosen = _choice_of(args)
    return [queue.get(id) for id in dict.fromkeys(args.ids)] or _found(queue.list(**chosen))


def _choice_of(args: Arguments) -> Chosen:
    """Return the filter of a call that names jobs or has a filter.

    Raises: InvalidInput.
    """
    chosen = chosen_by(args)
    if args.ids and chosen:
        raise InvalidInput(what="use either job IDs or filters, not both")
    if not args.ids and not chosen:
        raise InvalidInput(what="name a job by its ID, or `last` for the newest one, or use a filter like --state")
    return chosen


def _found(jobs: Iterable[Job]) -> Iterator[Job]:
    """Yield the jobs, or fail before the first if there are none.

    Raises: NothingToDo.
    """
    return at_least_one(jobs, nothing_matches(""))


def tags_of(texts: list[str], flag: str) -> dict[str, str]:
    """Return the tags in the values of an option.

    Raises: InvalidInput.
    """
    pairs = [text.partition("=") for text in texts]
    if not all(sign for _, sign, _ in pairs):
        lacking = next(name for name, sign, _ in pairs if not sign)
        raise InvalidInput(what=f"{flag} needs NAME=VALUE, not {lacking[:40]!r}")
    return {name: value for name, _, value in pairs}


def _exit_codes(text: str) -> list[int]:
    from .value_args import whole_number

    return [whole_number(code, "--exit-code", 0, 255) for code in text.split(",")]


def instant_ms(text: str, flag: str) -> int:
    """Return a time in the past as ms since 1970. `text` says how long ago, the time of day, or the date.

    Raises: InvalidInput.
    """
    from ..system.clock import now_ms
    from ..timestamps import parse_duration_s, parse_rfc3339
    from .value_args import instant

    ago_s = parse_duration_s(text)
    if ago_s is not None:
        return now_ms() - round(ago_s * 1000)
    at_ms = parse_rfc3339(instant(text))
    if at_ms is None:
        raise InvalidInput(what=f"{flag} needs a time like 2h (ago), 18:30 or 2026-12-24T18:00, not {text[:40]!r}")
    if len(text) <= 8 and at_ms > now_ms():  # a filter means the last occurrence of a time of day
        at_ms -= 86_400_000
    return at_ms


# Short IDs


def complete_ids(queue: Queue, name: str, args: Arguments) -> bool:
    """Replace `last`, and the beginnings of IDs, in the arguments of a command. Return whether there was one.

    A script that names a removed job must neither change nor read another whose ID is longer. So only a call at a
    terminal completes an ID, and asks before it if the command does not only read.

    Raises: AmbiguousId, NothingToDo.
    """
    field = "ids" if getattr(args, "ids", None) else "id"
    given = getattr(args, field, None)
    words = [given] if isinstance(given, str) else given
    if not words or len(words) > MAX_WORDS or not all(map(_may_be_id, words)):
        return False
    try:
        found = queue.find(words)
    except InvalidInput:  # an older supervisor does not know this request
        return False
    ids = [_only(word, found[word]) for word in words]
    if None in ids or ids == words:
        return False
    is_reader = name in _READERS or getattr(args, "action", None) == "show"
    _confirm_each({word: id for word, id in zip(words, ids) if word not in (id, "last")}, args, is_reader)
    setattr(args, field, ids[0] if isinstance(given, str) else ids)
    return True


def with_newest(queue: Queue, args: Arguments) -> Arguments:
    """Return the arguments with the ID of the newest job in place of `last` in --after.

    Raises: NothingToDo.
    """
    after = [text.split(",") for text in args.after]
    if not any("last" in names for names in after):
        return args
    try:
        newest = (queue.find(["last"])["last"] or ["last"])[0]
    except InvalidInput:  # an older supervisor does not know this request
        return args
    return args.replaced(after=[",".join(newest if name == "last" else name for name in names) for names in after])


def _may_be_id(word: str) -> bool:
    from ..model.validators import is_id

    return is_id(word)


def _only(word: str, ids: list[str]) -> str | None:
    """Return the only ID that a word can mean, or None if there is none.

    Raises: AmbiguousId.
    """
    if len(ids) > 1:
        raise AmbiguousId(id=word, ids=", ".join([*ids[:3], "…"][: len(ids)]))
    return ids[0] if ids else None


def _confirm_each(meant: Mapping[str, str | None], args: Arguments, is_reader: bool) -> None:
    """Ask whether each word means this job, unless the command only reads. Refuse if no person is there.

    Raises: NothingToDo.
    """
    from .confirmation import is_interactive, said_yes

    is_answered = is_reader or getattr(args, "yes", False)
    for word, id in meant.items():
        if not is_interactive() or (is_reader and args.json):
            raise NothingToDo(what=f"job {word!r} does not exist; did you mean {id}?")
        if not is_answered and not said_yes(f"{word} is the beginning of {id}; continue?"):
            raise NothingToDo(what="nothing was changed")


# No match: to return 0 without a message would hide a misspelt filter


def nothing_matches(otherwise: str = ", or use --allow-empty") -> NothingToDo:
    """Return the error for a filter that no job matches. `otherwise` says how to allow that."""
    return NothingToDo(what=f"no job matches; check with `queuectl list`{otherwise}")


def at_least_one(jobs: Iterable[Job], otherwise: NothingToDo) -> Iterator[Job]:
    """Yield the jobs, or raise `otherwise` before the first if there are none.

    Raises: NothingToDo.
    """
    rest = iter(jobs)
    for first in rest:
        yield first
        yield from rest
        return
    raise otherwise


def noted(jobs: Iterable[Job], chosen: Mapping[str, object], screen: Screen) -> Iterator[Job]:
    """Yield the jobs, or print a note if there are none and the filter has more than a state."""
    is_empty = True
    for job in jobs:
        is_empty = False
        yield job
    if is_empty and chosen.keys() - {"state"}:
        screen.note("no job matches")
