"""Reads: the requests of the page that change nothing."""

from __future__ import annotations

import base64
import json
import sys
import time
from typing import Any

from .. import __version__
from ..errors import InvalidInput
from ..model.settings import SETTINGS, Settings
from .context import Context
from .incoming import Request
from .refusal import Refusal
from .replies import Reply, json_reply
from .selection import OPTIONS, Selection

PAGE_JOBS, MAX_PAGE_JOBS = 100, 200
SEARCH_S = 0.1
"""How long a page of jobs may search for more jobs that match, in seconds. It continues with its cursor."""


def session(context: Context, request: Request) -> Reply:
    """Return what this server is, and what its visitor may do."""
    return json_reply(
        {
            "version": __version__,
            "python": sys.version.split()[0],
            "home": context.queue.home.path,
            "read_only": context.is_read_only,
            "filters": OPTIONS,
        }
    )


def overview(context: Context, request: Request) -> Reply:
    """Return what happens in the home now."""
    return json_reply({**context.queue.status(), "queues": context.queue.queues()})


def jobs(context: Context, request: Request) -> Reply:
    """Return a page of the jobs that match the words of the query."""
    words = {name: values for name, values in request.query.items() if name not in ("cursor", "limit", "sort")}
    selection = Selection(words)
    limit = _limit(request.text("limit"))
    found: list[Any] = []
    cursor, end_s = _cursor(request.text("cursor")), time.monotonic() + SEARCH_S
    while True:
        page = context.queue.page(cursor, limit - len(found), **selection.chosen)
        found += page["jobs"]
        cursor = page["next"]
        if cursor is None or len(found) >= limit or time.monotonic() > end_s:
            break
    command = context.command(["list", *selection.words])
    return json_reply({"jobs": found, "next": _text_of(cursor), "command": command})


def job(context: Context, request: Request) -> Reply:
    """Return one job with its history."""
    id = request.path[2]
    record = context.queue.get(id)
    return json_reply({"job": record, "command": context.command(["show", id])})


def queues(context: Context, request: Request) -> Reply:
    """Return the queues with their rules and counts."""
    return json_reply(context.queue.queues())


def schedules(context: Context, request: Request) -> Reply:
    """Return the schedules."""
    return json_reply(context.queue.schedules())


def config(context: Context, request: Request) -> Reply:
    """Return the settings with their defaults."""
    settings = Settings(context.queue.settings())
    shown = [
        {
            "key": key,
            "value": settings.values.get(key, setting.default),
            "default": setting.default,
            "is_set": key in settings.values,
            "help": setting.help,
        }
        for key, setting in SETTINGS.items()
    ]
    return json_reply(shown)


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
        raise Refusal(400, "bad_request", "the cursor is not from an earlier page") from None


def _text_of(cursor: object) -> str | None:
    return None if cursor is None else base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode()
