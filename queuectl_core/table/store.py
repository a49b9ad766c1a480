"""Store: what a job table needs of a dbm store.

Pure: a contract, which the stores in `storage` meet. The trap: `write` alone is atomic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Store(Protocol):
    """What a table needs of a dbm store. `write` is atomic; what `sync` has returned for survives a power cut."""

    def get(self, key: bytes) -> bytes | None: ...

    def get_many(self, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
        """The pairs of those that are there, in any order. At most 500 keys."""

    def scan(self, start: bytes, stop: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """The first `limit` pairs with start <= key < stop, by key (the last ones, downwards, with `reverse`)."""

    def write(self, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None: ...

    def readable(self) -> Iterator[tuple[bytes, bytes]]:
        """Every pair that can still be read, in any order; damage between them is passed over."""

    def problems(self) -> list[str]:
        """What the backend itself finds wrong with its file."""

    def sync(self) -> None: ...

    def sync_is_due(self, freed_bytes: int) -> bool:
        """Whether a sync is worth its cost now, with that much of the journal to be freed by it."""

    def close(self) -> None: ...
