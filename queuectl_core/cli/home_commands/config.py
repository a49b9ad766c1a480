"""`queuectl config`: the default settings of a home."""

from __future__ import annotations

from ...api import Queue
from ...model.settings import SETTINGS, Settings, check_key, parse_setting
from ..fast_args import Action, Arguments
from ..screen import Screen

SUMMARY = """Shows and changes the defaults of this home. A running supervisor uses a new value at once. A job keeps the
retry rules that were in effect when it was enqueued."""
EXAMPLES = ["queuectl config set max-retries 5", "queuectl config set backoff-base 1.5", "queuectl config list"]
ACTIONS_TITLE = f"actions (keys: {', '.join(SETTINGS)})"
_KEY = ("key", "KEY", ", ".join(SETTINGS))
ACTIONS = {
    "set": Action("set a value", "queuectl config set max-retries 5", _KEY, ("value", "VALUE", "new value")),
    "get": Action("print the current value", "queuectl config get max-retries", _KEY),
    "list": Action("list all keys with values and meanings", "queuectl config list"),
    "unset": Action("reset to the default", "queuectl config unset max-retries", _KEY),
}


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print or change settings."""
    if args.action == "list":
        return _list(queue, screen)
    check_key(args.key)
    if args.action == "get":
        settings = Settings(queue.settings())
        return screen.result(settings[args.key], settings.shown(args.key))
    value = parse_setting(args.key, args.value) if args.action == "set" else None
    queue.configure(args.key, value)
    if screen.json:
        screen.value({args.key: SETTINGS[args.key].default if value is None else value})


def _list(queue: Queue, screen: Screen) -> None:
    settings = Settings(queue.settings())
    if screen.json:
        return screen.value({key: settings[key] for key in SETTINGS})
    columns = {
        "KEY": str,
        "VALUE": settings.shown,
        "FROM": lambda key: "set" if key in settings.values else "default",
        "MEANING": lambda key: SETTINGS[key].help,
    }
    screen.table(columns, list(SETTINGS))
