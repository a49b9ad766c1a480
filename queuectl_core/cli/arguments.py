"""Arguments: the argparse parsers, with one-line errors, suggestions, and examples in the help.

It does not know any command.
Invariant: argparse never sees `--` and the words after it. It would drop `--`, and the words of a
command may look like options.
"""

from __future__ import annotations

import argparse
import os
import sys

from ..errors import InvalidInput
from .fast_args import SHORT, Arguments, home_of, spellings, split
from .screen import flush, tell_lines, write

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

    from .fast_args import Option
    from .guidance.guesses import CommandsWith

NULL = SHORT["--null"]
"""The short form of --null. argparse must not know it: with such an option, it refuses a value like -5."""

COMMON = "also: -h --help, --home DIR, -j --json, -q --quiet (see `queuectl --help`)"
_IN_OUR_WORDS = {
    "argument -": "option -",
    ": expected one argument": " needs a value",
    ": ignored explicit argument": " takes no value like",
    "the following arguments are required:": "the call lacks",
}
"""What argparse says, and how queuectl says it."""

ACTION = "ACTION"
"""The place of an action, like `start` of `worker`, in a usage."""

FILTERS_TITLE = "filters (see `queuectl help filters`)"
JOB_TITLE = "job options (details in docs/commands.md, docs/job-fields.md)"


class FullParser(argparse.ArgumentParser):
    """A parser that raises its errors.

    Every parser has --home, --json and --quiet. That of an action has no defaults for them, so that
    values from further left stay in force. `has_json` tells whether the help lists --json.
    """

    def __init__(self, examples: list[str], options: Mapping[str, object], has_json: bool, **how: Any) -> None:
        common = COMMON if has_json else COMMON.replace("-j --json, ", "")
        epilog = "\n  ".join(["examples:", *examples]) + f"\n{common}"
        how.update(epilog=epilog, formatter_class=Formatter, allow_abbrev=False, add_help=False)
        super().__init__(**how)
        self._positionals.title, self._optionals.title = "arguments", "options"  # the same on each Python
        defaults = {**dict.fromkeys(("home", "json", "quiet"), argparse.SUPPRESS), **options}
        self.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
        self.add_argument("--home", metavar="DIR", default=defaults["home"], help=argparse.SUPPRESS)
        for name in ("json", "quiet"):
            flags = spellings(f"--{name}")
            self.add_argument(*flags, action="store_true", default=defaults[name], help=argparse.SUPPRESS)

    def error(self, message: str) -> NoReturn:
        """Report invalid arguments. At a terminal, print the help of a group whose action is missing.

        Raises: InvalidInput.
        """
        said = message if len(message) <= 300 else f"{message[:300]}…"
        for words, ours in _IN_OUR_WORDS.items():
            said = said.replace(words, ours)
        if message.endswith(f": {ACTION}"):
            said = f"name an action, like `{self.prog} {next(iter(self.actions))}`"
            if sys.stderr.isatty():
                tell_lines(self.format_help())
        raise InvalidInput(what=f"{said}; see `{self.prog} --help`")

    def format_help(self) -> str:
        """Return the help, in which the description is as wide as the terminal."""
        import textwrap

        words = " ".join((self.description or "").split())
        self.description = textwrap.fill(words, _columns() - 2, break_on_hyphens=False)
        return super().format_help()

    @property
    def takes_words(self) -> bool:
        """Whether a call may have a command after `--`."""
        return "-- WORD" in (self.usage or "")

    @property
    def actions(self) -> dict[str, FullParser]:
        """The parsers of the actions of a group like `worker`, by name."""
        groups = (action for action in self._actions if isinstance(action, argparse._SubParsersAction))
        return next((group.choices for group in groups), {})

    def _print_message(self, message: str, file: object = None) -> None:
        """Print the help as data, so that a failed write is an error.

        Raises: OutputFailed, BrokenPipeError.
        """
        write(message)
        flush()


