"""Guesses: what words that a command does not accept may have meant.

It does not know any command: it gets the options of the command, and asks which other commands have an option.
"""

from __future__ import annotations

from ...model.states import STATES
from .aliases import near

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    CommandsWith = Callable[[str, Sequence[str]], Sequence[str]]
    """A function that returns the commands with an option, those first that share most other options."""

_HABITS = {
    "--force": ("--yes", "--now"),
    "--kill": ("--now",),
    "--silent": ("--quiet",),
    "--workers": ("--count",),
    "--jobs": ("--count",),
    "--parallel": ("--count", "--limit"),
    "--retries": ("--max-retries",),
    "--max-attempts": ("--max-retries",),
    "--lines": ("--tail",),
    "--number": ("--limit", "--tail", "--count"),
    "--last": ("--tail", "--limit"),
    "--status": ("--state",),
    "--label": ("--name", "--tag"),
    "--tags": ("--tag",),
    "--group": ("--queue or --batch", "--queue"),
    "--unique": ("--key",),
    "--dir": ("--cwd",),
    "--chdir": ("--cwd",),
    "--workdir": ("--cwd",),
    "--working-directory": ("--cwd",),
    "--depends-on": ("--after",),
    "--dependency": ("--after",),
    "--memory": ("--limit-mem",),
    "--mem": ("--limit-mem",),
    "--in": ("--delay",),
    "--older-than": ("--older", "--until"),
    "--out": ("--output",),
    "--set": ("--command",),
    "--front": ("--to front",),
    "--back": ("--to back",),
    "--order": ("--sort",),
    "--desc": ("--reverse",),
    "-f": ("--file",),
    "-p": ("--priority",),
    "-c": ("--command", "--count"),
    "-e": ("--env",),
    "-g": ("--queue",),
    "-l": ("--tag", "--limit"),
    "-C": ("--cwd",),
    "-a": ("--all",),
    "-d": ("--dry-run",),
}
"""Options that users of other programs type, and options of queuectl with that meaning."""


def unexpected(words: Sequence[str], known: Sequence[str], commands_with: CommandsWith, advice: str = "") -> str:
    """Return what is wrong with words that a command with the `known` options does not accept.

    `advice` is what the command says to such a word.
    """
    word = words[0].split("=")[0]
    if not word.startswith("-"):
        if word in STATES and "--state" in known:
            return f"unexpected argument {word!r} (did you mean --state {word}?)"
        return f"unexpected argument {word[:60]!r}{advice and '; '}{advice}"
    if advice:
        return f"unknown option {word[:60]}; {advice}"
    habit = next((names for names in _HABITS.get(word, ()) if _all_known(names, known)), "")
    having = [] if habit else [f"`{name}`" for name in commands_with(word, known)]
    if having:
        return f"unknown option {word[:60]}; {_some(having)} {'has' if len(having) == 1 else 'have'} it"
    meant = habit or _similar(word, known)
    return f"unknown option {word[:60]}" + (f" (did you mean {meant}?)" if meant else "")


def before_command(word: str, known: Sequence[str]) -> str:
    """Return what is wrong with an option before the command; `known` are those that can stand there."""
    meant = _similar(word, known)
    advice = "options of a command come after its name, see `queuectl --help`"
    return f"unknown option {word[:60]!r}" + (f" (did you mean {meant}?)" if meant else "") + f"; {advice}"


def _all_known(names: str, known: Sequence[str]) -> bool:
    return all(name in known for name in names.split() if name.startswith("--"))


def _similar(word: str, known: Sequence[str]) -> str:
    """Return the option with the most similar name; dashes, which all have, count for nothing."""
    names = {name.lstrip("-"): name for name in known}
    return names.get(near(word.lstrip("-"), names), "")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{names[0]} and others"


def behind_dashes(call: Sequence[str], words: Sequence[str]) -> str:
    """Return how to give the words of a command to a call like `queuectl run`."""
    import shlex

    return f"put the command after --: `{shlex.join([*call, '--', *words])[:200]}`"
