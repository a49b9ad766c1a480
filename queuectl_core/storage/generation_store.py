"""GenerationStore: the store contract on gnu, ndbm, or dumb files, for a Python without sqlite3.

It does not know the content of the store.

None of these files survives a kill during a write. Therefore the store never changes a file. It keeps new writes in
memory. `sync` writes everything into a new file in a folder of its own (gen-N), syncs it, and reads it back. Then it
switches: it renames GENERATION. After a crash, either the old or the new generation is there.

A sync takes time in proportion to the store, so it is due only when the journal has grown as large. The journal keeps
the writes that are only in memory. All keys are in memory, in order.

Warning: ndbm limits the size of a pair and can lose a large one silently. Therefore `sync` reads the file back.
"""

from __future__ import annotations

import bisect
import importlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

from .. import home_files
from ..errors import Corrupt, StorageFailed
from ..system import file_io

_POINTER = "GENERATION"
_MIN_SYNC_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 900
"""The size of a piece of a value: ndbm takes about 1000 bytes a pair. The keys are KEY, KEY\\x00 1, KEY\\x00 2 …"""


class GenerationStore:
    """The store contract on a dbm module that cannot survive a kill during a write."""

    def __init__(self, folder: str, module: str, read_only: bool = False) -> None:
        """Open the current generation of a folder. `read_only` changes no file.

        Raises: Corrupt.
        """
        self._folder = folder
        self._module: Any = importlib.import_module(module)
        self._number = self._current_number()
        self._pairs: dict[bytes, bytes | None] = {}
        self._file: Any = None
        self._bytes = 0
        self._open_current()
        stored: list[bytes] = [] if self._file is None else self._file.keys()
        self._keys = sorted(key for key in stored if b"\0" not in key)
        if not read_only:
            self._remove_others()

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        if key in self._pairs:
            return self._pairs[key]
        return self._read(self._file, key) if self._file is not None else None

    def get_many(self, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
        """Return the pairs of the keys that exist."""
        return [(key, value) for key in keys if (value := self.get(key)) is not None]

    def scan(self, start: bytes, stop: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """Return up to `limit` pairs with start <= key < stop, by key; from the end backwards with `reverse`."""
        low, high = bisect.bisect_left(self._keys, start), bisect.bisect_left(self._keys, stop)
        keys = self._keys[max(low, high - limit) : high][::-1] if reverse else self._keys[low : min(high, low + limit)]
        return [(key, self._value_of(key)) for key in keys]

    def write(self, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None:
        """Delete keys, then set pairs, all in memory until the next sync."""
        for key in deletes:
            self._pairs[key] = None
            at = bisect.bisect_left(self._keys, key)
            if at < len(self._keys) and self._keys[at] == key:
                del self._keys[at]
        for key, value in puts:
            self._pairs[key] = value
            at = bisect.bisect_left(self._keys, key)
            if at == len(self._keys) or self._keys[at] != key:
                self._keys.insert(at, key)

    def readable(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every pair that can be read, and skip damage."""
        for key in list(self._keys):
            try:
                yield key, self._value_of(key)
            except Corrupt:
                pass

    def problems(self) -> list[str]:
        """Return no problems."""
        return []  # damage in such a file shows only when its pairs are read

    def sync(self) -> None:
        """Write all pairs into a new generation, and switch to it, if anything has changed."""
        if not self._pairs:
            return
        try:
            self._write_generation(self._number + 1)
        except OSError as fault:
            self._remove_others()
            raise file_io.failure(self._folder, fault) from fault

    def sync_is_due(self, freed_bytes: int) -> bool:
        """Return whether the journal would shrink by as much as a new generation is large."""
        return freed_bytes >= max(_MIN_SYNC_BYTES, self._bytes)

    def close(self) -> None:
        """Close the file of the current generation."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write_generation(self, number: int) -> None:
        """Write all pairs into a new generation, verify and sync it, and make it the current one.

        Raises: StorageFailed, Corrupt, OSError.
        """
        folder = self._generation(number)
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder, 0o700)
        path = os.path.join(folder, "jobs")
        with self._module.open(path, "n", 0o600) as target:
            for key in self._keys:
                self._write_pieces(target, key, self._value_of(key))
        with self._module.open(path, "r") as written:
            for key in self._keys:
                if self._read(written, key) != self.get(key):
                    raise StorageFailed(path=path, why=f"{self._module.__name__} did not keep {key!r}")
        for path in self._files(number):
            with open(path, "rb", opener=file_io.open_owned) as file:
                file_io.fsync(file.fileno())
        file_io.fsync_folder(folder)
        file_io.fsync_folder(self._folder)
        file_io.replace_file(os.path.join(self._folder, _POINTER), b"%d\n" % number)
        self.close()
        self._number, self._pairs = number, {}
        self._open_current()
        self._remove_others()

    def _write_pieces(self, file: Any, key: bytes, value: bytes) -> None:
        """Write a pair as a count of pieces and the first piece, then the other pieces."""
        pieces = [value[start : start + _PIECE_BYTES] for start in range(0, len(value), _PIECE_BYTES)] or [b""]
        file[key] = b"%d " % len(pieces) + pieces[0]
        for n, piece in enumerate(pieces[1:], 1):
            file[key + b"\0%d" % n] = piece

    def _read(self, file: Any, key: bytes) -> bytes | None:
        """Return the value that was written in pieces, or None.

        Raises: Corrupt.
        """
        try:
            count, _, first = bytes(file[key]).partition(b" ")
            return first + b"".join(bytes(file[key + b"\0%d" % n]) for n in range(1, int(count)))
        except KeyError:
            return None
        except self._faults() as fault:
            why = f"its value of {key!r} is damaged ({fault})"
            raise Corrupt(path=self._generation(self._number), why=why) from None

    def _value_of(self, key: bytes) -> bytes:
        """Return the value of a key that is in the index.

        Raises: Corrupt.
        """
        value = self.get(key)
        if value is None:
            raise Corrupt(path=self._generation(self._number), why=f"its value of {key!r} is missing")
        return value

    def _faults(self) -> tuple[type[Exception], ...]:
        """Return the exceptions that the module raises for damage. In dumb, parsing the index also fails."""
        return (self._module.error, ValueError, SyntaxError, TypeError, AttributeError, OverflowError, MemoryError)

    def _generation(self, number: int) -> str:
        """Return the folder of a generation."""
        return os.path.join(self._folder, f"gen-{number}")

    def _files(self, number: int) -> list[str]:
        """Return the files of a generation; none if it does not exist."""
        folder = self._generation(number)
        return [os.path.join(folder, name) for name in os.listdir(folder)] if os.path.isdir(folder) else []

    def _current_number(self) -> int:
        """Return the number of the current generation, or 0 for a new store.

        Raises: Corrupt.
        """
        path = os.path.join(self._folder, _POINTER)
        try:
            return int(file_io.read(path, 32))
        except FileNotFoundError:
            return 0
        except ValueError:
            raise Corrupt(path=path, why="it does not name a generation") from None

    def _open_current(self) -> None:
        """Open the file of the current generation, if there is one.

        Raises: Corrupt.
        """
        if not self._number:
            return
        files = self._files(self._number)
        path = os.path.join(self._generation(self._number), "jobs")
        if not files:
            raise Corrupt(path=path, why="the current generation is missing")
        file_io.check_owned(*files)
        self._bytes = sum(map(os.path.getsize, files))
        try:
            self._file = self._module.open(path, "r")
        except self._faults() as fault:
            raise Corrupt(path=path, why=f"{self._module.__name__} says: {fault}") from fault

    def _remove_others(self) -> None:
        """Remove every generation except the current one on disk, which a failed switch can have changed."""
        current = self._current_number()
        for name in os.listdir(self._folder):
            if home_files.is_generation(name) and name != f"gen-{current}":
                shutil.rmtree(os.path.join(self._folder, name), ignore_errors=True)
