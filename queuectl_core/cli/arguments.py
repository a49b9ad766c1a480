"""Arguments: the argparse parsers, with one-line errors, suggestions, and examples in the help.

It does not know any command.
Invariant: argparse never sees `--` and the words after it. It would drop `--`, and the words of a
command may look like options.
"""

from __future__ import annotations

import argparse
import os
from types import ModuleType

from ..errors import InvalidInput
from .fast_args import home_of, split
from .screen import flush, write

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser that raises its errors, and suggests options and actions for a misspelling."""

    def error(self, message: str) -> NoReturn:
        said = message if len(message) <= 300 else f"{message[:300]}…"
        raise InvalidInput(what=f"{said}{self._near(message[:300])}; see `{self.prog} --help`")

    def _print_message(self, message: str, file: object = None) -> None:
        """Print the help as data, so that a failed write is an error.

        Raises: OutputFailed, BrokenPipeError.
        """
        write(message)
        flush()

    def _near(self, message: str) -> str:
        from difflib import get_close_matches

        if message.startswith("unrecognized arguments: -"):
            word, known = message.split(": ", 1)[1].split()[0].split("=")[0], list(self._option_string_actions)
        elif "invalid choice: '" in message:
            word = message.split("'")[1]
            known = [name for action in self._actions for name in (action.choices or ())]
        else:
            return ""
        near = get_close_matches(word, known, n=1)
        return f" (did you mean {near[0]}?)" if near else ""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """A help formatter that is as wide as the terminal.

    argparse makes a formatter for every argument. Without a width, each would import shutil, which
    takes 2.5 ms.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and 0 < len(columns) < 6 and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(1).columns or 80
    except (ValueError, OSError):
        return 80


def parse(name: str, command: ModuleType, words: list[str], options: dict[str, object]) -> argparse.Namespace:
    """Parse the arguments of one command.

    `args.words` holds the words after `--`, or None if there is no `--`.

    Raises: InvalidInput.
    """
    words, behind = split(words)
    parser = make_parser(name, command, options)
    args = parser.parse_args(words)
    if behind is not None and not getattr(command, "TAKES_WORDS", False):
        raise InvalidInput(what=f"`queuectl {name}` accepts nothing after --")
    args.home = home_of(args.home)
    args.words = behind
    return args


def make_parser(name: str, command: ModuleType, options: dict[str, object]) -> Parser:
    """Return the parser of one command; `options` are the values given before the command."""
    parser = Parser(
        prog=f"queuectl {name}",
        description=command.SUMMARY,
        epilog=examples(command.EXAMPLES),
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    add_common(parser, options)
    command.add_arguments(parser)
    return parser


def add_common(parser: argparse.ArgumentParser, options: dict[str, object] | None = None) -> None:
    """Add --home and --json.

    A subcommand passes no `options`, so that values from further left stay in force.
    """
    suppress = argparse.SUPPRESS
    home, json = (options["home"], options["json"]) if options else (suppress, suppress)
    parser.add_argument("--home", metavar="DIR", default=home, help="folder that holds the queue")
    parser.add_argument("--json", action="store_true", default=json, help="print one JSON value")


def add_actions(parser: argparse.ArgumentParser, what: str) -> argparse._SubParsersAction[Parser]:
    """Add the actions of a group like `worker`; a call must name one of them."""
    return parser.add_subparsers(dest="action", metavar="ACTION", required=True, title=what, parser_class=Parser)


def add_action(actions: argparse._SubParsersAction[Parser], name: str, help: str, example: str) -> Parser:
    """Add an action with its help and an example, and return its parser."""
    parser = actions.add_parser(
        name,
        help=help,
        description=help[0].upper() + help[1:] + ".",
        epilog=examples([example]),
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    add_common(parser)
    return parser


def examples(lines: list[str]) -> str:
    return "examples:\n" + "\n".join(f"  {line}" for line in lines)
