"""ID words: the jobs that a word can mean which a user types in place of an ID.

Knows the table. Does not know sockets or files.
"""

from __future__ import annotations

from ..errors import InvalidInput, NothingToDo
from ..model.validators import is_id
from .fields import Fields

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from .ledger import Ledger

MAX_WORDS = 20
"""The most words in a request to find jobs."""

MEANINGS = 4
"""The most IDs that a word is said to mean."""


def find(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the IDs that each word can mean: itself, the newest job for `last`, or those that begin with it.

    An existing ID means itself only. The reply has at most MEANINGS for each word.

    Raises: InvalidInput, NothingToDo.
    """
    words = request.get("words")
    if not isinstance(words, list) or not 0 < len(words) <= MAX_WORDS or not all(map(is_id, words)):
        raise InvalidInput(what=f"name 1 to {MAX_WORDS} jobs")
    return {"found": {word: _meanings(ledger, word) for word in words}}


def _meanings(ledger: Ledger, word: str) -> list[str]:
    table = ledger.table
    if table.get(word) is not None:
        return [word]
    newest = table.ids.newest[1]
    if word == "last" and newest:
        if table.get(newest) is None:
            raise NothingToDo(what=f"the newest job, {newest}, was removed")
        return [newest]
    found = table.ids.beginning_with(word, MEANINGS)
    if found is None:
        raise NothingToDo(what="many jobs have just changed; use the whole ID")
    return found
