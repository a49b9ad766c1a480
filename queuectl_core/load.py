"""Load: a request for many jobs that comes in parts and counts as a whole, or not at all.

Each part is checked as it comes, between the other work of the queue; what is left for the end is a commit that costs
little, however many there are. Pure. Knows neither who sends the parts nor where they are written. The trap: between
a part and the commit somebody else may take an id; `note_taken` must hear of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from .events import Enqueued, encode
from .jobtable import Batch


class Load:
    """`batch` has its jobs, `parts` how many came together each time and what the journal will have of them; `taken` is
    an id of it that another has now.
    """

    def __init__(self) -> None:
        self.batch = Batch()
        self.parts: list[tuple[int, bytes]] = []
        self.bytes = 0
        self.taken: str | None = None

    @property
    def count(self) -> int:
        return len(self.batch.entries)

    def add(self, part: list[Enqueued]) -> None:
        payload = encode(part)
        self.batch.add(part)
        self.parts.append((len(part), payload))
        self.bytes += len(payload)

    def note_taken(self, ids: Iterable[str]) -> None:
        self.taken = self.taken or next((id for id in ids if id in self.batch.entries), None)
