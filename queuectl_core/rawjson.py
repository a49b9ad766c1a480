"""RawJson: JSON by the C half of the standard json module alone, where this Python has it.

The Python half brings `re` with it, and that costs a call of the command line more than everything of ours. Pure.
The trap: `_json` is CPython's own affair; whatever it lacks or calls otherwise, `json` itself takes its place.
"""

from __future__ import annotations


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


class _Scan:
    """What the scanner reads its options from: those of `json.loads` without arguments, but that NaN is refused."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int
    parse_constant = staticmethod(_refuse_constant)


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is not JSON")


try:
    from _json import encode_basestring_ascii, make_encoder, make_scanner

    _chunks = make_encoder(None, _refuse, encode_basestring_ascii, None, ":", ",", False, False, True)
    _scan = make_scanner(_Scan)

    def encode(value: object) -> str:
        """Compact and ASCII. Raises TypeError, ValueError, RecursionError."""
        return "".join(_chunks(value, 0))

    def decode(text: str) -> object:
        """Raises ValueError, RecursionError."""
        text = text.strip(" \t\n\r")
        try:
            value, end = _scan(text, 0)
        except (StopIteration, SystemError):  # where json.decoder was not imported, 3.11 fails to raise its error
            raise ValueError("no JSON value") from None
        if end != len(text):
            raise ValueError("more than one JSON value")
        return value

except (ImportError, TypeError):  # another Python, or another version's idea of the two
    from json import JSONDecoder, dumps

    decode = JSONDecoder(parse_constant=_refuse_constant).decode

    def encode(value: object) -> str:
        return dumps(value, separators=(",", ":"))