class Formatter(argparse.RawDescriptionHelpFormatter):
    """A help formatter that is as wide as the terminal.

    argparse makes a formatter for every argument. Without a width, each would import shutil, which
    takes 2.5 ms.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)

    def add_argument(self, action: argparse.Action) -> None:
        """Add an argument. argparse forgets that it indents the actions of a group once more."""
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += self._indent_increment


def _columns() -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and 0 < len(columns) < 6 and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(1).columns or 80
    except (ValueError, OSError):
        return 80


def parse(
    name: str, command: Any, words: list[str], options: dict[str, object], commands_with: CommandsWith = lambda *_: ()
) -> Arguments:
    """Return the arguments of one call. `commands_with` tells which other commands have an option.

    `args.words` holds the words after `--`, or None if there is no `--`.

    Raises: InvalidInput.
    """
    words, behind = split(words)
    parser = make_parser(name, command, options)
    known, more = parser.parse_known_args(_spelled_out(words, command, parser.prog))
    args = vars(known)
    if more:
        from .guidance.guesses import behind_dashes, unexpected

        inner, stray = parser.actions.get(args.get("action", ""), parser), [*args.get("job", ()), *more]
        has_q = SHORT["--quiet"] in words
        definition = getattr(command, "ACTIONS", {}).get(args.get("action"), command)
        advice = _advice(definition, more, "-q is --quiet, use --queue" * has_q)
        what = unexpected(more, list(inner._option_string_actions), commands_with, advice)
        if behind is None and inner.takes_words and not has_q and not stray[0].startswith(("-", "{")):
            before = words[: words.index(stray[0])]
            what = behind_dashes(["queuectl", name, *before], stray)
        raise InvalidInput(what=f"{what}; see `{inner.prog} --help`")
    if behind is not None and not getattr(command, "TAKES_WORDS", False):
        raise InvalidInput(what=f"`queuectl {name}` accepts nothing after --")
    return Arguments(**{**args, "home": home_of(args["home"]), "words": behind})


def _advice(definition: Any, stray: list[str], otherwise: str) -> str:
    """Return what a command or an action says to a word or an option that it does not accept.

    `otherwise` is for a word if the command says nothing.
    """
    import shlex

    from .filters import FILTERS

    word = stray[0].split("=")[0]
    if not word.startswith("-"):
        text: str = getattr(definition, "FOR_A_WORD", otherwise)
        return text.format(stray[0][:60])
    flags = [flag for names, _, _ in FILTERS for flag in spellings(names)]
    instead: dict[str, str] = getattr(definition, "INSTEAD_OF", {})
    text = instead.get(word, getattr(definition, "FOR_A_FILTER", "") if word in flags else "")
    return text.format(shlex.join(stray)[:60])


def _spelled_out(words: list[str], command: Any, prog: str) -> list[str]:
    """Return the words with what argparse must know, instead of other names.

    Raises: InvalidInput.
    """
    known = getattr(command, "ACTIONS", None)
    if known and words and not words[0].startswith("-") and words[0] not in known:
        from .guidance.aliases import action_of, unknown_action

        words = [action_of(words[0], known), *words[1:]]
        if words[0] not in known:
            raise InvalidInput(what=unknown_action(words[0], prog, known))
    return ["--null" if word == NULL else word for word in words]


def make_parser(name: str, command: Any, options: Mapping[str, object]) -> FullParser:
    """Return the parser of one command; `options` are the values given before the command."""
    summary = "\n".join(map(str.strip, command.SUMMARY.splitlines()))
    has_json = getattr(command, "HAS_JSON", True)
    parser = FullParser(command.EXAMPLES, options, has_json, prog=f"queuectl {name}", description=summary)
    if hasattr(command, "ACTIONS"):
        actions = parser.add_subparsers(dest="action", metavar=ACTION, required=True, title="actions")
        for word, action in command.ACTIONS.items():
            how = {"help": action.help, "description": action.SUMMARY, "examples": action.EXAMPLES}
            has_json = getattr(action, "HAS_JSON", True)
            _declare(actions.add_parser(word, options={}, has_json=has_json, **how), action)
    else:
        _declare(parser, command)
    return parser


def _declare(parser: FullParser, definition: Any) -> None:
    """Add the arguments of a command or an action to its parser."""
    from .filters import FILTERS, STATE

    options = getattr(definition, "OPTIONS", ())
    filters = [option for option in options if option in (STATE, *FILTERS)]
    parser.usage = getattr(definition, "USAGE", _usage_of(options) if filters else None)
    once = (*(name for name, _, _ in filters), *getattr(definition, "ONCE", ()))
    for option in options:
        if option not in filters:
            _add(parser, option, once)
    job_flags = getattr(definition, "JOB_FLAGS", ())
    _add_group(parser, FILTERS_TITLE, filters, once, only_names=bool(job_flags))
    _add_group(parser, JOB_TITLE, job_flags, once)


def _usage_of(options: Sequence[Option]) -> str:
    """Return a usage that names only the positional arguments."""
    places = (metavar for name, metavar, _ in options if not name.startswith("-"))
    return " ".join(["%(prog)s [options]", *(f"[{place.replace('…', ' …')}]" for place in places)])


def _add_group(
    parser: FullParser, title: str, options: Sequence[Option], once: Sequence[str], only_names: bool = False
) -> None:
    """Add options that share the text of a group: two columns, or only the names where the help is long."""
    if not options:
        return
    from .job_options import names_of, two_columns

    group = parser.add_argument_group(title, names_of(options) if only_names else two_columns(options))
    for names, metavar, _ in options:
        _add(group, (names, metavar, argparse.SUPPRESS), once)


class _Once(argparse.Action):
    """An option that must not be repeated: its last value would silently replace the others."""

    def __call__(self, parser: object, namespace: argparse.Namespace, value: object, flag: object = None) -> None:
        """Set the value.

        Raises: InvalidInput.
        """
        if getattr(namespace, self.dest, None) is not None:
            from .filters import given_twice

            raise given_twice(self.option_strings[-1])
        setattr(namespace, self.dest, value)


def _add(parser: argparse._ActionsContainer, option: Option, once: Sequence[str]) -> None:
    name, metavar, help = option
    flags = [flag for flag in spellings(name) if flag != NULL]
    how: dict[str, Any] = {"metavar": metavar.rstrip("…?"), "help": help or argparse.SUPPRESS}
    if not name.startswith("-"):
        nargs = {"…": "*", "?": "?"}.get(metavar[-1:])
        parser.add_argument(name, nargs=nargs, **how)
    elif metavar.endswith("?"):
        parser.add_argument(*flags, nargs="?", const="-", **how)
    elif metavar.endswith("…"):
        parser.add_argument(*flags, action="append", **how)
    elif metavar:
        parser.add_argument(*flags, action=_Once if name in once else "store", **how)
    else:
        parser.add_argument(*flags, action="store_true", help=help)
