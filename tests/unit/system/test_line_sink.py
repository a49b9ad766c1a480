"""Line sink: a reader that stops costs lines, but no time, and the lines that are lost are counted."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from queuectl_core.system import line_sink
from queuectl_core.system.line_sink import LineSink


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, LineSink]]:
    monkeypatch.setattr(line_sink, "PATIENCE_MS", 0)
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    yield readable, LineSink(lambda count: b"dropped %d\n" % count, writable)
    os.close(readable)
    os.close(writable)


def read(descriptor: int) -> bytes:
    data = b""
    try:
        while piece := os.read(descriptor, 65536):
            data += piece
    except BlockingIOError:
        pass
    return data


def test_lines_arrive_as_they_are(pipe: tuple[int, LineSink]) -> None:
    readable, sink = pipe
    lines = [b"%d %s\n" % (n, b"x" * 1000) for n in range(20)]
    sink.write(lines)
    sink.write([])
    assert read(readable) == b"".join(lines)


def test_a_line_can_be_longer_than_a_piece(pipe: tuple[int, LineSink]) -> None:
    readable, sink = pipe
    sink.write([b"a\n", b"x" * 10_000 + b"\n", b"b\n"])
    assert read(readable) == b"a\n" + b"x" * 10_000 + b"\nb\n"


def test_lines_that_nobody_reads_are_dropped_and_counted(pipe: tuple[int, LineSink]) -> None:
    readable, sink = pipe
    lines = [b"%d %s\n" % (n, b"x" * 100) for n in range(20_000)]
    sink.write(lines)
    seen = read(readable).splitlines(keepends=True)
    assert seen == lines[: len(seen)] and len(seen) < len(lines)
    sink.write([b"after\n"])
    assert read(readable) == b"dropped %d\nafter\n" % (len(lines) - len(seen))


def test_a_reader_that_is_gone_is_no_error() -> None:
    readable, writable = os.pipe()
    os.close(readable)
    sink = LineSink(lambda count: b"", writable)
    sink.write([b"x\n"])
    os.close(writable)
