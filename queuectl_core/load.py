"""Load: a request for many jobs that comes in parts and counts as a whole, or not at all.

Each part is checked as it comes, between the other work of the queue; what is left for the end is a commit that costs
little, however many there are. Pure. Knows neither who sends the parts nor where they are written. The trap: between
a part and the commit somebody else may take an id; `note_taken` must hear of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from .events import Enqueued, encode


class Load:
    """`parts` are lists of jobs with numbers in a row, and `payloads` the same as the journal will have them; `ids`
    those of all of them, `taken` one that another has now.
    """

    def __init__(self) -> None:
        self.parts: list[list[Enqueued]] = []
        self.payloads: list[bytes] = []
        self.bytes = 0
        self.ids: set[str] = set()
        self.taken: str | None = None
        self.count = 0

    def add(self, part: list[Enqueued]) -> None:
        payload = encode(part)
        self.parts.append(part)
        self.payloads.append(payload)
        self.count += len(part)
        self.bytes += len(payload)

    def note_taken(self, ids: Iterable[str]) -> None:
        self.taken = self.taken or next((id for id in ids if id in self.ids), None)
