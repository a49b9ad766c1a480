"""Arguments: the argparse parsers, with one-line errors, suggestions, and examples in the help.

It does not know any command.
Invariant: argparse never sees `--` and the words after it. It would drop `--`, and the words of a
command may look like options.
"""

from __future__ import annotations

import argparse
import os

from ..errors import InvalidInput
from .fast_args import Arguments, home_of, split
from .screen import flush, write

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

    from .fast_args import Option

NULL = "-0"
"""The short form of --null. argparse must not know it: with such an option, it refuses a value like -5."""


FILTERS_TITLE = 'filters (details in docs/commands.md, "Choose jobs")'
JOB_TITLE = "job options (details in docs/commands.md, docs/job-fields.md)"


class FullParser(argparse.ArgumentParser):
    """A parser that raises its errors, and suggests options and actions for a misspelling.

    Every parser has --home and --json. That of an action has no defaults for them, so that values
    from further left stay in force.
    """

    def __init__(
        self, examples: list[str], home: object = argparse.SUPPRESS, json: object = argparse.SUPPRESS, **how: Any
    ) -> None:
        epilog = "\n  ".join(["examples:", *examples])
        super().__init__(epilog=epilog, formatter_class=Formatter, allow_abbrev=False, **how)
        self.add_argument("--home", metavar="DIR", default=home, help="home: folder that holds the jobs")
        self.add_argument("--json", action="store_true", default=json, help="print one JSON value")

    def error(self, message: str) -> NoReturn:
        """Report invalid arguments.

        Raises: InvalidInput.
        """
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


def parse(name: str, command: Any, words: list[str], options: dict[str, object]) -> Arguments:
    """Return the arguments of one call.

    `args.words` holds the words after `--`, or None if there is no `--`.

    Raises: InvalidInput.
    """
    words, behind = split(words)
    spelled_out = ["--null" if word == NULL else word for word in words]
    args = vars(make_parser(name, command, options).parse_args(spelled_out))
    if behind is not None and not getattr(command, "TAKES_WORDS", False):
        raise InvalidInput(what=f"`queuectl {name}` accepts nothing after --")
    return Arguments(**{**args, "home": home_of(args["home"]), "words": behind})


def make_parser(name: str, command: Any, options: dict[str, object]) -> FullParser:
    """Return the parser of one command; `options` are the values given before the command."""
    summary = "\n".join(map(str.strip, command.SUMMARY.splitlines()))
    parser = FullParser(command.EXAMPLES, prog=f"queuectl {name}", description=summary, **options)
    if hasattr(command, "ACTIONS"):
        title = getattr(command, "ACTIONS_TITLE", "actions")
        actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title=title)
        for word, action in command.ACTIONS.items():
            how = {"help": action.help, "description": action.SUMMARY, "examples": action.EXAMPLES}
            _declare(actions.add_parser(word, **how), action)
    else:
        _declare(parser, command)
    return parser


def _declare(parser: FullParser, definition: Any) -> None:
    """Add the arguments of a command or an action to its parser."""
    from .filters import FILTERS, STATE

    options = getattr(definition, "OPTIONS", ())
    filters = [option for option in options if option in (STATE, *FILTERS)]
    parser.usage = getattr(definition, "USAGE", _usage_of(options) if filters else None)
    for option in options:
        if option not in filters:
            _add(parser, option)
    job_flags = getattr(definition, "JOB_FLAGS", ())
    _add_group(parser, FILTERS_TITLE, filters, only_names=bool(job_flags))
    _add_group(parser, JOB_TITLE, job_flags)


def _usage_of(options: Sequence[Option]) -> str:
    """Return a usage that names only the positional arguments."""
    places = (metavar for names, metavar, _ in options if not names.startswith("-"))
    return " ".join(["%(prog)s [options]", *(f"[{place.replace('…', ' …')}]" for place in places)])


def _add_group(parser: FullParser, title: str, options: Sequence[Option], only_names: bool = False) -> None:
    """Add options that share the text of a group: two columns, or only the names where the help is long."""
    if not options:
        return
    from .job_options import names_of, two_columns

    group = parser.add_argument_group(title, names_of(options) if only_names else two_columns(options))
    for names, metavar, _ in options:
        _add(group, (names, metavar, argparse.SUPPRESS))


def _add(parser: argparse._ActionsContainer, option: Option) -> None:
    names, metavar, help = option
    flags = [name for name in names.split() if name != NULL]
    how: dict[str, Any] = {"metavar": metavar.rstrip("…?"), "help": help or argparse.SUPPRESS}
    if not names.startswith("-"):
        nargs = {"…": "*", "?": "?"}.get(metavar[-1:])
        parser.add_argument(names, nargs=nargs, **how)
    elif metavar.endswith("?"):
        parser.add_argument(*flags, nargs="?", const="-", **how)
    elif metavar:
        parser.add_argument(*flags, action="append" if metavar.endswith("…") else "store", **how)
    else:
        parser.add_argument(*flags, action="store_true", help=help)
