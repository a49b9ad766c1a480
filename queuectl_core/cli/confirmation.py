"""Confirmation: the question before a command changes several jobs, and a look at them instead.

It does not know any command.
"""

from __future__ import annotations

import sys

from ..errors import NothingToDo
from .fast_args import Arguments
from .screen import Screen, counted

DRY_RUN = ("--dry-run", "", "only list and count the jobs")
YES = ("--yes", "", "skip the confirmation at a terminal")


def confirm(count: int, done: str, args: Arguments) -> None:
    """Ask the user at a terminal before several jobs are `done`, a participle like `canceled`.

    Raises: NothingToDo.
    """
    if count < 2 or args.yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    sys.stderr.write(f"{count} jobs would be {done}; continue? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise NothingToDo(what="nothing was changed")


def show_dry_run(ids: list[str], done: str, screen: Screen) -> None:
    """Print the jobs that would be `done`."""
    if screen.json:
        return screen.value({"ids": ids, "count": len(ids), "dry_run": True})
    if ids:
        screen.line("\n".join(ids))
    screen.note(f"{counted(len(ids))} would be {done}")
