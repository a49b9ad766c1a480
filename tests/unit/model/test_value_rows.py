"""Value rows: the lists of a command line, all their combinations, and the indexes of an array."""

from __future__ import annotations

import pytest

from queuectl_core.errors import InvalidInput
from queuectl_core.model.value_rows import array_indexes, combine, split_words


def rows(*words: str, **files: list[str]) -> list[tuple[str, ...]]:
    width, combinations = combine(split_words(words)[1], lambda file: files[file])
    found = [tuple(row) for row in combinations]
    assert all(len(row) == width for row in found)
    return found


def test_splits_the_command_from_its_lists() -> None:
    assert split_words(["cmd", "-x", ":::", "a", "b", ":::+", "1"]) == (["cmd", "-x"], [(":::", ["a", "b"]), (":::+", ["1"])])
    assert split_words(["cmd"]) == (["cmd"], [])


def test_one_list_gives_one_value_for_each_job() -> None:
    assert rows("cmd", ":::", "a", "b") == [("a",), ("b",)]


def test_several_lists_give_all_combinations() -> None:
    assert rows("cmd", ":::", "a", "b", ":::", "1", "2") == [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")]


def test_a_plus_pairs_a_list_with_the_one_before() -> None:
    assert rows("cmd", ":::", "a", "b", ":::+", "1", "2") == [("a", "1"), ("b", "2")]
    assert rows("cmd", ":::", "a", "b", ":::+", "1") == [("a", "1")]
    assert rows("cmd", ":::", "x", "y", ":::", "a", "b", ":::+", "1", "2") == [
        ("x", "a", "1"), ("x", "b", "2"), ("y", "a", "1"), ("y", "b", "2"),
    ]  # fmt: skip


def test_four_colons_take_the_values_from_files() -> None:
    assert rows("cmd", "::::", "f", "g", f=["a"], g=["b", "c"]) == [("a",), ("b",), ("c",)]
    assert rows("cmd", ":::", "1", "2", "::::+", "f", f=["a", "b"]) == [("1", "a"), ("2", "b")]


def test_an_empty_list_gives_no_job() -> None:
    assert rows("cmd", ":::", "a", ":::") == []


def test_refuses_a_plus_at_the_first_list() -> None:
    with pytest.raises(InvalidInput, match="the first"):
        rows("cmd", ":::+", "a")


@pytest.mark.parametrize(
    ("text", "indexes"),
    [("1-4", [1, 2, 3, 4]), ("0-9:3", [0, 3, 6, 9]), ("7", [7]), ("1,5,7-9", [1, 5, 7, 8, 9]), ("1-100:50,3", [1, 51, 3])],
)
def test_reads_the_indexes_of_an_array(text: str, indexes: list[int]) -> None:
    assert list(array_indexes(text)) == indexes


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "1--2", "1-2:", "1-2:0", "5-1", "1,,2", "1.5", "9999999999999", "²", "1-9999999999999"])
def test_refuses_an_array_that_has_no_clear_indexes(text: str) -> None:
    with pytest.raises(InvalidInput):
        array_indexes(text)
