"""Indexed heap: names ordered by keys that may change at any time.

A change takes logarithmic time: the old place of a name stays in the heap until it comes to the top. Pure. Knows
neither queues nor jobs.

Warning: the order is only as right as the keys. If a key may have grown, check it when its name is first.
"""

from __future__ import annotations

import heapq

from ..light_types import Generic, TypeVar

Key = TypeVar("Key")

_SPARE = 64


class IndexedHeap(Generic[Key]):
    """A heap of names, each under at most one key."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}
        self._heap: list[tuple[Key, str]] = []

    def put(self, name: str, key: Key | None) -> None:
        """Put the name under this key, or remove it if the key is None."""
        if key is None:
            self._keys.pop(name, None)
        elif self._keys.get(name) != key:
            self._keys[name] = key
            if self._heap and self._heap[0][1] == name:  # replace its old place at the top right away
                heapq.heapreplace(self._heap, (key, name))
                return
            heapq.heappush(self._heap, (key, name))
            if len(self._heap) > 2 * len(self._keys) + _SPARE:
                self._heap = [(key, name) for name, key in self._keys.items()]
                heapq.heapify(self._heap)

    def first(self) -> tuple[Key, str] | None:
        """Return the smallest key and its name, or None when there is none."""
        while self._heap:
            key, name = self._heap[0]
            if self._keys.get(name) == key:
                return key, name
            heapq.heappop(self._heap)
        return None

    def __contains__(self, name: str) -> bool:
        return name in self._keys

    def __len__(self) -> int:
        """Return the size of the heap: current places of names and old ones."""
        return len(self._heap)
