"""Checksum store: a store that writes a checksum with every value and checks it at every read.

It does not know the content of the values, except how `meta` begins in the first format.

The checksum is a line behind the value: a CRC-32 over key and value. Therefore the store rejects a flipped bit, and a
value under a wrong key, whatever the backend accepts. The first format has no checksums. The store reads such values
as they are, until `add_checksums` has added them.

Invariant: a version that knows only format 1 can still read `meta`. It takes the text up to the checksum, and finds the
number of a format that it does not know.
"""

from __future__ import annotations

import zlib

from ..errors import Corrupt, QueueError

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..table.store import Store

_LINE_BYTES = 9
_META_OF_FORMAT_1 = b'{"format":1,'
_META_IN_BETWEEN = b'{"format":2,"from":1,'
"""The start of `meta` during the upgrade from format 1. It names format 2 already, because a version that knows only
format 1 would read a checksum as part of the value.
"""
_PAGE = 1000


class ChecksumStore:
    """The store contract, with a checksum for every value of `inner`. Every read can raise Corrupt."""

    def __init__(self, inner: Store, path: str) -> None:
        self.inner = inner
        self.path = path
        self.is_old = _is_of_format_1(inner)
        """Whether values without a checksum are valid, as in a store of the first format."""
        self.problems, self.sync = inner.problems, inner.sync
        self.sync_is_due, self.close = inner.sync_is_due, inner.close

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None.

        Raises: Corrupt.
        """
        value = self.inner.get(key)
        return None if value is None else self._checked(key, value)

    def get_many(self, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
        """Return the pairs of the keys that exist.

        Raises: Corrupt.
        """
        return [(key, self._checked(key, value)) for key, value in self.inner.get_many(keys)]

    def scan(self, start: bytes, stop: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """Return up to `limit` pairs with start <= key < stop, by key; from the end backwards with `reverse`.

        Raises: Corrupt.
        """
        return [(key, self._checked(key, value)) for key, value in self.inner.scan(start, stop, limit, reverse)]

    def write(self, puts: list[tuple[bytes, bytes]], deletes: list[bytes]) -> None:
        """Delete keys, then set pairs, each with its checksum."""
        self.inner.write([(key, with_checksum(key, value)) for key, value in puts], deletes)

    def readable(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every pair that can be read, and skip damage."""
        return ((key, value) for key, value in self.checked() if value is not None)

    def checked(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield every pair that can be read, with None for a value that does not match its checksum."""
        for key, value in self.inner.readable():
            try:
                yield key, self._checked(key, value)
            except Corrupt:
                yield key, None

    def add_checksums(self) -> None:
        """Add a checksum to the values that the first format wrote without one.

        After a crash, the next call continues. Meanwhile a version that knows only format 1 rejects the store.
        """
        meta = self.inner.get(b"meta") or b""
        if meta.startswith(_META_OF_FORMAT_1):
            rest = (without_checksum(b"meta", meta) or meta)[len(_META_OF_FORMAT_1) :]
            self.inner.write([(b"meta", with_checksum(b"meta", _META_IN_BETWEEN + rest))], [])
        page: list[tuple[bytes, bytes]] = []
        for key, value in self.inner.readable():
            if without_checksum(key, value) is None and _may_be_old(value):
                page.append((key, with_checksum(key, value)))
            if len(page) == _PAGE:
                self.inner.write(page, [])
                page = []
        self.inner.write(page, [])
        self.is_old = False

    def _checked(self, key: bytes, value: bytes) -> bytes:
        """Return the value without its checksum.

        Raises: Corrupt.
        """
        checked = without_checksum(key, value)
        if checked is not None:
            return checked
        if self.is_old and _may_be_old(value):
            return value
        named = key.decode("utf-8", "replace") if isinstance(key, bytes) else repr(key)
        raise Corrupt(path=self.path, why=f"the checksum of its value of {named[:140]} is wrong")


def with_checksum(key: bytes, value: bytes) -> bytes:
    """Return the value as the store keeps it."""
    return b"%b\n%08x" % (value, zlib.crc32(value, zlib.crc32(key)))


def without_checksum(key: bytes, stored: bytes) -> bytes | None:
    """Return the value of a key, or None if key, value, and checksum do not match."""
    try:
        value = stored[:-_LINE_BYTES]
        return value if stored[-_LINE_BYTES:] == b"\n%08x" % zlib.crc32(value, zlib.crc32(key)) else None
    except TypeError:  # damage can turn the value into a text or a number
        return None


def _may_be_old(value: object) -> bool:
    """Return whether this can be a value of the first format, which wrote JSON on one line, and IDs."""
    return isinstance(value, bytes) and b"\n" not in value


def _is_of_format_1(inner: Store) -> bool:
    """Return whether the store has the first format, or is between the two."""
    try:
        return (inner.get(b"meta") or b"").startswith((_META_OF_FORMAT_1, _META_IN_BETWEEN))
    except (QueueError, AttributeError):  # the next read reports the damage
        return False
