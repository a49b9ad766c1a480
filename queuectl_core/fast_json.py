"""Fast JSON: JSON through the C half of the standard json module, where this Python has it.

The Python half imports `re`, which costs a call of the command line more time than all modules of queuectl. Pure.

Warning: `_json` is a private module of CPython. Where it lacks a name or takes other arguments, `json` replaces it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # collections.abc brings all of collections with it
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class _Scan:
    """The options that the scanner reads: the defaults of `json.loads`, with the number types of C."""

    strict = True
    object_hook: Any = None
    object_pairs_hook: Any = None
    parse_float, parse_int = float, int
    _CONSTANTS = {"-Infinity": float("-inf"), "Infinity": float("inf"), "NaN": float("nan")}
    parse_constant: Callable[[str], float] = _CONSTANTS.__getitem__


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return a JSON object; refuse one that has a key twice, which json itself accepts.

    Raises: ValueError.
    """
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:40]!r} occurs twice")
    return value


class _StrictScan(_Scan):
    parse_constant = staticmethod(_refuse_constant)


class _UniqueScan(_StrictScan):
    object_pairs_hook = staticmethod(unique)


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is not JSON")


try:
    from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner

    _chunks = make_encoder(None, _refuse, encode_basestring_ascii, None, ":", ",", False, False, True)

    def encode(value: object) -> str:
        """Return compact ASCII JSON; NaN and the infinities are allowed.

        Raises: TypeError, ValueError, RecursionError.
        """
        return "".join(_chunks(value, 0))

    _text_chunks = make_encoder(None, _refuse, encode_basestring, None, ":", ",", False, False, False)

    def encode_text(value: object) -> str:
        """Return compact JSON with all characters as they are; NaN and the infinities are refused.

        Raises: TypeError, ValueError, RecursionError.
        """
        return "".join(_text_chunks(value, 0))

    def _decoder(options: Any) -> Callable[[str], Any]:
        scan = make_scanner(options)

        def decode(text: str) -> Any:
            """Return the value of JSON text."""
            text = text.strip(" \t\n\r")
            try:
                value, end = scan(text, 0)
            except (StopIteration, SystemError):  # where json.decoder was not imported, 3.10 and 3.11 raise no error
                raise ValueError("not a JSON value") from None
            if end != len(text):
                raise ValueError("more than one JSON value")
            return value

        return decode

    decode, decode_strictly, decode_unique = map(_decoder, (_Scan, _StrictScan, _UniqueScan))
    """Decode JSON.

    `decode` reads what `encode` writes. `decode_strictly` refuses NaN and the infinities. `decode_unique` also refuses
    an object that has a key twice.

    Raises: ValueError, RecursionError.
    """

except (ImportError, TypeError):  # not CPython, or a version with another signature
    from json import JSONDecoder, dumps
    from json import loads as decode  # noqa: F401

    decode_strictly = JSONDecoder(parse_constant=_refuse_constant).decode
    decode_unique = JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=unique).decode

    def encode(value: object) -> str:
        """Encode a value as JSON text, without spaces.

        Raises: ValueError, TypeError, RecursionError.
        """
        return dumps(value, separators=(",", ":"))

    def encode_text(value: object) -> str:
        """Encode a value as JSON text, without spaces and escapes, and without NaN and the infinities.

        Raises: ValueError, TypeError, RecursionError.
        """
        return dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
