"""Parser texts: the arguments, options, and examples of an argparse parser, for pages about a command.

They are the same on every version of Python, unlike what argparse prints.
"""

from __future__ import annotations

import argparse
import re

COMMON = ("-h", "--home", "-j", "-q")
"""The first spellings of the options that every command has."""


def actions_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the actions of a group like `worker`, by name."""
    groups = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(next(groups).choices) if any(map(is_group, parser._actions)) else {}


def is_group(action: argparse.Action) -> bool:
    """Return whether an argument of a parser is the name of an action."""
    return isinstance(action, argparse._SubParsersAction)


def is_positional(action: argparse.Action) -> bool:
    """Return whether an argument is no option."""
    return not action.option_strings


def options_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the options of a parser, without those that every command has."""
    return [action for action in parser._actions if action.option_strings and action.option_strings[0] not in COMMON]


def usage_of(parser: argparse.ArgumentParser) -> str:
    """Return one line of usage."""
    if parser.usage:
        return re.sub(r"\s+", " ", parser.usage % {"prog": parser.prog})
    positional = filter(is_positional, parser._actions)
    words = [parser.prog, "[options]" if options_of(parser) else "", *map(argument, positional)]
    return " ".join(filter(None, words))


def argument(action: argparse.Action) -> str:
    """Return how usage names a positional argument."""
    name = str(action.metavar or action.dest)
    return {"*": f"[{name} …]", "+": f"{name} …", "?": f"[{name}]"}.get(str(action.nargs), name)


def spelled(action: argparse.Action) -> str:
    """Return an option with its value, the long spelling last."""
    value = f" {action.metavar or action.dest.upper()}" if action.nargs != 0 else ""
    return f"{', '.join(action.option_strings)}{value}"


def examples_of(parser: argparse.ArgumentParser) -> list[str]:
    """Return the example command lines of a parser."""
    return [line.strip() for line in (parser.epilog or "").splitlines() if line.startswith("  ")]
