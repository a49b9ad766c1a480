"""Store upgrade: the upgrade of a store of an older format, before anybody reads it.

It does not know where the store is: the caller passes it in.

Format 2 adds two things that follow from the content of the store. One is the order of waiting jobs over all queues
(`ready@*`, `due@*`, `delayed@*`, see `index_keys`). The other is a record of the counts of each queue, which were in
`meta` before. Format 3 has no other content for older jobs. Format 4 adds the number of jobs that wait for others, and
of those that wait for a time (AFTER and DELAYED, see `counts`); its metrics begin with the upgrade.

Invariant: the last write changes the format. A kill can come between two writes. Then the next opening begins again,
and first removes the entries of the earlier attempt.
"""

from __future__ import annotations

from ..fast_json import decode, encode_text
from ..model.job_spec import DEFAULT_QUEUE
from ..model.states import STATES
from ..table.counts import AFTER, StoredCounts, bump
from ..table.index_keys import ALL_QUEUES, BLOCKED, DELAYED, DUE, READY, among_all
from ..table.job_table import FORMAT
from .memory_store import MemoryStore

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..table.store import Store

_PAGE = 500
Records = dict[str, dict[str, int]]
"""The counts of each named queue."""


def upgraded(store: Store, read_only: bool = False) -> Store:
    """Return the store in the current format, upgraded if it is older.

    With `read_only`, a store of format 1 becomes a copy in memory, and a later one stays without the new counts.
    """
    meta = _meta(store)
    found = _format_of(meta)
    if not 0 < found < FORMAT or (read_only and found > 1):
        return store
    if read_only:
        copy = MemoryStore()
        copy.pairs.update(store.readable())
        store.close()
        store = copy
    records = _add_format_2(store, meta) if found == 1 else {}
    _add_format_4(store, meta.setdefault("counts", {}), records)
    puts: list[tuple[bytes, bytes]] = []
    StoredCounts({}, records).write(puts, [])
    store.write([*puts, (b"meta", encode_text({**meta, "format": FORMAT}).encode())], [])
    return store


def _add_format_2(store: Store, meta: dict[str, Any]) -> Records:
    """Add the entries of format 2, change the counts in `meta`, and return the counts of each queue."""
    for kind in (READY, DUE, DELAYED):
        new_prefix = f"{kind}@{ALL_QUEUES}/"
        for page in _pages(store, new_prefix, f"{kind}@{ALL_QUEUES}0"):
            store.write([], [key.encode() for key, _ in page])
        for page in _pages(store, f"{kind}@", f"{kind}A"):
            store.write([_in_order(key, id) for key, id in page if not key.startswith(new_prefix)], [])
    counts: dict[str, int] = meta.get("counts", {})
    records = _records(counts)
    meta["counts"] = {name: number for name, number in counts.items() if "@" not in name}
    for state in STATES:
        meta["counts"][f"{state}@{ALL_QUEUES}"] = sum(record.get(state, 0) for record in records.values())
    meta.pop("from", None)
    return records


def _add_format_4(store: Store, counts: dict[str, int], records: Records) -> None:
    """Add the counts of format 4 to those of the home, and to the records of queues."""
    for name, queue in _waiting(store):
        bump(counts, name, 1)
        if queue != DEFAULT_QUEUE:
            bump(counts, f"{name}@{ALL_QUEUES}", 1)
            if queue not in records:
                records[queue] = decode((store.get(f"queue/{queue}".encode()) or b"{}").decode())
            bump(records[queue], name, 1)


def _waiting(store: Store) -> Iterator[tuple[str, str]]:
    """Yield, for each pending job that waits for a time or for others, the count that includes it, and its queue."""
    for start, stop in ((f"{DELAYED}/", f"{DELAYED}0"), (f"{DELAYED}@0", f"{DELAYED}A")):  # not those of all queues
        for page in _pages(store, start, stop):
            for key, _ in page:
                yield DELAYED, key.partition("/")[0].partition("@")[2] or DEFAULT_QUEUE
    for page in _pages(store, f"{BLOCKED}/", f"{BLOCKED}0"):
        for _, id in page:
            job = decode((store.get(b"job/" + id) or b"{}").decode())
            yield AFTER, job.get("options", {}).get("queue", DEFAULT_QUEUE)


def _meta(store: Store) -> dict[str, Any]:
    """Return `meta`, or an empty dictionary if it is missing or invalid: the job table reports the error."""
    try:
        meta = decode((store.get(b"meta") or b"{}").decode())
    except ValueError:
        return {}
    return meta if isinstance(meta, dict) else {}


def _format_of(meta: dict[str, Any]) -> int:
    """Return the format of a store, 0 for a new one. During an upgrade, `from` has the old format."""
    return int(meta.get("from", meta.get("format", 1))) if meta else 0


def _pages(store: Store, start: str, stop: str) -> Iterator[list[tuple[str, bytes]]]:
    """Yield the pairs with start <= key < stop, a page at a time."""
    while page := store.scan(start.encode(), stop.encode(), _PAGE):
        pairs = [(key.decode(), id) for key, id in page]
        yield pairs
        start = pairs[-1][0] + "\0"


def _in_order(key: str, id: bytes) -> tuple[bytes, bytes]:
    """Return the entry over all queues for an entry of one queue."""
    return among_all(key.partition("/")[0], key)[1].encode(), id


def _records(counts: dict[str, int]) -> Records:
    """Return the counts of each queue by state, without zeros."""
    records: Records = {}
    for name, number in counts.items():
        state, sign, queue = name.partition("@")
        if sign and number:
            records.setdefault(queue, {})[state] = number
    return records
