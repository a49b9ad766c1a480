"""`queuectl config`: the default settings of a home."""

from __future__ import annotations

from ...api import Queue
from ...model.settings import SETTINGS, Settings, check_key, check_setting, parse_setting
from ..fast_args import Action, Arguments
from ..screen import Screen

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Mapping

SUMMARY = """Shows and changes the defaults of this home; `queuectl config list` shows all keys. A running supervisor
uses a new value at once. A job keeps the retry rules that were in effect when it was enqueued."""
EXAMPLES = ["queuectl config set max-retries 5", "queuectl config set backoff-base 1.5", "queuectl config list"]
_KEY = ("key", "KEY", ", ".join(SETTINGS))
ACTIONS = {
    "set": Action("set a value", "queuectl config set max-retries 5", _KEY, ("value", "VALUE", "new value")),
    "get": Action("print the current value", "queuectl config get max-retries", _KEY),
    "list": Action("list all keys with values and meanings", "queuectl config list"),
    "edit": Action("open all values in $VISUAL or $EDITOR", "queuectl config edit"),
    "unset": Action("reset to the default", "queuectl config unset max-retries", _KEY),
}


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print or change settings."""
    if args.action == "list":
        return _list(queue, screen)
    if args.action == "edit":
        return _edit(queue, screen)
    check_key(args.key)
    if args.action == "get":
        settings = Settings(queue.settings())
        return screen.result(settings[args.key], settings.shown(args.key))
    value = parse_setting(args.key, args.value) if args.action == "set" else None
    queue.configure(args.key, value)
    value = SETTINGS[args.key].default if value is None else value
    done = "set" if args.action == "set" else "reset"
    screen.done({args.key: value}, f"{done} {args.key} to {Settings({args.key: value}).shown(args.key) or 'nothing'}")


def _edit(queue: Queue, screen: Screen) -> None:
    from ..editor import check_terminal, edit

    check_terminal("use `queuectl config set KEY VALUE`")
    settings = Settings(queue.settings())

    def change(fields: Mapping[str, object]) -> None:
        values = {key: None if value is None else _checked(key, value) for key, value in fields.items()}
        for key, value in values.items():  # all are valid
            queue.configure(key, value)

    changed = edit({key: settings.usable(key) for key in SETTINGS}, change, screen)
    if screen.json:
        screen.value(changed)


def _checked(key: str, value: object) -> object:
    return parse_setting(key, value) if isinstance(value, str) else check_setting(key, value)


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
