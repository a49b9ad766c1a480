"""Jsonl: the jobs of a file one by one, and the line number of a refused one."""

from __future__ import annotations

import io

import pytest

from queuectl_core.cli.jsonl import FileLines
from queuectl_core.errors import DuplicateJob, InvalidInput, InvalidJob


def lines_of(data: bytes) -> FileLines:
    return FileLines("jobs.jsonl", io.BytesIO(data))


def test_each_line_is_a_text_and_empty_lines_are_skipped() -> None:
    assert [text.strip() for text in lines_of(b"a\n\n  \nb\r\nc")] == ["a", "b", "c"]


@pytest.mark.parametrize("data", [b"", b"\n", b" \n\t\n"])
def test_file_without_a_job_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="jobs.jsonl contains no jobs"):
        list(lines_of(data))


@pytest.mark.parametrize("index, line", [(0, 2), (1, 3), (2, 6)])
def test_refused_job_has_its_line_number(index: int, line: int) -> None:
    lines = lines_of(b"\na\nb\n\n\nc\n")
    list(lines)
    placed = lines.placed(InvalidJob(index=index, why="is bad"))
    assert str(placed) == f"jobs.jsonl line {line}: is bad; nothing was enqueued"


def test_line_number_keeps_the_exit_status_of_an_error() -> None:
    lines = lines_of(b"a\n")
    list(lines)
    assert lines.placed(DuplicateJob(id="a", index=0)).exit_status == DuplicateJob.exit_status
    other = DuplicateJob(id="a")
    assert lines.placed(other) is other


def test_line_that_is_not_utf_8_is_named() -> None:
    with pytest.raises(InvalidInput, match="line 3: not valid UTF-8"):
        list(lines_of(b"a\n\n\xff\n"))


def test_endless_line_is_refused_before_it_fills_the_memory() -> None:
    with open("/dev/zero", "rb") as endless, pytest.raises(InvalidInput, match="line 1: it has more than 4194304 bytes"):
        list(FileLines("/dev/zero", endless))
