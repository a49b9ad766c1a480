"""Indexed heap: names in the order of their keys, each under one key that may change at any time.

A change costs the logarithm of how many names there are: the old place of a name stays in the heap, and is dropped when
it comes to the top. Pure. Knows neither queues nor jobs. The trap: the first name is only as right as its key, so
whoever knows that a key may have grown checks it when the name is first.
"""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

Key = TypeVar("Key")

_SPARE = 64


class Agenda(Generic[Key]):
    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}
        self._heap: list[tuple[Key, str]] = []

    def put(self, name: str, key: Key | None) -> None:
        """The name stands under this key from now on, or (None) nowhere."""
        if key is None:
            self._keys.pop(name, None)
        elif self._keys.get(name) != key:
            self._keys[name] = key
            if self._heap and self._heap[0][1] == name:  # its old place is the first: nobody has to drop it later
                heapq.heapreplace(self._heap, (key, name))
                return
            heapq.heappush(self._heap, (key, name))
            if len(self._heap) > 2 * len(self._keys) + _SPARE:
                self._heap = [(key, name) for name, key in self._keys.items()]
                heapq.heapify(self._heap)

    def first(self) -> tuple[Key, str] | None:
        """The smallest key and its name."""
        while self._heap:
            key, name = self._heap[0]
            if self._keys.get(name) == key:
                return key, name
            heapq.heappop(self._heap)
        return None

    def __contains__(self, name: str) -> bool:
        return name in self._keys

    def __len__(self) -> int:
        """How many places are held, of names and of what they were."""
        return len(self._heap)
