"""Changes: the requests that edit or add a job, or change a queue, a schedule, or a setting."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidInput
from ..model.settings import parse_setting
from . import command_words
from .action import is_set, mapping
from .connection.incoming import Request
from .connection.replies import Reply, json_reply
from .context import Context

ALL_QUEUES = "*"
RULES = (
    "limit",
    "rate",
    "paused",
    "pause_for",
    "pause_reason",
    "limit_load",
    "min_free_mem",
    "defaults",
)
"""What a request can set for a queue."""

SCHEDULE_WORDS = {"run": "run-now", "pause": "pause", "resume": "resume", "rm": "remove"}
"""What a request can do with a schedule, and the action of the command line."""


def edit(context: Context, request: Request) -> Reply:
    """Change fields of a waiting or dead job; null restores a default.

    Raises: InvalidInput, UnknownJob, WrongState.
    """
    body = mapping(request.body, "the request")
    id, changes = _text(body, "id"), mapping(body.get("changes"), "changes")
    if not changes:
        raise InvalidInput(what="name a change, like priority")
    with context.change(request.sender, f"edit {id}: {', '.join(map(str, changes))}"):
        context.queue.edit([id], changes)
    return json_reply(
        {"id": id, "changed": 1, "command": context.command(command_words.edit(id, changes))}
    )


def enqueue(context: Context, request: Request) -> Reply:
    """Add a job, or with `dry_run` only say what it would be.

    Raises: InvalidJob, DuplicateJob, KeyTaken, BadDependency, DiskFull.
    """
    body = mapping(request.body, "the request")
    job: Any = mapping(body.get("job"), "job")
    command = context.command(command_words.enqueue(job))
    if is_set(body, "dry_run"):
        record = context.queue.preview([job])[0]
        return json_reply(
            {"job": record, "timetable": record["retries_after_s"], "command": command}
        )
    with context.change(request.sender, "enqueue") as results:
        id = context.queue.enqueue_many([job])[0]
        results.append(f"job {id}")
    return json_reply({"id": id, "command": command})


def queue(context: Context, request: Request) -> Reply:
    """Change the rules of a queue, or pause or resume it, or with `rm` remove its rules.

    Raises: InvalidInput, NothingToDo.
    """
    body = mapping(request.body, "the request")
    name = _text(body, "queue")
    if name == ALL_QUEUES:
        raise InvalidInput(what="to pause all queues, use api/pause")
    if is_set(body, "rm"):
        return _done(
            context, request, ["queue", "rm", name], lambda: context.queue.remove_queue(name)
        )
    rules: Any = mapping(body.get("set"), "set")
    for rule in rules:
        if rule not in RULES:
            raise InvalidInput(what=f"unknown rule {rule[:40]!r}; the rules are {', '.join(RULES)}")
    words = command_words.queue(name, rules)
    if rules.get("paused") is not False and not context.queue.queues(name):
        words.append("--create")
    return _done(context, request, words, lambda: context.queue.set_queue(name, **rules))


def pause(context: Context, request: Request) -> Reply:
    """Pause or resume all queues.

    Raises: InvalidInput.
    """
    body = mapping(request.body, "the request")
    rules: Any = {"paused": is_set(body, "is_paused")}
    if rules["paused"]:
        given = {"pause_for": body.get("for"), "pause_reason": body.get("reason")}
        rules.update({name: value for name, value in given.items() if value not in (None, "")})
    words = command_words.pause(rules)
    return _done(context, request, words, lambda: context.queue.set_queue(ALL_QUEUES, **rules))


def schedule(context: Context, request: Request) -> Reply:
    """Run, pause, resume or remove a schedule.

    Raises: InvalidInput, UnknownSchedule.
    """
    body = mapping(request.body, "the request")
    name, do = _text(body, "schedule"), _text(body, "do")
    if do not in SCHEDULE_WORDS:
        raise InvalidInput(what=f"do must be one of {', '.join(SCHEDULE_WORDS)}")
    home = context.queue
    doings = {
        "run": lambda: home.run_schedule(name),
        "pause": lambda: home.pause_schedule(name, True),
        "resume": lambda: home.pause_schedule(name, False),
        "rm": lambda: home.remove_schedule(name),
    }
    return _done(
        context,
        request,
        ["schedule", SCHEDULE_WORDS[do], name],
        doings[do],
        "id" if do == "run" else None,
    )


def config(context: Context, request: Request) -> Reply:
    """Change a setting, given as text as on the command line, or with `unset` restore its default.

    Raises: InvalidInput, InvalidSetting.
    """
    body = mapping(request.body, "the request")
    key = _text(body, "key")
    if is_set(body, "unset"):
        return _done(
            context, request, ["config", "unset", key], lambda: context.queue.configure(key, None)
        )
    text = _text(body, "value")
    value = parse_setting(key, text)
    words = ["config", "set", key, "…" if key == "env" else text]
    return _done(context, request, words, lambda: context.queue.configure(key, value))


def _done(
    context: Context, request: Request, words: list[str], change: Any, field: str | None = None
) -> Reply:
    """Make a change, and return its command line; `field` has what the change returns."""
    command = context.command(words)
    with context.change(request.sender, command):
        result = change()
    return json_reply({"command": command, **({field: result} if field else {})})


def _text(body: Any, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or (not value and name != "value"):
        raise InvalidInput(what=f"{name} must be text")
    return value
