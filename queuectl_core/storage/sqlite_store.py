"""SqliteStore: the store contract on the file layout of dbm.sqlite3, for any Python with sqlite3.

It does not know the content of the store.

The file has one table, Dict(key, value), which `dbm.open` of Python 3.13 can read. In WAL mode, a write is atomic and
needs no sync. A power cut can lose a write, but never tears it, until `sync` has moved it into the file and synced
that. The journal keeps the events until then.

Warning: the file is locked for this process alone, because locking_mode EXCLUSIVE saves a shared-memory file and two
system calls per read. Close the store before another process opens it.
"""

from __future__ import annotations

import os
from itertools import chain

from ..errors import Corrupt, DiskFull, StorageFailed
from ..system import file_io

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from tempfile import TemporaryDirectory
    from typing import Any
else:
    import _sqlite3 as sqlite3  # the other half of sqlite3 imports datetime

_FREED_BYTES = 4 * 1024 * 1024
_ROWS = 10_000
"""The number of rows in one read of a full scan."""

_ALL_ROWS = "SELECT rowid, key, value FROM Dict WHERE rowid >= ? AND rowid < ? ORDER BY rowid LIMIT ?"

_DAMAGE = ("malformed", "not a database", "unsupported file format", "no such table", "no such column")
_UNSYNCED_BYTES = 512 * 1024
"""Bytes of keys and values. Moving this much into the file takes about 10 ms. A longer write-ahead log takes longer."""


class SqliteStore:
    """The store contract on an SQLite file."""

    def __init__(self, path: str, read_only: bool = False) -> None:
        """Open the store. `read_only` creates and changes no file, not even for recovery.

        Raises: Corrupt, DiskFull, StorageFailed.
        """
        self._path = path
        self._unsynced_bytes = 0
        self._copy: TemporaryDirectory[str] | None = None
        file_io.check_owned(*(path + end for end in ("", "-wal", "-shm", "-journal")))
        has_wal = os.path.exists(f"{path}-wal")
        if read_only and has_wal:
            path = self._copy_of(path)
        if not read_only and not os.path.exists(path):
            os.close(file_io.make_file(path))
        try:
            # Without a write-ahead log, nobody writes to the file. Then SQLite creates no files beside it.
            mode = "ro&immutable=1" if read_only and not has_wal else "rw"
            quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
            uri = f"file:{quoted}?mode={mode}"
            self._db = sqlite3.connect(uri, timeout=10, isolation_level=None, uri=True)
            self._begin(read_only)
        except sqlite3.Error as fault:
            if hasattr(self, "_db"):  # a caller that keeps the exception would keep the file open and locked
                self.close()
            raise self._error(fault) from fault

    def _begin(self, read_only: bool) -> None:
        """Configure the connection, and create the table unless `read_only` is set.

        Raises: sqlite3.Error.
        """
        self._db.text_factory = bytes  # damage can turn a value into a text
        self._db.execute("PRAGMA cell_size_check = ON")
        if read_only:
            return
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA checkpoint_fullfsync = ON")
        self._db.execute("PRAGMA wal_autocheckpoint = 0")
        self._db.execute("CREATE TABLE IF NOT EXISTS Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)")

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        rows = self._run("SELECT value FROM Dict WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def get_many(self, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
        """Return the pairs of the keys that exist."""
        return self._run(f"SELECT key, value FROM Dict WHERE key IN ({','.join('?' * len(keys))})", keys)

    def scan(self, start: bytes, stop: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """Return up to `limit` pairs with start <= key < stop, by key; from the end backwards with `reverse`."""
        order = "DESC" if reverse else "ASC"
        query = f"SELECT key, value FROM Dict WHERE key >= ? AND key < ? ORDER BY key {order} LIMIT ?"
        return self._run(query, (start, stop, limit))

    def write(self, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None:
        """Delete keys, then set pairs, in one transaction."""
        rows = [(bytearray(key), bytearray(value)) for key, value in puts]  # sqlite3 looks for an adapter of bytes
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM Dict WHERE key = ?", [(key,) for key in deletes])
            self._db.executemany("REPLACE INTO Dict (key, value) VALUES (?, ?)", rows)
            self._db.execute("COMMIT")
            self._unsynced_bytes += sum(map(len, chain(deletes, *puts)))
        except sqlite3.Error as fault:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise self._error(fault) from fault

    def readable(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every pair that can be read, and skip damage."""
        ((last,),) = self._run("SELECT max(rowid) FROM Dict", ())
        return self._rows(0, (last or 0) + 1)

    def problems(self) -> list[str]:
        """Return the first problems that SQLite finds in its file, at most 5."""
        rows = self._run("PRAGMA integrity_check(5)", ())
        problems = [bytes(row[0]).decode("utf-8", "replace") for row in rows]
        return [] if problems == ["ok"] else problems

    def _rows(self, low: int, high: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the rows with low <= rowid < high; if a read fails, read the two halves separately."""
        while low < high:
            try:
                rows = self._db.execute(_ALL_ROWS, (low, high, _ROWS)).fetchall()
            except sqlite3.Error:
                middle = (low + high) // 2
                if low < middle:
                    yield from self._rows(low, middle)
                    yield from self._rows(middle, high)
                return
            yield from ((key, value) for _, key, value in rows)
            if len(rows) < _ROWS or rows[-1][0] < low:  # in a damaged tree, the rows can form a cycle
                return
            low = rows[-1][0] + 1

    def sync(self) -> None:
        """Move the write-ahead log into the file. SQLite syncs the log first, then the file."""
        ((busy, _, _),) = self._run("PRAGMA wal_checkpoint(RESTART)", ())
        if busy:
            raise StorageFailed(path=self._path, why="another process has the store open")
        self._unsynced_bytes = 0

    def sync_is_due(self, freed_bytes: int) -> bool:
        """Return whether a sync would free much of the journal, or move much into the file."""
        return self._unsynced_bytes >= _UNSYNCED_BYTES or freed_bytes >= _FREED_BYTES

    def close(self) -> None:
        """Close the file, and remove the temporary copy if there is one."""
        try:
            self._db.close()
        except sqlite3.Error as fault:
            raise self._error(fault) from fault
        if self._copy is not None:
            self._copy.cleanup()

    def _copy_of(self, path: str) -> str:
        """Return the path of a copy: reading a write-ahead log that a kill left would change the file."""
        import shutil
        from tempfile import TemporaryDirectory

        self._copy = TemporaryDirectory(prefix="queuectl-")
        for name in (path, f"{path}-wal"):
            shutil.copy(name, self._copy.name)
        return os.path.join(self._copy.name, os.path.basename(path))

    def _run(self, query: str, values: Sequence[object]) -> list[Any]:
        """Return all rows of the answer, because damage can show only during the fetch."""
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as fault:
            raise self._error(fault) from fault

    def _error(self, fault: sqlite3.Error) -> Exception:
        """Return the error of queuectl for an error of SQLite: DiskFull, Corrupt, or StorageFailed."""
        text = str(fault)
        if "disk is full" in text or ("unable to open" in text and _lacks_inodes(self._path)):
            return DiskFull(path=self._path)
        if any(word in text for word in _DAMAGE):
            return Corrupt(path=self._path, why=f"SQLite says: {text}")
        return StorageFailed(path=self._path, why=file_io.with_limit(f"SQLite says: {text}"))


def _lacks_inodes(path: str) -> bool:
    """Return whether the disk has no free inodes: SQLite then says only that it could not open a file."""
    disk = os.statvfs(os.path.dirname(path))
    return disk.f_files > 0 and disk.f_favail == 0
