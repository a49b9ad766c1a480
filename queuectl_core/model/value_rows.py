"""Value rows: the values of each job, made from lists of values, as GNU parallel and Slurm make them.

Pure. It reads no file: `read` gives the values of one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..errors import InvalidInput
from .command_template import Row

MAX_INDEX = 1_000_000_000
"""The highest index of an array."""

_SIGNS = (":::", ":::+", "::::", "::::+")
"""Each begins a list: of words, or (four colons) of the values in files. A plus pairs it with the list before."""


def split_words(words: Sequence[str]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return the words of the command, and each list that follows, with its sign."""
    command = list(itertools.takewhile(lambda word: word not in _SIGNS, words))
    lists: list[tuple[str, list[str]]] = []
    for word in words[len(command) :]:
        if word in _SIGNS:
            lists.append((word, []))
        else:
            lists[-1][1].append(word)
    return command, lists


def combine(lists: Sequence[tuple[str, list[str]]], read: Callable[[str], Iterable[str]]) -> tuple[int, Iterator[Row]]:
    """Return how many values a job has, and the values of each job: all combinations of the lists.

    Lists that are paired count as one. The shorter list of a pair ends it.

    Raises: InvalidInput.
    """
    groups: list[list[list[str]]] = []
    for sign, words in lists:
        values = [value for file in words for value in read(file)] if sign.startswith("::::") else words
        if sign.endswith("+"):
            if not groups:
                raise InvalidInput(what=f"{sign} pairs a list with the one before it, but it is the first")
            groups[-1].append(values)
        else:
            groups.append([values])
    combinations = itertools.product(*(list(zip(*group)) for group in groups))
    return len(lists), (tuple(itertools.chain.from_iterable(rows)) for rows in combinations)


def array_indexes(text: str) -> Iterator[int]:
    """Return the indexes of an array: numbers and ranges like `1-100`, `0-9:3`, or `1,5,7-9`.

    The form is that of Slurm's `--array`.

    Raises: InvalidInput.
    """
    return itertools.chain.from_iterable([_indexes(part, text) for part in text.split(",")])


def _indexes(part: str, text: str) -> range:
    bounds, colon, step = part.partition(":")
    first, dash, last = bounds.partition("-")
    numbers = [first, last if dash else first, step if colon else "1"]
    if not all(number.isascii() and number.isdecimal() and int(number[:12]) <= MAX_INDEX for number in numbers):
        raise InvalidInput(what=f"an array needs numbers and ranges like 1-100, 0-9:3 or 1,5,7-9, not {text[:40]!r}")
    low, high, by = map(int, numbers)
    if by < 1 or low > high:
        raise InvalidInput(what=f"the range {part!r} of the array is empty")
    return range(low, high + 1, by)
