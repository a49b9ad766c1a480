"""Keys: what each key of `top` does, and the command that does the same.

Pure.
"""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """One key: the names a terminal gives it, what it does, and the same as a command."""

    names: tuple[str, ...]
    action: str
    said: str
    command: str = ""
    short: str = ""
    """What the last line of the screen calls it; keys without it are only in the help."""


KEYS = (
    Key(("?", "F1"), "help", "show or hide this help", short="help"),
    Key(("q", "Q"), "quit", "quit", short="quit"),
    Key(("/",), "filter", "choose jobs with the filters of the command line", "queuectl list FILTER…", "filter"),
    Key((" ",), "mark", "mark a job, for the keys below", short="mark"),
    Key(("*",), "mark_all", "mark all jobs that match, or none", "queuectl list FILTER…", "all"),
    Key(("c",), "cancel", "cancel jobs", "queuectl cancel ID…", "cancel"),
    Key(("r",), "retry", "run waiting jobs now, dead ones again", "queuectl retry ID…", "retry"),
    Key(("d",), "dlq", "retry dead jobs and dependants", "queuectl dlq retry --with-dependants ID…", "dlq"),
    Key(("s",), "suspend", "suspend running jobs, or continue them", "queuectl suspend ID…", "suspend"),
    Key(("e",), "edit", "edit a job in your editor, or several", "queuectl edit ID… --set FIELD=VALUE", "edit"),
    Key(("p",), "pause", "pause or resume the queue, or all queues", "queuectl queue pause QUEUE", "pause"),
    Key(("w",), "why", "say why a job is in its state", "queuectl why ID", "why"),
    Key(("f",), "follow", "follow the output of a job", "queuectl logs ID --follow", "follow"),
    Key(("Enter",), "details", "show a job with its attempts", "queuectl show ID", "details"),
    Key(("&",), "filter_output", "show only lines of output with a text", "queuectl logs ID | grep TEXT"),
    Key(("!",), "failed_first", "show failed jobs first", "queuectl list --state dead,failed"),
    Key(("<", ">"), "sort", "sort by the column before, or the next one", "queuectl list --sort FIELD"),
    Key(("R",), "reverse", "turn the order around", "queuectl list --sort FIELD --reverse"),
    Key(("Tab",), "focus", "move in the list, or in the lines below it"),
    Key(("Up", "Down", "k", "j"), "move", "move by a line; PgUp, PgDn, Home and End move further"),
    Key(("Esc",), "back", "back: close what is open, then remove marks, then the filter"),
)

NAMES = {" ": "Space"}
"""The keys whose names on the screen differ."""


def action_of(name: str) -> str:
    """Return the action of a key, or an empty text."""
    return next((key.action for key in KEYS if name in key.names), "")
