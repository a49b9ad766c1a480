"""Candidates: the words that may follow in an unfinished call, with a short text for each.

It knows the declarations of commands and the fixed values of options. `live_values` reads what a home has.
"""

from __future__ import annotations

from ...model.reasons import CAUSES
from ...model.settings import SETTINGS
from ...model.states import OPEN_STATES, STATES
from ..fast_args import spellings
from ..guidance.aliases import meaning
from ..main import COMMANDS, command_of
from .live_values import LiveValues

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from ..fast_args import Option

    Candidates = Mapping[str, str]
    """Each word that may follow, and what it means."""

FILES: Candidates = {":files": ""}
"""The answer that asks the shell for its own completion of paths. No word of a call begins with a colon."""

COMMON: tuple[Option, ...] = (
    ("--help", "", "print help"),
    ("--home", "DIR", "home: folder that holds the jobs"),
    ("--json", "", "print one JSON value, for programs"),
    ("--quiet", "", "print only data, warnings and errors"),
)

_STATES_OF = {
    "cancel": OPEN_STATES,
    "retry": ("failed", "pending", "dead"),
    "dlq": ("dead",),
    "suspend": ("processing",),
    "continue": ("processing",),
    "wait": OPEN_STATES,
    "move": ("pending", "failed"),
    "switch": ("pending", "failed"),
}
"""The states of the jobs that a command may name, if it does not take all."""

_VALUES = {
    "STATE": STATES,
    "CAUSE": CAUSES,
    "HOW": ("refuse", "skip", "replace"),
    "FORMAT": ("text", "json"),
    "WHAT": ("ids", "batch"),
    "WHERE": ("front", "back"),
    "--signal": ("TERM", "INT", "HUP", "KILL", "USR1", "USR2"),
}
"""The fixed values of an option or argument, by its name or by the name of its value."""

_SEVERAL = ("STATE", "CAUSE", "A,B", "--after")
"""The options whose value may have several parts, with commas between them."""

_JOBS = (("ID", "ids"), ("ID", "id"), ("ID", "other"), ("ID", "--after"), ("GLOB", "--id"))
"""The names of values and of their options or arguments that name jobs which exist."""

_PATHS = ("FILE", "DIR", "PATH")


def candidates(words: list[str], live_of: Callable[[str | None], LiveValues]) -> Candidates:
    """Return what the last word may become. `live_of` returns the values of the home with this path."""
    *before, current = words or [""]
    call = _Call(before)
    live = live_of(call.home)
    if "--" in before:
        return FILES
    option, sign, value = current.partition("=")
    if sign and option.startswith("--"):
        inner = call.values_of(option, value, live)
        return inner if inner is FILES else {f"{option}={word}": text for word, text in inner.items()}
    if call.open_option:
        return call.values_of(call.open_option, current, live)
    found = call.options() if current.startswith("-") else call.places(current, live)
    return found if found is FILES else _beginning_with(current, found)


