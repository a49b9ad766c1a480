"""Cells: how many columns of a terminal a text takes, and text that fits into a number of columns.

Pure. Does not know the terminal. Makes nothing safe (`escapes` does).
"""

from __future__ import annotations

import unicodedata

_TIME_OF_DAY, _DAY_AND_TIME = len("18:30:00Z"), len("12-24T18:30:00Z")


def width(text: str) -> int:
    """Return the columns of a text on a terminal: two for a wide character, none for a combining one."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def cut(text: str, columns: int) -> str:
    """Return the text, shortened to `columns` with an ellipsis if it is longer.

    A time in UTC loses its year, and then its day, instead of its end.
    """
    if width(text) <= columns:
        return text
    if columns >= _TIME_OF_DAY and text[10:11] == "T" and text[19:] == "Z":
        return text[5 if columns >= _DAY_AND_TIME else 11 :]
    kept = text[: max(0, columns - 1)]
    while kept and width(kept) > columns - 1:
        kept = kept[:-1]
    return kept + "…" if columns > 0 else ""


def _columns_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
