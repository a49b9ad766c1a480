"""MemoryStore: the store contract on a dictionary. For tests of what stands above a store, and as the contract's
plainest reading.
"""

from __future__ import annotations

from collections.abc import Iterator


class MemoryStore:
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
