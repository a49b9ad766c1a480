"""Checksum store: a store whose every value carries a checksum, written with it and checked whenever it is read.

The seal is a line behind the value: a CRC-32 over key and value. So a flipped bit, and a value that stands under
another key, are refused as damage, whatever the backend lets through. Without the seal a value is as the first format
wrote it; such a store is read as it is, until `seal_old` has sealed it.

Knows of what is stored only how the first format began its `meta`. The trap: that record stays readable to the version
before, which takes the text up to the seal, so that it finds the number of a format that it does not know.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from ..errors import Corrupt, QueueError
from ..table.store import Store

_SEAL_BYTES = 9
_META_OF_FORMAT_1 = b'{"format":1,'
_META_IN_BETWEEN = b'{"format":2,"from":1,'
"""While a store of the first format is upgraded: the version before would take a seal for a part of the value."""
_PAGE = 1000


class SealedStore:
    def __init__(self, inner: Store, path: str) -> None:
        self.inner = inner
        self.path = path
        self.is_old = _is_of_format_1(inner)
        """Values without a seal are let through: a store of the first format, of which any number may have none."""

    def get(self, key: bytes) -> bytes | None:
        """Raises Corrupt, as do all that read."""
        value = self.inner.get(key)
        return None if value is None else self._opened(key, value)

    def get_many(self, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
        return [(key, self._opened(key, value)) for key, value in self.inner.get_many(keys)]

    def scan(self, start: bytes, stop: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        return [(key, self._opened(key, value)) for key, value in self.inner.scan(start, stop, limit, reverse)]

    def write(self, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None:
        self.inner.write([(key, sealed(key, value)) for key, value in puts], deletes)

    def readable(self) -> Iterator[tuple[bytes, bytes]]:
        return ((key, value) for key, value in self.checked() if value is not None)

    def checked(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield every pair that can be read; None in the place of a value that its seal does not fit."""
        for key, value in self.inner.readable():
            try:
                yield key, self._opened(key, value)
            except Corrupt:
                yield key, None

    def seal_old(self) -> None:
        """Seal what the first format has written without a seal. After a crash in between it goes on, and the version
        before refuses the store.
        """
        self._leave_format_1()
        page: list[tuple[bytes, bytes]] = []
        for key, value in self.inner.readable():
            if unsealed(key, value) is None and _may_be_old(value):
                page.append((key, sealed(key, value)))
            if len(page) == _PAGE:
                self.inner.write(page, [])
                page = []
        self.inner.write(page, [])
        self.is_old = False

    def _leave_format_1(self) -> None:
        meta = self.inner.get(b"meta") or b""
        if meta.startswith(_META_OF_FORMAT_1):
            rest = (unsealed(b"meta", meta) or meta)[len(_META_OF_FORMAT_1) :]
            self.inner.write([(b"meta", sealed(b"meta", _META_IN_BETWEEN + rest))], [])

    def problems(self) -> list[str]:
        return self.inner.problems()

    def sync(self) -> None:
        self.inner.sync()

    def sync_is_due(self, freed_bytes: int) -> bool:
        return self.inner.sync_is_due(freed_bytes)

    def close(self) -> None:
        self.inner.close()

    def _opened(self, key: bytes, value: bytes) -> bytes:
        found = unsealed(key, value)
        if found is not None:
            return found
        if self.is_old and _may_be_old(value):
            return value
        named = key.decode("utf-8", "replace") if isinstance(key, bytes) else repr(key)
        raise Corrupt(path=self.path, why=f"the checksum of its value of {named[:140]} is wrong")


def sealed(key: bytes, value: bytes) -> bytes:
    return b"%b\n%08x" % (value, zlib.crc32(value, zlib.crc32(key)))


def unsealed(key: bytes, value: bytes) -> bytes | None:
    """Return the value that was sealed; None when key, value, and seal do not belong together."""
    try:
        found = value[:-_SEAL_BYTES]
        return found if value[-_SEAL_BYTES:] == b"\n%08x" % zlib.crc32(found, zlib.crc32(key)) else None
    except TypeError:  # damage can make a text or a number of it
        return None


def _may_be_old(value: object) -> bool:
    """Whether this may be a value of the first format, which wrote JSON in one line, and ids."""
    return isinstance(value, bytes) and b"\n" not in value


def _is_of_format_1(inner: Store) -> bool:
    try:
        return (inner.get(b"meta") or b"").startswith((_META_OF_FORMAT_1, _META_IN_BETWEEN))
    except (QueueError, AttributeError):  # whoever reads it will say so
        return False
