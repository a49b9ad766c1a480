"""Act: the requests that change jobs by their IDs or by a filter.

A filter selects all its jobs before the first change, and a job that has left its state by then
stays as it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain
from typing import Any

from ..errors import InvalidInput, NothingToDo, QueueError
from . import command_words
from .action import MOVE, Action, ids_of, is_set, mapping, verb_of
from .connection.incoming import Request
from .connection.refusal import Refusal, refusal_of
from .connection.replies import Reply, json_reply, lines_reply, to_json
from .context import Context

PROGRESS_EVERY_S = 0.5


def act(context: Context, request: Request) -> Reply:
    """Change jobs, or with `preview` only count them.

    Raises: InvalidInput, NothingToDo, UnknownJob, WrongState.
    """
    body = mapping(request.body, "the request")
    if verb_of(body)[0] == MOVE:
        return _move(context, request)
    action = Action(context, body)
    if is_set(body, "preview"):
        return json_reply(action.preview())
    portions = action.portions()
    first = next(portions, None)
    if first is None:
        raise NothingToDo(what="no matching job is in a suitable state")
    if action.ids is None:
        return lines_reply(_progress(action, request, chain((first,), portions)))
    with context.change(request.sender, action.said) as results:
        changed = action.apply(first)
        results.append(f"{changed} jobs")
    return json_reply(action.result(changed, len(first)))


class _Pace:
    """Says when to tell the progress."""

    def __init__(self) -> None:
        self._told_s = time.monotonic()

    def is_due(self) -> bool:
        """Return whether some time has passed since this was last so."""
        now_s = time.monotonic()
        is_due = now_s > self._told_s + PROGRESS_EVERY_S
        self._told_s = now_s if is_due else self._told_s
        return is_due


def _progress(action: Action, request: Request, portions: Iterator[list[str]]) -> Iterator[bytes]:
    """Change the jobs, and yield a line about it now and then.

    If the page is closed, it ends between two parts.
    """
    pace, told = _Pace(), {"changed": 0, "of": 0}
    held = []
    try:
        with action.context.change(request.sender, action.said) as results:
            for portion in portions:
                # A million IDs in lists would take four times the memory.
                held.append(" ".join(portion))
                told["of"] += len(portion)
                if pace.is_due():
                    yield _line(told)
            for text in held:
                told["changed"] += _apply(action, text.split(" "))
                results[:] = [f"{told['changed']} of {told['of']} jobs"]
                if pace.is_due():
                    yield _line(told)
        yield _line(action.result(told["changed"], told["of"]))
    except (QueueError, OSError, Refusal) as fault:
        refusal = refusal_of(fault)
        yield _line({**told, "error": refusal.code, "message": refusal.message, "is_done": True})


def _apply(action: Action, ids: list[str]) -> int:
    """Change a part of the jobs, unless the server ends.

    Raises: Refusal, QueueError.
    """
    if action.context.is_closing:
        raise Refusal(503, "busy", "this server ends")
    return action.apply(ids)


def _line(value: Any) -> bytes:
    return to_json(value) + b"\n"


def _move(context: Context, request: Request) -> Reply:
    """Move one waiting job to another place.

    Raises: InvalidInput, UnknownJob, WrongState.
    """
    ids, to = ids_of(request.body.get("ids")), verb_of(request.body)[1].get("to")
    if len(ids) != 1 or not isinstance(to, (str, int)):
        raise InvalidInput(what="move needs one ID, and the option to: front, back, or a place")
    command = context.command(["move", ids[0], *command_words.option("to", to)])
    if is_set(request.body, "preview"):
        return json_reply({"count": 1, "sample": ids, "is_complete": True, "command": command})
    with context.change(request.sender, command):
        context.queue.move(ids[0], to)
    return json_reply({"changed": 1, "of": 1, "is_done": True, "command": command})
