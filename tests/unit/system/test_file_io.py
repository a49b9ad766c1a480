"""File I/O: the result of a read when the system has no data yet."""

from __future__ import annotations

import os

import pytest

from queuectl_core.system import file_io


def test_postponed_read_is_an_error_and_not_the_end_of_the_file() -> None:
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    with open(readable, "rb") as file, open(writable, "wb") as other:
        for size in (4, -1):
            with pytest.raises(BlockingIOError):
                file_io.read_from(file, size)
        other.write(b"hello")
        other.flush()
        assert file_io.read_from(file, 5) == b"hello"
