"""ID search: the newest job of a user, and the jobs whose IDs begin with a text.

Pure: the caller passes the store.

Warning: entries of the memtable have no order, so a search looks at each. It refuses when there are too many.
"""

from __future__ import annotations

from .memtable import FreshJob, InsertBatch

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .memtable import MemtableEntry
    from .store import Store

MAX_ENTRIES = 50_000
"""The most entries of the memtable in a search. This takes a few milliseconds."""

_PAGE = 20
_NOT_OF_USERS = frozenset(("hook", "schedule"))
"""The options of jobs that the queue adds itself."""


class IdSearch:
    """The IDs of one table. `newest` is the number and the ID of the last job that a user added."""

    def __init__(self, store: Store, entries: Mapping[str, MemtableEntry], newest: tuple[int, str]) -> None:
        self.newest = newest
        self._store = store
        self._entries = entries

    def note(self, number: int, id: str, options: Mapping[str, Any]) -> None:
        """Note a new job."""
        if number > self.newest[0] and not (options and options.keys() & _NOT_OF_USERS):
            self.newest = number, id

    def note_batch(self, batch: InsertBatch) -> None:
        """Note the last job of a batch that a user added."""
        for id, entry in reversed(batch.entries.items()):
            job = entry[0] if isinstance(entry, FreshJob) else entry.job
            if job is not None:
                self.note(job.number, id, job.options)
                if job.number <= self.newest[0]:
                    return

    def beginning_with(self, text: str, limit: int) -> list[str] | None:
        """Return up to `limit` IDs that begin with a text, or None if too many jobs changed lately."""
        if len(self._entries) > MAX_ENTRIES:
            return None
        changed = (id for id, entry in self._entries.items() if id.startswith(text) and entry.job is not None)
        found = sorted(changed)[:limit]
        start, stop = f"job/{text}".encode(), f"job/{text}\x7f".encode()
        while len(found) < limit:
            page = [key for key, _ in self._store.scan(start, stop, _PAGE)]
            stored = (key[4:].decode() for key in page)
            found += [id for id in stored if id not in self._entries][: limit - len(found)]
            if len(page) < _PAGE:
                break
            start = page[-1] + b"\0"
        return found
