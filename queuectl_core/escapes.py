"""Escapes: makes foreign text safe for a terminal or a log.

The module escapes control characters (C0 and C1), DEL, characters that change the direction of writing, and other
invisible ones. Pure. Does not know the terminal.

Warning: an escape sequence may be split over two pieces of output.
"""

from __future__ import annotations

_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def visible(text: str, kept: str = "") -> str:
    """Return the text with each nonprintable character escaped, except those in `kept`.

    The result is one line unless `kept` has a newline.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in kept else _escaped(character) for character in text
    )


class Sieve:
    """A filter for the output of jobs: text, ends of lines, tabs, and colors pass; the rest is escaped."""

    def __init__(self) -> None:
        import codecs
        import re

        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
        self._colour = re.compile("(\x1b\\[[0-9;:]{0,40}m)")
        self._begun = re.compile("\x1b(\\[[0-9;:]{0,40})?$")
        self._held = ""

    def take(self, data: bytes) -> str:
        """Return the text of this data that is safe to show, and hold the start of an incomplete sequence."""
        text = self._held + self._decode(data)
        begun = self._begun.search(text)
        end = len(text) if begun is None else begun.start()
        text, self._held = text[:end], text[end:]
        parts = self._colour.split(text)
        return "".join(part if n % 2 else visible(part, "\n\t\r") for n, part in enumerate(parts))


def _escaped(character: str) -> str:
    return _SHORT.get(character) or ascii(character)[1:-1]
