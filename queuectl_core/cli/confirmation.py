"""Confirmation: the question before a command changes several jobs, and a look at them instead.

It does not know any command.
"""

from __future__ import annotations

import sys

from ..errors import NothingToDo
from .fast_args import Arguments
from .screen import Screen, counted, visible

DRY_RUN = ("--dry-run", "", "only list and count the jobs")
YES = ("--yes", "", "skip the confirmation at a terminal")


def confirm(count: int, done: str, args: Arguments) -> None:
    """Ask the user at a terminal before several jobs are `done`, a participle like `canceled`.

    Raises: NothingToDo.
    """
    if count < 2 or args.yes or not is_interactive():
        return
    if not said_yes(f"{count} jobs would be {done}; continue?"):
        raise NothingToDo(what="nothing was changed")


def is_interactive() -> bool:
    """Return whether somebody can read and answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def said_yes(question: str) -> bool:
    """Ask a question, and return whether the answer is yes."""
    sys.stderr.write(f"{visible(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def show_dry_run(ids: list[str], done: str, screen: Screen) -> None:
    """Print the jobs that would be `done`."""
    if screen.json:
        return screen.value({"ids": ids, "count": len(ids), "dry_run": True})
    if ids:
        screen.line("\n".join(ids))
    screen.note(f"{counted(len(ids))} would be {done}")
