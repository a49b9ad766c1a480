"""Indexed heap: the first of many names whose keys change."""

from __future__ import annotations

import random

from queuectl_core.engine.indexed_heap import IndexedHeap


def test_first_is_the_name_of_the_smallest_key_in_random_runs() -> None:
    for seed in range(100):
        source, agenda, model = random.Random(seed), IndexedHeap[int](), {}  # type: ignore[var-annotated]
        for step in range(300):
            name, key = f"n{source.randrange(8)}", source.choice([None, *range(12)])
            agenda.put(name, key)
            model[name] = key
            known = {name: key for name, key in model.items() if key is not None}
            first = agenda.first()
            assert (first is None) == (not known), f"seed {seed}, step {step}"
            if first is not None:
                assert first[0] == min(known.values()) == known[first[1]], f"seed {seed}, step {step}"
            assert (name in agenda) == (key is not None)


def test_old_keys_do_not_accumulate() -> None:
    agenda: IndexedHeap[int] = IndexedHeap()
    agenda.put("first", -1)
    for n in range(10_000):
        agenda.put("other", n % 7)
    assert len(agenda) < 100
