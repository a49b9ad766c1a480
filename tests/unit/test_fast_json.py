"""Fast json: the same text, values, and refusals as the json module."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest

from queuectl_core import fast_json
from tests.homes import ROOT

VALUES = [
    None, True, False, 0, -7, 2**70, 1.5, 1e300, "", "a", "\u00e4\u20ac\U0001f600", "\ud800", "\x00\n\x7f\"\\", [], {}, [[]], [1, [2, {"a": [None]}]],
    {"b": 1, "a": {"c": "d"}}, ("tuple", 1),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_text_equals_that_of_json_and_round_trips(value: object) -> None:
    text = fast_json.encode(value)
    assert text == json.dumps(value, separators=(",", ":"))
    assert fast_json.decode(text) == json.loads(text)
    assert fast_json.decode(f" \t{text}\r\n") == json.loads(text)


@pytest.mark.parametrize("text", ["", " ", "{", "[1,]", "1 2", "nul", '"\x01"', "{'a': 1}", '{"a" 1}', "\ufeff1", "]"])
def test_refuses_what_json_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        json.loads(text)
    with pytest.raises(ValueError):
        fast_json.decode(text)


def test_nan_and_infinity_round_trip_unless_strict() -> None:
    assert fast_json.decode(fast_json.encode([float("inf"), float("-inf")])) == [float("inf"), float("-inf")]
    assert str(fast_json.decode(fast_json.encode(float("nan")))) == "nan"
    for text in ("NaN", "[Infinity]", '{"a": -Infinity}'):
        with pytest.raises(ValueError, match="is not a JSON number"):
            fast_json.decode_strictly(text)
    assert fast_json.decode_strictly('{"a": [1e3, "NaN"]}') == {"a": [1000.0, "NaN"]}


@pytest.mark.parametrize("text", ["{", '{"a": 1', "[1,]", "1 2", "nul"])
def test_without_the_json_module_refusals_are_the_same(text: str) -> None:
    """Some versions of the C half need the json module when they refuse."""
    script = "import sys; from queuectl_core import fast_json; fast_json.decode(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", script, text], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].startswith(("ValueError", "json.decoder.JSONDecodeError")), done.stderr


def test_damaged_texts_have_the_result_of_json() -> None:
    source = random.Random(1)
    good = json.dumps({"v": 1, "verb": "enqueue", "jobs": [{"id": "a", "n": 1.5e3, "t": [True, None, "x\\y"]}]})
    for _ in range(3000):
        text = list(good)
        for _ in range(source.randint(1, 3)):
            text[source.randrange(len(text))] = source.choice('{}[]",:0a\\ tn.-e')
        damaged = "".join(text)
        try:
            expected = json.loads(damaged)
        except ValueError:
            with pytest.raises(ValueError):
                fast_json.decode(damaged)
        else:
            assert fast_json.decode(damaged) == expected, damaged


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object()], ids=lambda value: type(value).__name__)
def test_unsupported_types_raise_a_type_error(value: object) -> None:
    with pytest.raises(TypeError):
        fast_json.encode(value)


def test_endless_nesting_raises_a_recursion_error() -> None:
    with pytest.raises(RecursionError):
        fast_json.decode("[" * 100_000)
