"""MemoryStore: the store contract on a dictionary, for tests and dry runs.

It does not know the content of the store. It is also the simplest implementation of the contract.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterator



class MemoryStore:
    """The store contract on a dictionary. It loses everything when the process ends."""

    def __init__(self) -> None:
        self.pairs: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        return self.pairs.get(key)

    def get_many(self, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
        """Return the pairs of the keys that exist."""
        return [(key, self.pairs[key]) for key in keys if key in self.pairs]

    def scan(self, start: bytes, stop: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """Return up to `limit` pairs with start <= key < stop, by key; from the end backwards with `reverse`."""
        keys = sorted((key for key in self.pairs if start <= key < stop), reverse=reverse)
        return [(key, self.pairs[key]) for key in keys[:limit]]

    def write(self, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None:
        """Delete keys, then set pairs."""
        for key in deletes:
            self.pairs.pop(key, None)
        self.pairs.update(puts)

    def readable(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every pair."""
        yield from self.pairs.items()

    def problems(self) -> list[str]:
        """Return no problems."""
        return []

    def sync(self) -> None:
        """Do nothing."""

    def sync_is_due(self, freed_bytes: int) -> bool:
        """Return True, because a sync costs nothing."""
        return True

    def close(self) -> None:
        """Do nothing."""