class _Call:
    """The words before the unfinished one, as a command, an action, and its arguments."""

    def __init__(self, words: list[str]) -> None:
        self.home: str | None = None
        self.open_option = ""
        """The option that lacks its value."""
        self.command = self.action = ""
        self.given: list[str] = []
        """The positional words."""
        self._actions: Mapping[str, Any] = {}
        self._declared: tuple[Option, ...] = COMMON
        for word in _in_our_words(words):
            self._take(word)

    def _take(self, word: str) -> None:
        option, sign, value = word.partition("=")
        if self.open_option:
            self._give(self.open_option, word)
            self.open_option = ""
        elif word.startswith("-") and sign:
            self._give(option, value)
        elif word.startswith("-"):
            self.open_option = word if self._value_name(word) else ""
        elif not self.command:
            self.command = word
            self._enter(word)
        elif self._actions and not self.action:
            self.action = word
            self._declare(self._actions.get(word))
        else:
            self.given.append(word)

    def _give(self, option: str, value: str) -> None:
        if option == "--home":
            self.home = value

    def _enter(self, name: str) -> None:
        if name in COMMANDS:
            definition = command_of(name)
            self._actions = getattr(definition, "ACTIONS", {})
            self._declare(definition)

    def _declare(self, definition: Any) -> None:
        options = (*getattr(definition, "OPTIONS", ()), *getattr(definition, "JOB_FLAGS", ()))
        self._declared = (*options, *COMMON)

    def _value_name(self, flag: str) -> str:
        return next((metavar for names, metavar, _ in self._declared if flag in spellings(names)), "").rstrip("…?")

    def options(self) -> Candidates:
        """Return the options of the command, with their meanings."""
        flags = {names.split()[0]: text for names, _, text in self._declared if names.startswith("-")}
        return flags if self.command else {**flags, "--version": "print the version"}

    def places(self, current: str, live: LiveValues) -> Candidates:
        """Return the commands, the actions, or the values of the next positional argument."""
        if not self.command:
            return {name: text for name, (_, text) in COMMANDS.items()}
        if self.command == "help":
            return _help_words()
        if self._actions and not self.action:
            return {name: action.help for name, action in self._actions.items()}
        places = [(name, metavar) for name, metavar, _ in self._declared if not name.startswith("-")]
        at = len(self.given)
        if places and at >= len(places) and places[-1][1].endswith("…"):
            at = len(places) - 1
        return self._values(*places[at], current, live) if at < len(places) else {}

    def values_of(self, option: str, value: str, live: LiveValues) -> Candidates:
        """Return the values of an option that begin with `value`."""
        name = self._value_name(option)
        if option not in _SEVERAL and name not in _SEVERAL:
            found = self._values(option, name, value, live)
            return found if found is FILES else _beginning_with(value, found)
        done, comma, last = value.rpartition(",")
        parts = self._values(option, name, last, live)
        return _beginning_with(value, {f"{done}{comma}{word}": text for word, text in parts.items()})

    def _values(self, name: str, metavar: str, current: str, live: LiveValues) -> Candidates:
        fixed = _VALUES.get(name) or _VALUES.get(metavar.rstrip("?"))
        if fixed:
            return dict.fromkeys(fixed, "")
        if metavar.rstrip("…?") in _PATHS:
            return FILES
        if metavar == "KEY":
            return {key: setting.help for key, setting in SETTINGS.items()}
        if (metavar.rstrip("…"), name) in _JOBS:
            jobs = live.jobs(_STATES_OF.get(self.command), current)
            return {id: text for id, text in jobs.items() if id not in self.given}
        return self._names(name, metavar, live)

    def _names(self, name: str, metavar: str, live: LiveValues) -> Candidates:
        if metavar in ("A,B", "FIELD"):
            from ..job_columns import names

            return dict.fromkeys(names(), "")
        if name in ("--queue", "queue"):
            return live.queues()
        if self.command == "schedule" and name == "name":
            return live.schedules()
        field = {"--batch": "batch", "--after-batch": "batch", "--name": "name"}.get(name)
        if field is None:
            return live.tags() if metavar.rstrip("…") == "K=V" and "tag" in name else {}
        return live.seen(field)


def _in_our_words(words: list[str]) -> Iterable[str]:
    """Return the words with the name of a command in place of another name for it."""
    at = next((n for n, word in enumerate(words) if not word.startswith("-")), len(words))
    if at and words[at - 1] == "--home":
        at += 1
    real = meaning(words[at]) if words[at : at + 1] else None
    return [*words[:at], *real, *words[at + 1 :]] if real else words


def _help_words() -> Candidates:
    from ..guidance.topics import TOPICS

    return {**{name: text for name, (_, text) in COMMANDS.items()}, **dict.fromkeys(TOPICS, "topic")}


def _beginning_with(text: str, found: Candidates) -> Candidates:
    return {word: meaning for word, meaning in found.items() if word.startswith(text)}
