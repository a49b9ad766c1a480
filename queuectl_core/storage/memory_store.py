"""MemoryStore: the store contract on a dictionary, for tests and dry runs.

It does not know the content of the store. It is also the simplest implementation of the contract.
"""

from __future__ import annotations

from collections.abc import Iterator


class MemoryStore:
    """The store contract on a dictionary. It loses everything when the process ends."""

    def __init__(self) -> None:
        self.pairs: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.pairs.get(key)

    def get_many(self, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
        return [(key, self.pairs[key]) for key in keys if key in self.pairs]

    def scan(self, start: bytes, stop: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        keys = sorted((key for key in self.pairs if start <= key < stop), reverse=reverse)
        return [(key, self.pairs[key]) for key in keys[:limit]]

    def write(self, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None:
        """Delete keys, then set pairs."""
        for key in deletes:
            self.pairs.pop(key, None)
        self.pairs.update(puts)

    def readable(self) -> Iterator[tuple[bytes, bytes]]:
        yield from self.pairs.items()

    def problems(self) -> list[str]:
        return []

    def sync(self) -> None:
        pass

    def sync_is_due(self, freed_bytes: int) -> bool:
        return True

    def close(self) -> None:
        pass
