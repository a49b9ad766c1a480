"""Escapes: text of others, as a terminal or a log may show it: what a terminal would act upon is written out.

Control characters (C0 and C1), DEL, characters that turn the direction of writing, and others that nobody sees.
Pure. Knows no terminal. The trap: an escape sequence may be split over two pieces of output.
"""

from __future__ import annotations

_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def visible(text: str, kept: str = "") -> str:
    """The text with every character escaped that a terminal would act upon, except those in `kept`: on one line, if
    `kept` has no newline.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in kept else _escaped(character) for character in text
    )


def visible_json(text: str) -> str:
    """The same for ASCII text of JSON, which means what it did."""
    return text.replace("\x7f", "\\u007f")


class Sieve:
    """Lets output of jobs through to a terminal: text, ends of lines, tabs, and colours. The rest is escaped."""

    def __init__(self) -> None:
        import codecs
        import re

        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
        self._colour = re.compile("(\x1b\\[[0-9;:]{0,40}m)")
        self._begun = re.compile("\x1b(\\[[0-9;:]{0,40})?$")
        self._held = ""

    def take(self, data: bytes) -> str:
        """What may be shown of all that has come. The beginning of a sequence is held until its end comes."""
        text = self._held + self._decode(data)
        found = self._begun.search(text)
        self._held = "" if found is None else found[0]
        text = text if found is None else text[: found.start()]
        parts = self._colour.split(text)
        return "".join(part if n % 2 else visible(part, "\n\t\r") for n, part in enumerate(parts))


def _escaped(character: str) -> str:
    return _SHORT.get(character) or ascii(character)[1:-1]
