"""Job reads: the requests about jobs that change nothing: pages, one job, its history."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..cli.job_columns import value_of
from ..cli.job_commands.history import event_words
from ..errors import InvalidInput
from ..storage import journal_reader
from ..view import failure_groups
from ..view.sentences import explained, with_facts
from .connection.incoming import Request
from .connection.refusal import Refusal
from .connection.replies import Reply, json_reply
from .context import Context
from .selection import Selection

if TYPE_CHECKING:
    from ..model.records import Chosen, JobPage, ListedJob, State, StatusRecord

PAGE_JOBS, MAX_PAGE_JOBS = 100, 200
SEARCH_S = 0.1
"""How long a page of jobs may search for more jobs that match, in seconds.

It continues with its cursor.
"""

MAX_SORTED, SORTING_S = 10_000, 1.0
"""The most jobs that are sorted by a field, and how long they may be read, in seconds."""

MAX_RELATED = 50
"""The most jobs before or behind one that its page names."""

_OTHER_WORDS = ("cursor", "limit", "sort")


def jobs(context: Context, request: Request) -> Reply:
    """Return a page of the jobs that match the words of the query."""
    selection = Selection(
        {name: values for name, values in request.query.items() if name not in _OTHER_WORDS}
    )
    limit, cursor = _limit(request.text("limit")), _cursor(request.text("cursor"))
    sort = request.text("sort")
    words = ["list", *selection.words]
    if sort:
        page = _sorted_page(context, selection, (sort, limit), cursor)
        words += ["--sort", sort.lstrip("-"), *(["--reverse"] if sort.startswith("-") else [])]
    else:
        page = _next_page(context, selection, limit, cursor)
    status = context.queue.status()
    for job in page["jobs"]:
        _explain(context, job, status)
    count = count_of(context, selection.chosen, status) if selection.group is None else None
    page.update(count=count, command=context.command(words))
    return json_reply(page)


def job(context: Context, request: Request) -> Reply:
    """Return one job with why it is in its state, and the jobs before and behind it."""
    id = request.path[2]
    record, status = context.queue.get(id), context.queue.status()
    why = with_facts(context.queue.why(id), context.queue.home.path, status)
    dependants = [*context.queue.dependants([id]), *context.queue.dead_dependants([id])]
    return json_reply(
        {
            "job": record,
            "why": {**why, "text": explained(why)},
            "ahead": why.get("first_ids", []),
            "after": _states_of(context, [*record.get("waits_for", ()), *record.get("after", ())]),
            "dependants": _states_of(context, dependants),
            "command": context.command(["show", id]),
        }
    )


def history(context: Context, request: Request) -> Reply:
    """Return the events of a job that the journal keeps, in words."""
    id = request.path[2]
    context.queue.get(id)  # refuse an unknown job
    folder = context.queue.home.journal
    facts = journal_reader.read(folder, journal_reader.first_known(folder) - 1, {id})
    events = [{"at": fact["at"], "seq": fact["seq"], "text": event_words(fact)} for fact in facts]
    return json_reply({"events": events, "command": context.command(["history", id])})


def matching(group: str | None, page: JobPage) -> list[ListedJob]:
    """Return the jobs of a page that belong to a group of failures, or all without one."""
    if group is None:
        return page["jobs"]
    return [job for job in page["jobs"] if failure_groups.key_of(job) == group]


def count_of(context: Context, chosen: Chosen, status: StatusRecord) -> int | None:
    """Return how many jobs match a filter, if a counter says so, or None."""
    if set(chosen) - {"state", "queue"}:
        return None
    state, queue = chosen.get("state"), chosen.get("queue")
    counts: dict[State, int] = status["counts"]
    if queue is not None:
        record = next(iter(context.queue.queues(queue)), None)
        if record is None:
            return 0
        counts = record["counts"]
    states = [state] if isinstance(state, str) else state
    return sum(count for name, count in counts.items() if states is None or name in states)


def _next_page(
    context: Context, selection: Selection, limit: int, cursor: object
) -> dict[str, Any]:
    found: list[Any] = []
    end_s = time.monotonic() + SEARCH_S
    while True:
        page = context.queue.page(cursor, limit - len(found), explained=True, **selection.chosen)
        found += matching(selection.group, page)
        cursor = page["next"]
        if cursor is None or len(found) >= limit or time.monotonic() > end_s:
            return {"jobs": found, "next": _text_of(cursor)}


# Sorted pages


def _sorted_page(
    context: Context, selection: Selection, order: tuple[str, int], cursor: object
) -> dict[str, Any]:
    """Return a page of jobs by a field; a minus before it is for the largest first.

    Its cursor is a place.
    """
    sort, limit = order
    if cursor is not None and not _is_place(cursor):
        raise _bad_cursor()
    fact, is_reverse = value_of(sort.lstrip("-"), "sort"), sort.startswith("-")
    jobs, is_complete = _first_jobs(context, selection)
    places = {job["id"]: _place(fact(job)) for job in jobs}
    known = [job for job in jobs if places[job["id"]] is not None]
    known.sort(key=lambda job: (places[job["id"]], job["id"]), reverse=is_reverse)
    ordered = [*known, *(job for job in jobs if places[job["id"]] is None)]
    start = 0 if cursor is None else _start_of(ordered, places, cursor, is_reverse)
    page = ordered[start : start + limit]
    more = len(ordered) > start + limit
    last = page[-1]["id"] if page else ""
    return {
        "jobs": page,
        "next": _text_of([places[last], last]) if more else None,
        "is_complete": is_complete,
    }


def _first_jobs(context: Context, selection: Selection) -> tuple[list[ListedJob], bool]:
    """Return the jobs that match, as many as can be sorted, and whether these are all."""
    found: list[ListedJob] = []
    cursor, end_s = None, time.monotonic() + SORTING_S
    while len(found) < MAX_SORTED and time.monotonic() < end_s:
        page = context.queue.page(cursor, explained=True, **selection.chosen)
        found += matching(selection.group, page)
        cursor = page["next"]
        if cursor is None:
            return found, True
    return found, False


def _place(value: object) -> tuple[bool, Any] | None:
    if value is None:
        return None
    is_text = not isinstance(value, (int, float))
    return is_text, str(value) if is_text else value


def _is_place(cursor: object) -> bool:
    """Return whether a cursor is the place and the ID of a job, as `_sorted_page` returns it."""
    if not (isinstance(cursor, list) and len(cursor) == 2 and isinstance(cursor[1], str)):
        return False
    place = cursor[0]
    if place is None:
        return True
    kinds = (str,) if isinstance(place, list) and place[:1] == [True] else (int, float)
    return (
        isinstance(place, list)
        and len(place) == 2
        and type(place[0]) is bool
        and isinstance(place[1], kinds)
    )


def _start_of(
    ordered: list[ListedJob], places: dict[str, Any], cursor: Any, is_reverse: bool
) -> int:
    """Return the index of the first job behind the place of a cursor, which may be gone."""
    place, id = cursor
    after = None if place is None else (tuple(place), id)
    for n, job in enumerate(ordered):
        own = places[job["id"]]
        if job["id"] == id:
            return n + 1
        if after is not None and (own is None or ((own, job["id"]) < after) == is_reverse):
            return n
    return len(ordered)


# Parts of a reply


def _explain(context: Context, job: ListedJob, status: StatusRecord) -> None:
    """Add the sentence to why a job waits."""
    if "why" in job:
        why = with_facts(job["why"], context.queue.home.path, status)
        job["why"] = {**why, "text": explained({"id": job["id"], **why})}


def _states_of(context: Context, ids: list[str]) -> Sequence[Mapping[str, str | None]]:
    """Return the jobs with their states; None for a removed job."""
    names = list(dict.fromkeys(ids))[:MAX_RELATED]
    known = context.states_of(names)
    return [known.get(id, {"id": id, "state": None}) for id in names]


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE_JOBS
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= MAX_PAGE_JOBS:
        raise InvalidInput(what=f"limit must be a whole number from 1 to {MAX_PAGE_JOBS}")
    return int(text)


def _cursor(text: str | None) -> Any:
    """Return the position that a text from an earlier page names.

    Raises: Refusal.
    """
    if not text:
        return None
    try:
        return json.loads(base64.urlsafe_b64decode(text))
    except (ValueError, RecursionError):
        raise _bad_cursor() from None


def _bad_cursor() -> Refusal:
    return Refusal(400, "bad_request", "the cursor is not from an earlier page")


def _text_of(cursor: object) -> str | None:
    if cursor is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode()
