"""`queuectl config`: the default settings of a home."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ...api import Queue
from ...model.settings import SETTINGS, Settings, check_key, parse_setting
from ..arguments import add_action, add_actions
from ..screen import Screen

SUMMARY = """Shows and changes the defaults of this home. A running supervisor uses a new value at once. A job keeps the
retry rules that were in effect when it was enqueued."""
EXAMPLES = ["queuectl config set max-retries 5", "queuectl config set backoff-base 1.5", "queuectl config list"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    keys = ", ".join(SETTINGS)
    actions = add_actions(parser, f"actions (keys: {keys})")
    setting = add_action(actions, "set", "set a value", "queuectl config set max-retries 5")
    setting.add_argument("key", metavar="KEY", help=keys)
    setting.add_argument("value", metavar="VALUE")
    get = add_action(actions, "get", "print the current value", "queuectl config get max-retries")
    get.add_argument("key", metavar="KEY", help=keys)
    add_action(actions, "list", "list all keys with values and meanings", "queuectl config list")
    unset = add_action(actions, "unset", "reset to the default", "queuectl config unset max-retries")
    unset.add_argument("key", metavar="KEY", help=keys)


def run(args: Namespace, screen: Screen) -> int:
    """Print or change settings, and return the exit status."""
    with Queue(args.home, notice=screen.note) as queue:
        if args.action == "set":
            value = parse_setting(args.key, args.value)
            queue.configure(args.key, value)
            _confirm(args.key, value, screen)
        elif args.action == "unset":
            check_key(args.key)
            queue.configure(args.key, None)
            _confirm(args.key, SETTINGS[args.key].default, screen)
        else:
            settings = Settings(queue.settings())
            _show(args, settings, screen)
    return 0


def _confirm(key: str, value: object, screen: Screen) -> None:
    if screen.json:
        screen.value({key: value})


def _show(args: Namespace, settings: Settings, screen: Screen) -> None:
    if args.action == "get":
        check_key(args.key)
        value = settings[args.key]  # raises if the stored value is damaged
        screen.value(value) if screen.json else screen.line(settings.shown(args.key))
    elif screen.json:
        screen.value({key: settings[key] for key in SETTINGS})
    else:
        rows = [
            [key, settings.shown(key), "set" if key in settings.values else "default", SETTINGS[key].help]
            for key in SETTINGS
        ]
        screen.table(["KEY", "VALUE", "FROM", "MEANING"], rows)
