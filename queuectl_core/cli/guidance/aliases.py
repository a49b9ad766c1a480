"""Aliases: commands and actions by the names that users of other programs type.

`--help` lists none of them, and suggestions for a typo name the real commands.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterable

ALIASES = {
    **dict.fromkeys(("add", "submit", "push"), "enqueue"),
    **dict.fromkeys(("ls", "jobs"), "list"),
    **dict.fromkeys(("ps", "stat", "workers"), "status"),
    **dict.fromkeys(("info", "describe", "inspect"), "show"),
    **dict.fromkeys(("log", "output", "tail"), "logs"),
    **dict.fromkeys(("kill", "abort"), "cancel"),
    **dict.fromkeys(("remove", "delete", "del"), "rm"),
    **dict.fromkeys(("explain", "reason"), "why"),
    **dict.fromkeys(("tree", "deps"), "graph"),
    **dict.fromkeys(("clean", "cleanup"), "prune"),
    "settings": "config list",
    "set": "config set",
    "follow": "logs --follow",
    "watch": "status --watch",
    **dict.fromkeys(("htop", "dashboard", "tui"), "top"),
    "unpause": "resume",
    "unsuspend": "continue",
    "update": "edit",
    "swap": "switch",
    "queues": "queue list",
    "schedules": "schedule list",
    "cron": "schedule",
    "requeue": "dlq retry",
    "check": "doctor",
    "version": "--version",
}
"""What each other name of a command stands for."""

AMBIGUOUS = {
    "start": "worker start or resume",
    "stop": "worker stop, pause or cancel",
    "restart": "worker restart or retry",
    "scale": "worker scale",
    "stash": "suspend or edit --at",
    "purge": "dlq purge or prune",
    "init": "enqueue: a home needs no setup",
    "group": "queue",
    "limit": "queue set",
    "parallel": "worker scale or queue set",
    "clear": "prune or rm",
    "exec": "run",
}
"""Other names that might mean several commands, or that need other arguments: queuectl only suggests these."""

_ACTIONS = {
    "ls": ("list",),
    **dict.fromkeys(("rm", "remove", "delete", "del"), ("rm", "remove", "purge", "unset")),
    "add": ("set",),
    "create": ("add", "set"),
    "show": ("list", "get"),
    "info": ("show", "list"),
    "unpause": ("resume",),
    "run": ("run-now",),
    "trigger": ("run-now",),
    "up": ("start",),
    "down": ("stop",),
}
"""Actions of a group like `worker` by other names; the first one that the group has counts."""

_WITH_VALUES = {
    "queue limit": "queue set NAME --limit N",
    "queue rate": "queue set NAME --rate N/UNIT",
}
"""Actions that a group lacks, and what does it."""


def meaning(name: str) -> list[str] | None:
    """Return the words that an alias of a command stands for, or None."""
    return ALIASES[name].split() if name in ALIASES else None


def action_of(word: str, known: Iterable[str]) -> str:
    """Return the action of a group that a word means, or the word itself."""
    actions = list(known)
    return word if word in actions else next((name for name in _ACTIONS.get(word, ()) if name in actions), word)


def unknown_command(name: str, commands: Iterable[str]) -> str:
    """Return the message for a command that does not exist."""
    meant = AMBIGUOUS.get(name) or near(name, commands)
    return f"unknown command {name[:60]!r}; " + (
        f"did you mean {meant}?" if meant else "`queuectl --help` lists the commands"
    )


def unknown_action(word: str, group: str, known: Iterable[str]) -> str:
    """Return the message for an action that a group like `queuectl worker` lacks."""
    actions = list(known)
    meant = _WITH_VALUES.get(f"{group.split()[-1]} {word}") or near(word, actions)
    advice = f"did you mean {meant}?" if meant else f"its actions are {', '.join(actions)}"
    return f"`{group}` has no action {word[:60]!r}; {advice}"


def near(word: str, known: Iterable[str]) -> str:
    """Return the known word that is most similar to a misspelled one, or an empty text."""
    from difflib import get_close_matches

    return "".join(get_close_matches(word, list(known), n=1))
