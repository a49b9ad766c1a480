"""Store: what a job table needs from a dbm store.

Pure: a contract, which the stores in `storage` meet.

Warning: only `write` is atomic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Store(Protocol):
    """The contract of a store. `write` is atomic; writes before a `sync` that returned survive a power cut."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""

    def get_many(self, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
        """Return the existing pairs of these keys, at most 500, in any order."""

    def scan(self, start: bytes, stop: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """Return the first `limit` pairs with start <= key < stop by key; with `reverse`, the last ones, backwards."""

    def write(self, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None:
        """Delete keys, then set pairs, in one step."""

    def readable(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every pair that can still be read, in any order, and skip damage between them."""

    def problems(self) -> list[str]:
        """Return the problems that the backend itself finds in its file."""

    def sync(self) -> None:
        """Make all writes so far survive a power cut."""

    def sync_is_due(self, freed_bytes: int) -> bool:
        """Return whether a sync is worth its cost now, if it frees this much of the journal."""

    def close(self) -> None:
        """Close the files."""
