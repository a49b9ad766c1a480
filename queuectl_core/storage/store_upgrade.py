"""Store upgrade: a store of format 1 becomes one of format 2, before anybody reads it.

Format 2 adds to the store what follows from what is in it: the order of waiting jobs over all queues (`ready@*`,
`due@*`, `delayed@*`, see `index_keys`), and a record of its counts for each queue, which stood in `meta` before.

The store is handed in. The trap: a kill may come between two writes. The format changes with the last one, so the
next opening begins again; what an earlier attempt has left is removed first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..model.states import STATES
from ..table import queue_counts
from ..table.index_keys import ALL_QUEUES, DELAYED, DUE, READY, among_all
from ..table.job_table import FORMAT
from ..table.store import Store
from .memory_store import MemoryStore

_PAGE = 500


def upgraded(store: Store, read_only: bool = False) -> Store:
    """The store as this version keeps it. Where it is older and may not be changed, a copy in memory."""
    meta = _meta(store)
    if not 0 < _format_of(meta) < FORMAT:
        return store
    if read_only:
        held = MemoryStore()
        held.pairs.update(store.readable())
        store.close()
        store = held
    _upgrade(store, meta)
    return store


def _upgrade(store: Store, meta: dict[str, Any]) -> None:
    for kind in (READY, DUE, DELAYED):
        _remove(store, f"{kind}@{ALL_QUEUES}/", f"{kind}@{ALL_QUEUES}0")
        for page in _pages(store, f"{kind}@", f"{kind}A"):
            store.write([_in_order(key, id) for key, id in page if not key.startswith(f"{kind}@{ALL_QUEUES}/")], [])
    counts: dict[str, int] = meta.get("counts", {})
    puts: list[tuple[bytes, bytes]] = []
    queue_counts.write(_records(counts), puts, [])
    totals = {f"{state}@{ALL_QUEUES}": _total(counts, state) for state in STATES}
    fixed = {name: number for name, number in counts.items() if "@" not in name}
    kept = {name: value for name, value in meta.items() if name != "from"}
    text = json.dumps({**kept, "format": FORMAT, "counts": {**fixed, **totals}}, ensure_ascii=False)
    store.write([*puts, (b"meta", text.encode())], [])


def _meta(store: Store) -> dict[str, Any]:
    """Empty where there is none, or none that can be read: the table says what is wrong with it."""
    try:
        found = json.loads(store.get(b"meta") or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _format_of(meta: dict[str, Any]) -> int:
    """0 for a new store. One that is being upgraded says `from` which."""
    return int(meta.get("from", meta.get("format", 1))) if meta else 0


def _remove(store: Store, start: str, stop: str) -> None:
    while page := store.scan(start.encode(), stop.encode(), _PAGE):
        store.write([], [key for key, _ in page])


def _pages(store: Store, start: str, stop: str) -> Iterator[list[tuple[str, bytes]]]:
    while page := store.scan(start.encode(), stop.encode(), _PAGE):
        found = [(key.decode(), id) for key, id in page]
        yield found
        start = found[-1][0] + "\0"


def _in_order(key: str, id: bytes) -> tuple[bytes, bytes]:
    return among_all(key.partition("/")[0], key)[1].encode(), id


def _records(counts: dict[str, int]) -> queue_counts.Records:
    found: queue_counts.Records = {}
    for name, number in counts.items():
        state, sign, queue = name.partition("@")
        if sign and number:
            found.setdefault(queue, {})[state] = number
    return found


def _total(counts: dict[str, int], state: str) -> int:
    return sum(number for name, number in counts.items() if name.startswith(f"{state}@"))
