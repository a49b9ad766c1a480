"""No match: the answer when no job matches a filter.

It does not know any command.
Warning: to return 0 without a message would hide a misspelt filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..errors import NothingToDo
from .screen import Screen

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import TypeVar

    Job = TypeVar("Job")

ALLOW_EMPTY = ("--allow-empty", "", "succeed when no job matches")


def nothing_matches(otherwise: str = ", or use --allow-empty") -> NothingToDo:
    """Return the error for a filter that no job matches. `otherwise` says how to allow that."""
    return NothingToDo(what=f"no job matches; check with `queuectl list`{otherwise}")


def at_least_one(jobs: Iterable[Job], otherwise: NothingToDo) -> Iterator[Job]:
    """Yield the jobs, or raise `otherwise` before the first if there are none.

    Raises: NothingToDo.
    """
    rest = iter(jobs)
    for first in rest:
        yield first
        yield from rest
        return
    raise otherwise


def noted(jobs: Iterable[Job], chosen: Mapping[str, object], screen: Screen) -> Iterator[Job]:
    """Yield the jobs, or print a note if there are none and the filter has more than a state."""
    is_empty = True
    for job in jobs:
        is_empty = False
        yield job
    if is_empty and chosen.keys() - {"state"}:
        screen.note("no job matches")
