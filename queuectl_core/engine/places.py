"""Places: the order that users give to waiting jobs, beside priority and age.

A job sorts among those of its queue and priority by its place: the twelve digits of its number, or what a move gave it
instead: twelve digits, a fraction in base 36, and the number of the move, which makes it unique. So a move changes one
job, whatever the length of the queue.

Pure. Changes nothing itself.

Warning: a job that runs has no entry in the index, and returns to its place later. So a place must be unique for ever.
"""

from __future__ import annotations

from ..errors import InvalidInput, NothingToDo, UnknownJob, WrongState
from ..model import commands, events
from ..model.events import Event
from ..model.job import PENDING, Job, rank_of
from ..model.validators import is_id, shortened
from ..table.index_keys import READY, Entry, index_of
from ..table.job_table import JobTable

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PLACE = 1000
"""The last place that a move accepts as a number, because it reads the jobs before that place."""

_MAX_LENGTH = 200
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_WHOLE = 12
"""The digits of a number in a rank."""


def move(table: JobTable, command: commands.Move, now_ms: int) -> tuple[Sequence[Event], object]:
    """Move a waiting job to a place among the waiting jobs of its queue and priority.

    Raises: UnknownJob, WrongState, InvalidInput, NothingToDo.
    """
    job, to = _waiting(table, command.id), command.to
    if to not in ("front", "back") and not (type(to) is int and 1 <= to <= MAX_PLACE):
        where = f"to front, to back, or to a place from 1 to {MAX_PLACE}"
        raise InvalidInput(what=f"a job moves {where}, not {shortened(to)}")
    before, behind = _neighbors(table, job, to)
    if before is None and behind is None:
        return [], job.id
    place = between(before, behind)
    if len(place) > _MAX_LENGTH:
        raise NothingToDo(what=f"too many jobs were moved to this place; move {job.id} to another one")
    return [events.Moved(job.id, now_ms, place)], job.id


def switch(table: JobTable, command: commands.Switch, now_ms: int) -> tuple[Sequence[Event], object]:
    """Let two waiting jobs of one queue and one priority take each other's place.

    Raises: UnknownJob, WrongState, InvalidInput, NothingToDo.
    """
    one, other = _waiting(table, command.id), _waiting(table, command.other)
    if one.id == other.id:
        raise InvalidInput(what="name two different jobs")
    if one.queue != other.queue:
        queues = f"{one.id} is in queue {one.queue}, and {other.id} in queue {other.queue}"
        raise NothingToDo(what=f"{queues}; {_NOT_SWITCHED}")
    mine, theirs = one.options.get("priority", 0), other.options.get("priority", 0)
    if mine != theirs:
        raise NothingToDo(what=f"{one.id} has priority {mine}, and {other.id} has {theirs}; {_NOT_SWITCHED}")
    places = events.Moved(one.id, now_ms, _place(other.rank)), events.Moved(other.id, now_ms, _place(one.rank))
    return places, [one.id, other.id]


_NOT_SWITCHED = "change it with `queuectl edit` first"


def _waiting(table: JobTable, id: str) -> Job:
    job = table.get(id) if is_id(id) else None
    if job is None:
        raise UnknownJob(id=id[:140])
    if job.state != PENDING:
        raise WrongState(id=id, state=job.state, what="moved; only pending jobs have a place")
    return job


def _neighbors(table: JobTable, job: Job, to: str | int) -> tuple[str | None, str | None]:
    """Return the places between which the job moves; None is the beginning or the end."""
    index = index_of(READY, job.queue)
    start = f"{index}/{rank_of(0, job.options.get('priority', 0))[:-_WHOLE]}"

    def places(entries: list[Entry]) -> list[str]:
        own = (key[len(start) :] for key, id in entries if id != job.id and key.startswith(start))
        return [_place(rank) for rank in own if rank[0] not in "+:"]

    if to == "back":
        return next(iter(places(table.scan(index, 2, f"{start}:", reverse=True))), None), None
    count = 1 if to == "front" else int(to)
    found = places(table.scan(index, count + 1, f"{start},"))  # "," sorts before all places, and ":" behind them
    before, behind = found[: count - 1][-1:], found[count - 1 : count]
    return next(iter(before), None), next(iter(behind), None)


def _place(rank: str) -> str:
    """Return a rank without its priority and the number of its move."""
    return rank.rpartition("/")[2].partition(".")[0]


def between(before: str | None, behind: str | None) -> str:
    """Return a place between two others, of which one may be None.

    If both are equal, return the same place: a new move sorts behind earlier ones.
    """
    if before is None and behind is not None:
        return _previous(behind[:_WHOLE])
    if before is None or before == behind:
        return before or ""
    whole_text = before[:_WHOLE]
    limit = behind[_WHOLE:] if behind is not None and behind.startswith(whole_text) else None
    return whole_text + _fraction_between(before[_WHOLE:], limit)


def _previous(whole: str) -> str:
    """Return the place before this one that has no fraction. Negative ones have `-` before their complement."""
    number = int(whole) if whole[0] != "-" else int(whole[1:]) - 10 ** (_WHOLE - 1)
    return f"{number - 1:0{_WHOLE}}" if number > 0 else f"-{number - 1 + 10 ** (_WHOLE - 1):0{_WHOLE - 1}}"


def _fraction_between(low: str, high: str | None) -> str:
    """Return the digits of a fraction between two others. Without `high`, there is no limit.

    It is half-way, except behind the last digits of `low`, so that many moves to one end stay short.
    """
    found, n = "", 0
    while True:
        digit = _DIGITS.index(low[n]) if n < len(low) else 0
        limit = _DIGITS.index(high[n]) if high is not None and n < len(high) else len(_DIGITS)
        middle = digit + 1 if high is None and n < len(low) else (digit + limit) // 2
        if digit < middle < limit:
            return found + _DIGITS[middle]
        found += _DIGITS[digit]
        high = high if digit == limit else None
        n += 1
