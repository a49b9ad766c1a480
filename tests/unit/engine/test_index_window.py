"""Window: the first entries of an index in order, for every window size and with stale entries."""

from __future__ import annotations

import bisect
import random

import pytest

from queuectl_core.engine.index_window import Window
from queuectl_core.table.index_keys import Entry


class Index:
    """A sorted list of entries that counts the reads and their sizes."""

    def __init__(self, *keys: str) -> None:
        self.entries: list[Entry] = sorted((key, f"job {key}") for key in keys)
        self.asked: list[int] = []

    def entries_after(self, key: str, size: int) -> list[Entry]:
        self.asked.append(size)
        return [entry for entry in self.entries if entry[0] > key][:size]

    def add(self, key: str) -> Entry:
        entry = (key, f"job {key}")
        bisect.insort(self.entries, entry)
        return entry


def take_next(window: Window, index: Index) -> Entry | None:
    """Skip stale entries, and take the first valid one from the index, as users of a window do."""
    while (entry := window.first()) is not None:
        assert window.take() == entry
        if entry in index.entries:
            index.entries.remove(entry)
            return entry
    return None


def take_all(window: Window, index: Index) -> list[str]:
    taken = []
    while (entry := take_next(window, index)) is not None:
        taken.append(entry[0])
    return taken


def test_empty_index_has_no_first_entry() -> None:
    index = Index()
    assert Window(index.entries_after, 3).first() is None


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8, 100])
def test_entries_are_in_order_for_every_window_size(size: int) -> None:
    index = Index(*"gcaebdf")
    assert take_all(Window(index.entries_after, size), index) == list("abcdefg")


def test_first_takes_nothing() -> None:
    index = Index("a", "b")
    window = Window(index.entries_after, 3)
    assert window.first() == window.first() == ("a", "job a")


def test_index_is_read_one_window_at_a_time_when_needed() -> None:
    index = Index(*"abcdefg")
    window = Window(index.entries_after, 3)
    assert index.asked == []
    assert [take_next(window, index) for _ in range(3)] and index.asked == [3]
    take_next(window, index)
    assert index.asked == [3, 3]


def test_window_with_the_whole_index_reads_no_more() -> None:
    index = Index("a", "b")
    window = Window(index.entries_after, 3)
    assert take_all(window, index) == ["a", "b"]
    window.add(index.add("c"))
    assert take_all(window, index) == ["c"]
    assert index.asked == [3]


def test_entry_added_before_the_first_read_appears_once() -> None:
    index = Index("b")
    window = Window(index.entries_after, 3)
    window.add(index.add("a"))
    assert take_all(window, index) == ["a", "b"]
    assert index.asked == [3]


def test_new_entry_before_all_others_is_next() -> None:
    index = Index(*"bcdef")
    window = Window(index.entries_after, 2)
    window.first()
    window.add(index.add("a"))
    assert take_all(window, index) == list("abcdef")


def test_new_entry_beyond_the_horizon_comes_in_its_turn() -> None:
    index = Index(*"abde")
    window = Window(index.entries_after, 2)
    window.first()
    window.add(index.add("c"))
    assert take_all(window, index) == list("abcde")


@pytest.mark.parametrize("added", range(30))
def test_window_never_holds_twice_its_size(added: int) -> None:
    """The window yields the entries that it holds after the index is empty."""
    index = Index()
    window = Window(index.entries_after, 3)
    window.first()
    for n in range(added, 0, -1):
        window.add(index.add(f"{n:04}"))
    index.entries.clear()
    held = 0
    while window.first() is not None:
        window.take()
        held += 1
    assert min(3, added) <= held < 6


def test_entries_dropped_from_a_full_window_are_read_again() -> None:
    index = Index()
    window = Window(index.entries_after, 2)
    window.first()
    for key in "hgfedcba":
        window.add(index.add(key))
    assert take_all(window, index) == list("abcdefgh")


def test_window_agrees_with_a_sorted_list_in_random_runs() -> None:
    for seed in range(300):
        source = random.Random(seed)
        index = Index(*{f"{source.randrange(60):02}" for _ in range(source.randrange(12))})
        window = Window(index.entries_after, source.randint(1, 4))
        for step in range(120):
            label = f"seed {seed}, step {step}"
            kind = source.choices(["add", "take", "look", "remove", "many"], [5, 4, 1, 2, 1])[0]
            if kind == "add":
                key = f"{source.randrange(60):02}"
                if (key, f"job {key}") not in index.entries:  # the window may hold a stale entry of it
                    window.add(index.add(key))
            elif kind == "many":
                last_key = f"{source.randrange(60):02}"
                for n in range(3):
                    index.add(f"{last_key}/{step}.{n}")
                window.truncate_after(last_key)
            elif kind == "remove" and index.entries:
                index.entries.remove(source.choice(index.entries))  # without the window, whose entry is now stale
            elif kind == "look":
                window.first()
            elif kind == "take":
                expected = index.entries[0] if index.entries else None
                assert take_next(window, index) == expected, label
        expected_rest = [key for key, _ in index.entries]
        assert take_all(window, index) == expected_rest, f"seed {seed}"
